// SPDX-License-Identifier: BSD-2-Clause
/// The last ten minutes of a run that goes on, as points a few seconds apart: for who looks now and
/// was not there. Of fixed size, and made of the kernel side's sums, so that nobody has to list
/// what is open for it. Pure: time comes from the caller.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>
#include <vector>

#include "model/live_state.h"
#include "model/tally.h"

namespace tcpdwell {

class RecentPast {
 public:
  static constexpr std::uint64_t kEveryNs = 5'000'000'000;
  static constexpr std::size_t kPoints = 120;

  /// What was counted since the last one.
  void tally(const Tally& tally);
  /// What was open when the last tally() was taken. What is counted drifts where a host hides
  /// events, and what was listed does not: a point goes by the survey next to it.
  void survey(const std::array<std::uint64_t, kStateCount>& population);
  /// The next point is due, or overdue.
  bool is_due(std::uint64_t mono_ns) const { return !last_ns_ || mono_ns - *last_ns_ >= kEveryNs; }
  /// What there is at the last tally().
  void add_point(std::uint64_t mono_ns, std::int64_t wall_ns, const Totals& totals);
  /// The oldest first. None stands for a time in which nobody counted.
  std::vector<PastPoint> points() const;

 private:
  using PerState = std::array<std::int64_t, kStateCount>;
  struct Point {
    std::int64_t wall_ns = 0;
    std::uint64_t opened = 0, ended = 0;
    PerState counted{};
    std::optional<PerState> missed;  ///< by what was counted, as a survey just before it shows
  };
  PastPoint told(const Point& point, const std::optional<PerState>& missed) const;

  std::deque<Point> points_;
  PerState counted_{};             ///< sockets in the state since the start, by the sums
  std::optional<PerState> newer_;  ///< as Point::missed, of the last survey after all points
  std::optional<PerState> older_;  ///< and of the last one before them
  std::size_t since_older_ = 0;    ///< how many points ago, seen from the first one
  std::optional<std::uint64_t> last_ns_;
};

}  // namespace tcpdwell
