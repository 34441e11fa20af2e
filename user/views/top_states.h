// SPDX-License-Identifier: BSD-2-Clause
/// What `top` shows of each state: how many sockets now, how many entered, how long those dwelt
/// that left, and how many there were over the last minute.
#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <optional>
#include <vector>

#include "model/summary.h"

namespace tcpdwell {

struct StateFigures {
  State state = State::Unknown;
  std::optional<std::uint64_t> now;         ///< absent where it cannot be known
  std::optional<double> entries_per_s;      ///< over the last sample; absent in the first
  Histogram dwells;                         ///< exact ones that ended within a minute
  std::uint64_t at_least = 0, unknown = 0;  ///< those that ended within it and are not exact
  std::vector<std::uint64_t> minute;        ///< sockets over the last minute, the oldest first
};

/// Bounded: at most 60 numbers and six histograms a state.
class StateHistory {
 public:
  /// `summary` is by state, since the one before. The first tells where things stand.
  void add(const Summary& summary);
  std::vector<StateFigures> figures() const;        ///< of all states but CLOSE, in kLifeOrder
  const LossCounts& lost() const { return lost_; }  ///< since the first

 private:
  static constexpr std::size_t kBins = 60, kWindows = 6;
  static constexpr std::int64_t kBinNs = 1'000'000'000, kWindowNs = 10'000'000'000;
  struct Window {
    std::int64_t number = 0;
    Histogram dwells;
    std::uint64_t at_least = 0, unknown = 0;
  };
  struct Tracked {
    std::optional<std::uint64_t> now = 0;
    std::optional<double> entries_per_s;
    std::deque<std::uint64_t> minute;
    std::deque<Window> windows;
  };

  void add(Tracked& tracked, const Row* row, const Summary& summary, bool open_known);
  void add_population(Tracked& tracked, std::int64_t wall_ns) const;
  static void add_dwells(Tracked& tracked, const Row* row, std::int64_t wall_ns);

  std::array<Tracked, kStateCount> states_;
  std::optional<std::int64_t> last_wall_ns_;
  LossCounts lost_{};
};

}  // namespace tcpdwell
