// SPDX-License-Identifier: BSD-2-Clause
/// A dwell is what the workload measured from outside.
#include <gtest/gtest.h>

#include <algorithm>

#include "support/collect.h"
#include "support/match.h"
#include "support/netns.h"
#include "support/workload.h"

namespace tcpdwell::test {
namespace {

constexpr std::uint64_t kTolerance = 5 * kMillisecond;

Dwell dwell_in(const std::vector<Transition>& chain, State state) {
  const auto line = std::find_if(chain.begin(), chain.end(),
                                 [&](const Transition& one) { return one.from == state; });
  return line == chain.end() ? Dwell{} : line->dwell;
}

void expect_near(const Dwell& dwell, const std::optional<Span>& truth) {
  ASSERT_TRUE(truth);
  ASSERT_EQ(dwell.bound, Bound::Exact);
  EXPECT_GE(dwell.ns + kTolerance, truth->shortest);
  EXPECT_LE(dwell.ns, truth->longest + kTolerance);
}

class DwellOfHold : public testing::TestWithParam<unsigned> {};

TEST_P(DwellOfHold, EstablishedAndCloseWait) {
  TD_REQUIRE_KERNEL_TESTS();
  const unsigned ms = GetParam();
  Netns netns;
  const auto tracer = start_tracer(netns.inode());
  Workload workload;
  for (const Side first : {Side::Client, Side::Server}) {
    const Connection connection = workload.run({Net::V4, first, Ending::Close, ms, ms / 2 + 5});
    const Side second = other(first);
    Collector collected;
    ASSERT_TRUE(drain_until(*tracer, collected, [&] {
      return collected.closed(connection.client.socket.cookie) &&
             collected.closed(connection.server.socket.cookie);
    }));
    const auto closer = collected.chain(connection.side(first).socket.cookie);
    const auto waiter = collected.chain(connection.side(second).socket.cookie);
    const Dwell established = dwell_in(closer, State::Established);
    expect_near(established, connection.dwell(first, State::Established));
    EXPECT_GE(established.ns + kTolerance, ms * kMillisecond);
    expect_near(dwell_in(waiter, State::Established), connection.dwell(second, State::Established));
    expect_near(dwell_in(waiter, State::CloseWait), connection.dwell(second, State::CloseWait));
  }
}

INSTANTIATE_TEST_SUITE_P(Milliseconds, DwellOfHold, testing::Values(20U, 50U, 120U));

TEST(Dwell, SynSentLastsUntilTheSynThatWasHeard) {
  TD_REQUIRE_KERNEL_TESTS();
  Netns netns;
  const auto tracer = start_tracer(netns.inode());
  Workload workload;
  const Connection connection = workload.run_slow_connect();
  Collector collected;
  const std::uint64_t cookie = connection.client.socket.cookie;
  ASSERT_TRUE(drain_until(*tracer, collected, [&] { return collected.closed(cookie); }));
  const Dwell syn_sent = dwell_in(collected.chain(cookie), State::SynSent);
  ASSERT_EQ(syn_sent.bound, Bound::Exact);
  const std::uint64_t measured = connection.connect.after - connection.connect.before;
  EXPECT_GE(measured, 500 * kMillisecond) << "the first SYN was not dropped";
  EXPECT_GE(syn_sent.ns + kTolerance, measured);
  EXPECT_LE(syn_sent.ns, measured);
}

}  // namespace
}  // namespace tcpdwell::test
