// SPDX-License-Identifier: BSD-2-Clause
#include "model/totals.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>

namespace tcpdwell {
namespace {

constexpr std::uint64_t kSecond = 1'000'000'000;

std::size_t bucket_of(std::uint64_t ns) {
  const auto bound = std::lower_bound(kBucketBounds.begin(), kBucketBounds.end(), ns);
  return static_cast<std::size_t>(bound - kBucketBounds.begin());
}

TEST(Totals, BoundsGoUpAndBelongToTheirBuckets) {
  EXPECT_TRUE(std::is_sorted(kBucketBounds.begin(), kBucketBounds.end()));
  EXPECT_EQ(kBucketBounds.front(), 10'000U);
  for (std::size_t i = 0; i < kBucketCount; ++i) {
    EXPECT_EQ(bucket_of(kBucketBounds[i]), i);
    EXPECT_EQ(bucket_of(kBucketBounds[i] + 1), i + 1);
  }
}

TEST(Totals, ATimeWaitHasABucketOfItsOwn) {
  const std::size_t bucket = bucket_of(60 * kSecond + 800'000);
  EXPECT_EQ(kBucketBounds[bucket - 1], 60 * kSecond);
  EXPECT_EQ(kBucketBounds[bucket], 70 * kSecond);
  EXPECT_EQ(bucket_of(62 * kSecond), bucket);
}

TEST(Totals, AreSumsOfWhatWasCounted) {
  Tally::OfState since;
  since.exact.add(kSecond + 600'000'000, 2);
  since.within[bucket_of(kSecond + 600'000'000)] = 2;
  since.at_least = 1;
  since.unknown = 1;
  DwellTotals totals;
  totals.add(since);
  totals.add(since);
  EXPECT_EQ(std::accumulate(totals.buckets.begin(), totals.buckets.end(), 0U), 4U);
  EXPECT_EQ(totals.at_least, 2U);
  EXPECT_EQ(totals.unknown, 2U);
  EXPECT_EQ(totals.sum_s, 6U);
  EXPECT_EQ(totals.sum_ns, 400'000'000U);
  EXPECT_EQ(totals.exact.count(), 4U);
}

TEST(Totals, ASumOutlastsSixtyFourBitsOfNanoseconds) {
  Tally::OfState since;
  since.exact.add(UINT64_MAX);
  DwellTotals totals;
  for (int i = 0; i < 4; ++i) totals.add(since);
  EXPECT_EQ(totals.sum_s, 4 * (UINT64_MAX / kSecond) + 2);  // 4 * 0.709 s carry 2 seconds
}

TEST(Totals, WhatNoSynLeftForIsNotOpened) {
  Tally tally;
  tally.transitions[static_cast<std::size_t>(State::Close)]
                   [static_cast<std::size_t>(State::SynSent)] = 7;
  tally.ends[static_cast<std::size_t>(Reason::NoLocalPort)][0] = 2;
  Totals totals;
  totals.add(tally);
  EXPECT_EQ(totals.opened_active(), 5U);
}

}  // namespace
}  // namespace tcpdwell
