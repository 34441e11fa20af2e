// SPDX-License-Identifier: BSD-2-Clause
#include "model/totals.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>

namespace tcpdwell {
namespace {

constexpr std::uint64_t kSecond = 1'000'000'000;

std::size_t bucket_of(std::uint64_t ns) {
  DwellTotals totals;
  totals.add({Bound::Exact, ns});
  const auto it = std::find(totals.buckets.begin(), totals.buckets.end(), 1U);
  return static_cast<std::size_t>(it - totals.buckets.begin());
}

TEST(Totals, BoundsGoUpAndBelongToTheirBuckets) {
  EXPECT_TRUE(std::is_sorted(kBucketBounds.begin(), kBucketBounds.end()));
  EXPECT_EQ(kBucketBounds.front(), 10'000U);
  for (std::size_t i = 0; i < kBucketCount; ++i) {
    EXPECT_EQ(bucket_of(kBucketBounds[i]), i);
    EXPECT_EQ(bucket_of(kBucketBounds[i] + 1), i + 1);
  }
  EXPECT_EQ(bucket_of(0), 0U);
  EXPECT_EQ(bucket_of(UINT64_MAX), kBucketCount);
}

TEST(Totals, ATimeWaitHasABucketOfItsOwn) {
  const std::size_t bucket = bucket_of(60 * kSecond + 800'000);
  EXPECT_EQ(kBucketBounds[bucket - 1], 60 * kSecond);
  EXPECT_EQ(kBucketBounds[bucket], 70 * kSecond);
  EXPECT_EQ(bucket_of(62 * kSecond), bucket);
}

TEST(Totals, OnlyExactDwellsAreInBucketsAndSum) {
  DwellTotals totals;
  totals.add({Bound::AtLeast, 5 * kSecond});
  totals.add({Bound::Unknown, 0});
  totals.add({Bound::Exact, kSecond + 600'000'000});
  totals.add({Bound::Exact, kSecond + 600'000'000});
  EXPECT_EQ(std::accumulate(totals.buckets.begin(), totals.buckets.end(), 0U), 2U);
  EXPECT_EQ(totals.at_least, 1U);
  EXPECT_EQ(totals.unknown, 1U);
  EXPECT_EQ(totals.sum_s, 3U);
  EXPECT_EQ(totals.sum_ns, 200'000'000U);
  EXPECT_EQ(totals.exact.count(), 2U);
}

TEST(Totals, ASumOutlastsSixtyFourBitsOfNanoseconds) {
  DwellTotals totals;
  for (int i = 0; i < 4; ++i) totals.add({Bound::Exact, UINT64_MAX});
  EXPECT_EQ(totals.sum_s, 4 * (UINT64_MAX / kSecond) + 2);  // 4 * 0.709 s carry 2 seconds
}

}  // namespace
}  // namespace tcpdwell
