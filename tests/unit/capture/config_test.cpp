// SPDX-License-Identifier: BSD-2-Clause
#include "capture/config.h"

#include <gtest/gtest.h>

#include <vector>

namespace tcpdwell {
namespace {

Filter by_remote(const char* blocks) {
  Filter filter;
  filter.remote = parse_cidrs(blocks).value();
  return filter;
}

TEST(DecidedInKernel, IsWhatItHoldsEveryAddressAgainstAsFilterDoes) {
  EXPECT_TRUE(decided_in_kernel(Filter{}));
  EXPECT_TRUE(decided_in_kernel(by_remote("10.0.0.0/8,127.0.0.1,2001:db8::/32,fe80::/10")));
  Filter rest;
  rest.pids = {1, 2, 3};
  rest.comms = {Comm("nginx")};
  rest.local_ports = {{1, 65535}};
  rest.states = bit(State::Established);
  rest.min_dwell_ns = 1;
  EXPECT_TRUE(decided_in_kernel(rest));
}

// To the kernel side an IPv4 address is inside these; to Filter only that of an IPv6 socket is.
TEST(DecidedInKernel, IsNoBlockOfIpv6ThatHasMappedAddresses) {
  for (const char* block : {"::/0", "::/64", "::ffff:0:0/96", "::ffff:10.0.0.0/104"})
    EXPECT_FALSE(decided_in_kernel(by_remote(block))) << block;
}

TEST(DecidedInKernel, IsNoListLongerThanItsRoom) {
  Filter filter;
  filter.local.assign(TD_MAX_CIDRS, parse_cidr("10.0.0.0/8").value());
  EXPECT_TRUE(decided_in_kernel(filter));
  filter.local.push_back(filter.local.front());
  EXPECT_FALSE(decided_in_kernel(filter));
}

}  // namespace
}  // namespace tcpdwell
