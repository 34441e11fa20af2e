// SPDX-License-Identifier: BSD-2-Clause
#include "util/moments.h"

#include <gtest/gtest.h>

namespace tcpdwell {
namespace {

TEST(Moments, AreOrdinaryArithmeticInTheRange) {
  EXPECT_EQ(saturating_add(2, 3), 5U);
  EXPECT_EQ(saturating_multiply(2, 3), 6U);
  EXPECT_EQ(since(-2, 3), 5U);
  EXPECT_EQ(since(3, -2), 0U);
  EXPECT_EQ(later(-2, 5), 3);
  EXPECT_EQ(earlier(3, 5), -2);
}

TEST(Moments, StayAtTheEndOfTheRange) {
  EXPECT_EQ(saturating_add(UINT64_MAX, 1), UINT64_MAX);
  EXPECT_EQ(saturating_multiply(UINT64_MAX / 2, 3), UINT64_MAX);
  EXPECT_EQ(since(INT64_MIN, INT64_MAX), UINT64_MAX);
  EXPECT_EQ(later(1, UINT64_MAX), INT64_MAX);
  EXPECT_EQ(later(INT64_MIN, UINT64_MAX), INT64_MAX);
  EXPECT_EQ(earlier(-2, UINT64_MAX), INT64_MIN);
  EXPECT_EQ(earlier(INT64_MAX, UINT64_MAX), INT64_MIN);
}

}  // namespace
}  // namespace tcpdwell
