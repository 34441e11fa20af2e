// SPDX-License-Identifier: BSD-2-Clause
/// What opened, what closed, and how many connections were in each state, over time.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "model/analysis.h"

namespace tcpdwell {

/// Intervals of a millisecond at first, doubled whenever there would be more than 480: memory does
/// not depend on how long a trace is.
class Timeline {
 public:
  /// The time that is shown reaches to there, though nothing may have happened.
  void reach(std::int64_t wall_ns) { at(wall_ns); }
  void open(std::int64_t wall_ns) { ++at(wall_ns).opens; }
  void close(std::int64_t wall_ns) { ++at(wall_ns).closes; }
  /// One that open() was told of and that never was.
  void not_opened(std::int64_t wall_ns) {
    Interval& then = at(wall_ns);
    if (then.opens > 0) --then.opens;
  }
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
  Interval& interval(std::int64_t number);
  std::int64_t newest() const;  ///< number of the last interval; there is one
  void widen();

  std::int64_t width_ns_ = 1'000'000;
  std::int64_t first_ = 0;           ///< wall_ns / width_ns_ of the first interval
  std::vector<Interval> intervals_;  ///< one after the other, those in which nothing happened too
  std::int64_t last_begin_ns_ = 0, last_end_ns_ = 0;
  Interval* last_ = nullptr;
};

}  // namespace tcpdwell
