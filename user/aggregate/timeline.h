// SPDX-License-Identifier: BSD-2-Clause
/// What opened, what closed, and how many connections were in each state, over time.
#pragma once

#include <map>
#include <optional>

#include "model/analysis.h"

namespace tcpdwell {

/// Intervals of a millisecond at first, doubled whenever there would be more than 480: memory does
/// not depend on how long a trace is.
class Timeline {
 public:
  void open(std::int64_t wall_ns) { ++at(wall_ns).opens; }
  void close(std::int64_t wall_ns) { ++at(wall_ns).closes; }
  /// One more is in `to`, one less in `from`; nullopt is outside: not there yet, or gone.
  void move(std::int64_t wall_ns, std::optional<State> from, std::optional<State> to);
  Series take() const;

 private:
  struct Interval {
    std::uint64_t opens = 0, closes = 0;
    std::array<std::int64_t, kStateCount> change{};
  };
  Interval& at(std::int64_t wall_ns);
  /// Or the earliest or latest moment that there is: the intervals that hold those reach beyond
  /// them.
  std::int64_t begin_of(std::int64_t number) const;
  void widen();

  std::int64_t width_ns_ = 1'000'000;
  std::map<std::int64_t, Interval> intervals_;  ///< by wall_ns / width_ns_
  std::int64_t last_begin_ns_ = 0, last_end_ns_ = 0;
  Interval* last_ = nullptr;
};

}  // namespace tcpdwell
