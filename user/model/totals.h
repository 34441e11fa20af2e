// SPDX-License-Identifier: BSD-2-Clause
/// What a run has counted since it began: numbers that only grow.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>

#include "model/event.h"
#include "model/histogram.h"
#include "model/tally.h"

namespace tcpdwell {

/// Finished dwells of one state.
struct DwellTotals {
  std::array<std::uint64_t, kBucketCount + 1>
      buckets{};  ///< of exact ones; the last is above all bounds
  std::uint64_t sum_s = 0,
                sum_ns = 0;  ///< of exact ones; both parts, as 64 bits of ns may not last a day
  std::uint64_t at_least = 0, unknown = 0;
  Histogram exact;

  void add(const Tally::OfState& since);
};

/// Lives of connections that ended, from the SYN to the end or to TIME_WAIT.
struct LifeTotals {
  std::array<std::uint64_t, kBucketCount + 1>
      buckets{};                        ///< of exact ones; the last is above all bounds
  std::uint64_t sum_s = 0, sum_ns = 0;  ///< as DwellTotals'
  std::uint64_t unknown = 0;            ///< begun before the run, or with a line lost

  void add(const Dwell& life);
};

struct Totals {
  std::array<DwellTotals, kStateCount> dwells;
  DwellTotals not_accepted;                                                       ///< as Tally's
  std::array<std::array<std::uint64_t, kStateCount>, kStateCount> transitions{};  ///< [old][new]
  std::array<std::array<std::uint64_t, Tally::kClosers>, kReasonCount>
      ends{};                       ///< [reason][closer]
  std::array<LifeTotals, 3> lives;  ///< [Role]; of connections that were told, not of sums
  LossCounts lost{};

  void add(const Tally& tally);
  /// Connections begun by this host, and towards it.
  std::uint64_t opened_active() const {
    std::uint64_t without_port = 0;  // no SYN left for them
    for (const std::uint64_t count : ends[static_cast<std::size_t>(Reason::NoLocalPort)])
      without_port += count;
    const std::uint64_t begun = count(State::Close, State::SynSent);
    return begun - std::min(begun, without_port);
  }
  std::uint64_t opened_passive() const { return count(State::Listen, State::SynRecv); }
  std::uint64_t opened() const { return opened_active() + opened_passive(); }
  /// Both sides are through with them, TIME_WAIT too.
  std::uint64_t ended() const {
    std::uint64_t sum = 0;
    for (const auto& of_reason : ends)
      for (const std::uint64_t count : of_reason) sum += count;
    return sum;
  }

 private:
  std::uint64_t count(State from, State to) const {
    return transitions[static_cast<std::size_t>(from)][static_cast<std::size_t>(to)];
  }
};

}  // namespace tcpdwell
