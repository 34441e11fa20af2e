// SPDX-License-Identifier: BSD-2-Clause
/// What the kernel side counted itself, where no event tells of it.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "model/histogram.h"
#include "model/state.h"

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

/// Since the tally before it, but for `transitions` and `ends`, which are since the start; indexed
/// with State. What serve alone is given is 0 elsewhere.
struct Tally {
  static constexpr std::size_t kClosers = 4;

  struct OfState {
    Histogram exact;
    std::array<std::uint32_t, kBucketCount + 1>
        within{};                             ///< for serve: exact ones by kBucketBounds
    std::uint64_t at_least = 0, unknown = 0;  ///< dwells that are a lower bound, or not known
    std::int64_t opened = 0;  ///< sockets that came into the state less those that left it
  };
  std::array<OfState, kStateCount> states;
  OfState not_accepted;  ///< of ESTABLISHED, the part before accept(); nothing is `opened`
  /// For serve: [old][new], and [reason][closer].
  std::array<std::array<std::uint64_t, kStateCount>, kStateCount> transitions{};
  std::array<std::array<std::uint64_t, kClosers>, kReasonCount> ends{};
};

}  // namespace tcpdwell
