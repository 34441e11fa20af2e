// SPDX-License-Identifier: BSD-2-Clause
/// What a run has counted since it began: numbers that only grow.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "model/event.h"
#include "model/histogram.h"

namespace tcpdwell {

/// Upper bounds of the classic buckets, in nanoseconds, a bound in its bucket: 1, 2, 5 in each
/// power of ten from 10 us to 5000 s, and 60 s and 70 s, between which a TIME_WAIT ends. Above them
/// is one bucket more. docs/metrics.md promises them.
inline constexpr std::size_t kBucketCount = 29;
constexpr std::array<std::uint64_t, kBucketCount> make_bucket_bounds() {
  std::array<std::uint64_t, kBucketCount> bounds{};
  std::size_t n = 0;
  for (std::uint64_t power = 10'000; power <= 1'000'000'000'000; power *= 10)
    for (const std::uint64_t factor : {1, 2, 5}) {
      bounds[n++] = power * factor;
      if (power * factor != 50'000'000'000) continue;
      bounds[n++] = 60'000'000'000;
      bounds[n++] = 70'000'000'000;
    }
  return bounds;
}
inline constexpr std::array<std::uint64_t, kBucketCount> kBucketBounds = make_bucket_bounds();
static_assert(kBucketBounds.back() == 5'000'000'000'000);

/// Finished dwells of one state.
struct DwellTotals {
  std::array<std::uint64_t, kBucketCount + 1>
      buckets{};  ///< of exact ones; the last is above all bounds
  std::uint64_t sum_s = 0,
                sum_ns = 0;  ///< of exact ones; both parts, as 64 bits of ns may not last a day
  std::uint64_t at_least = 0, unknown = 0;
  Histogram exact;

  void add(const Dwell& dwell);
};

struct Totals {
  static constexpr std::size_t kClosers = 4;

  std::array<DwellTotals, kStateCount> dwells;
  std::array<std::array<std::uint64_t, kStateCount>, kStateCount> transitions{};  ///< [old][new]
  std::array<std::array<std::uint64_t, kClosers>, kReasonCount> ends{};  ///< [reason][closer]
  std::uint64_t opened_active = 0, opened_passive = 0;
  LossCounts lost{};
};

}  // namespace tcpdwell
