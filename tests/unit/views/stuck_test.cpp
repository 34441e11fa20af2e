// SPDX-License-Identifier: BSD-2-Clause
#include "views/stuck.h"

#include <gtest/gtest.h>

namespace tcpdwell {
namespace {

/// An age may come from another program's answer.
TEST(Stuck, AnAgeOfCenturiesBeganCenturiesAgo) {
  Listed one;
  one.seed.age = {Bound::AtLeast, UINT64_MAX};
  one.seed.wall_ns = 1'800'000'000'000'000'000;
  one.cgroup = std::make_shared<CgroupName>();
  StringOutput out;
  StuckOptions options;
  options.time = true;
  ASSERT_TRUE(write_stuck_text(out, {one}, options));
  EXPECT_NE(out.text.find("<=1677-09-2"), std::string::npos) << out.text;
}

}  // namespace
}  // namespace tcpdwell
