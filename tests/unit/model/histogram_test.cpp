// SPDX-License-Identifier: BSD-2-Clause
#include "model/histogram.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <random>
#include <utility>
#include <vector>

namespace tcpdwell {
namespace {

constexpr std::uint64_t kSeed = 20260102;
constexpr double kPercents[] = {0, 0.1, 1, 10, 25, 50, 75, 90, 99, 99.9, 100};

/// Every number of bits equally often.
std::vector<std::uint64_t> over_all_magnitudes(std::mt19937_64& random, std::size_t count) {
  std::vector<std::uint64_t> values(count);
  for (auto& value : values) value = random() >> (random() % 64);
  return values;
}

Histogram histogram_of(const std::vector<std::uint64_t>& values) {
  Histogram histogram;
  for (std::uint64_t value : values) histogram.add(value);
  return histogram;
}

std::uint64_t nearest_rank(const std::vector<std::uint64_t>& sorted, double percent) {
  const auto rank = std::ceil(percent * static_cast<double>(sorted.size()) / 100.0);
  return sorted[rank < 1 ? 0 : static_cast<std::size_t>(rank) - 1];
}

void expect_same(const Histogram& a, const Histogram& b) {
  EXPECT_EQ(a.count(), b.count());
  EXPECT_EQ(a.min(), b.min());
  EXPECT_EQ(a.max(), b.max());
  EXPECT_EQ(a.total(), b.total());
  for (double percent : kPercents) EXPECT_EQ(a.percentile(percent), b.percentile(percent));
}

TEST(Histogram, EmptyKnowsNothing) {
  const Histogram empty;
  EXPECT_EQ(empty.count(), 0U);
  EXPECT_EQ(empty.min(), std::nullopt);
  EXPECT_EQ(empty.max(), std::nullopt);
  EXPECT_EQ(empty.total(), std::nullopt);
  EXPECT_EQ(empty.percentile(50), std::nullopt);
}

TEST(Histogram, SmallValuesAreExact) {
  Histogram histogram;
  for (std::uint64_t value = 0; value < 64; ++value) histogram.add(value);
  for (unsigned rank = 1; rank <= 64; ++rank) {
    EXPECT_EQ(histogram.percentile(rank * 100.0 / 64), rank - 1);
  }
}

TEST(Histogram, EveryBucketEdgeReadsBackWithinItsBound) {
  for (unsigned shift = 0; shift < 64; ++shift) {
    for (int offset = -1; offset <= 1; ++offset) {
      const std::uint64_t value = (std::uint64_t{1} << shift) + static_cast<std::uint64_t>(offset);
      Histogram histogram;
      // The middle one of three is neither min nor max, so it is read from its bucket.
      histogram.add(0);
      histogram.add(value);
      histogram.add(UINT64_MAX);
      const double got = static_cast<double>(*histogram.percentile(50));
      EXPECT_NEAR(got, static_cast<double>(value), static_cast<double>(value) / 128) << value;
    }
  }
}

TEST(Histogram, PercentilesAreWithinOnePercentOfTheTruth) {
  fmt::print("seed {}\n", kSeed);
  std::mt19937_64 random(kSeed);
  for (int round = 0; round < 200; ++round) {
    auto values = over_all_magnitudes(random, 1 + random() % 2000);
    const Histogram histogram = histogram_of(values);
    std::sort(values.begin(), values.end());
    ASSERT_EQ(histogram.count(), values.size());
    ASSERT_EQ(histogram.min(), values.front());
    ASSERT_EQ(histogram.max(), values.back());
    for (double percent : kPercents) {
      const auto truth = static_cast<double>(nearest_rank(values, percent));
      const auto got = static_cast<double>(histogram.percentile(percent).value());
      ASSERT_LE(std::abs(got - truth), truth * 0.01) << "p" << percent << " of " << values.size();
    }
  }
}

TEST(Histogram, PartsMergeToTheWhole) {
  fmt::print("seed {}\n", kSeed);
  std::mt19937_64 random(kSeed);
  for (int round = 0; round < 50; ++round) {
    const auto values = over_all_magnitudes(random, random() % 500);
    Histogram parts[3];
    for (std::uint64_t value : values) parts[random() % 3].add(value);
    parts[0].merge(parts[1]);
    parts[0].merge(parts[2]);
    expect_same(parts[0], histogram_of(values));
  }
}

TEST(Histogram, MergesWithItself) {
  Histogram histogram = histogram_of({5, 1000});
  histogram.merge(histogram);
  expect_same(histogram, histogram_of({5, 5, 1000, 1000}));
}

TEST(Histogram, HoldsTheLargestValue) {
  Histogram histogram;
  histogram.add(UINT64_MAX);
  EXPECT_EQ(histogram.min(), UINT64_MAX);
  EXPECT_EQ(histogram.percentile(50), UINT64_MAX);
  EXPECT_EQ(histogram.total(), UINT64_MAX);
  histogram.add(1);
  EXPECT_EQ(histogram.total(), UINT64_MAX) << "the sum saturates";
  EXPECT_EQ(histogram.percentile(50), 1U);
}

TEST(Histogram, SumIsExactUntilItSaturates) {
  Histogram histogram;
  histogram.add(1'000'003, 7);
  histogram.add(11);
  EXPECT_EQ(histogram.total(), 7'000'032U);
  histogram.add(UINT64_MAX / 2, 3);
  EXPECT_EQ(histogram.total(), UINT64_MAX);
}

TEST(Histogram, AddingManyIsAddingEach) {
  Histogram at_once;
  at_once.add(123'456, 3);
  at_once.add(9, 0);
  expect_same(at_once, histogram_of({123'456, 123'456, 123'456}));
}

/// As counters elsewhere have them: where a value belongs, one finds by adding it alone.
std::vector<std::uint32_t> counters_of(const std::vector<std::uint64_t>& values) {
  std::vector<std::uint32_t> counts(64 * 59);
  for (const std::uint64_t ns : values) {
    const unsigned width = static_cast<unsigned>(std::bit_width(ns));
    const unsigned octave = width <= 6 ? 0 : width - 6;
    ++counts[octave * 64 + (octave == 0 ? ns : (ns >> (octave - 1)) - 64)];
  }
  return counts;
}

TEST(Histogram, OfCountsIsThatOfTheirValues) {
  const std::vector<std::uint64_t> values = {
      0,      1,      63,         64,         65, 127, 128, 1'000, 999'999'999, 61'650'000'000,
      12'345, 12'345, UINT64_MAX, 1ULL << 62U};
  const auto counts = counters_of(values);
  std::uint64_t total = 0;
  for (const std::uint64_t ns : values) total += ns;
  const Histogram counted = Histogram::of_counts(counts, total, 0, UINT64_MAX);
  const Histogram added = histogram_of(values);
  EXPECT_EQ(counted.total(), total);
  ASSERT_EQ(counted.count(), added.count());
  EXPECT_EQ(counted.min(), added.min());
  EXPECT_EQ(counted.max(), added.max());
  for (double percent = 0; percent <= 100; percent += 2.5)
    EXPECT_EQ(counted.percentile(percent), added.percentile(percent)) << percent;
}

TEST(Histogram, OfCountsTrustsNoExtremeOutsideTheOutermostBuckets) {
  const auto counts = counters_of({1'000, 2'000});
  const Histogram counted = Histogram::of_counts(counts, 3'000, 5, 1'000'000);
  EXPECT_EQ(counted.min(), 1'000U) << "the lowest of its bucket, 1,000 to 1,007";
  EXPECT_EQ(counted.max(), 2'015U) << "the highest of its bucket, 2,000 to 2,015";
  EXPECT_FALSE(Histogram::of_counts(std::vector<std::uint32_t>(64), 0, 7, 9).min().has_value());
}

TEST(Histogram, StrangePercentsAreTheEnds) {
  const Histogram histogram = histogram_of({10, 20, 30});
  EXPECT_EQ(histogram.percentile(-5), 10U);
  EXPECT_EQ(histogram.percentile(std::nan("")), 10U);
  EXPECT_EQ(histogram.percentile(1e300), 30U);
}

TEST(Histogram, CopiesAreIndependent) {
  const Histogram original = histogram_of({1, 100, 10'000});
  Histogram copy = original;
  copy.add(5);
  expect_same(original, histogram_of({1, 100, 10'000}));
  copy = original;
  expect_same(copy, original);
  const Histogram moved = std::move(copy);
  expect_same(moved, original);
}

}  // namespace
}  // namespace tcpdwell
