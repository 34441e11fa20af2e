// SPDX-License-Identifier: BSD-2-Clause
/// Tracers do not disturb each other.
#include <gtest/gtest.h>

#include "support/collect.h"
#include "support/match.h"
#include "support/netns.h"
#include "support/workload.h"

namespace tcpdwell::test {
namespace {

std::vector<Connection> some_connections(Workload& workload) {
  std::vector<Connection> connections;
  for (const Net net : {Net::V4, Net::V6, Net::Mapped}) {
    for (const Ending ending : {Ending::Close, Ending::HalfClose, Ending::Reset}) {
      connections.push_back(workload.run({net, Side::Client, ending, 5, 5}));
    }
  }
  return connections;
}

void drain_all(Tracer& tracer, Collector& collected, const std::vector<Connection>& connections) {
  ASSERT_TRUE(drain_until(tracer, collected, [&] {
    return collected.closed(connections.back().client.socket.cookie) &&
           collected.closed(connections.back().server.socket.cookie);
  }));
  finish(tracer, collected);
  EXPECT_EQ(tracer.lost().value(), LossCounts{});
}

TEST(TwoTracers, SeeTheSame) {
  TD_REQUIRE_KERNEL_TESTS();
  Netns netns;
  const auto one = start_tracer(netns.inode());
  const auto two = start_tracer(netns.inode());
  Workload workload;
  const auto connections = some_connections(workload);
  workload.close_listeners();
  Collector by_one, by_two;
  drain_all(*one, by_one, connections);
  drain_all(*two, by_two, connections);
  EXPECT_EQ(by_one.transitions.size(), by_two.transitions.size());
  for (const Connection& connection : connections) {
    for (const Side side : {Side::Client, Side::Server}) {
      const auto cookie = connection.side(side).socket.cookie;
      expect_chain(by_one.chain(cookie), connection, side, netns.inode());
      expect_chain(by_two.chain(cookie), connection, side, netns.inode());
    }
  }
}

TEST(TwoTracers, TheSecondGoesOnWhenTheFirstEnds) {
  TD_REQUIRE_KERNEL_TESTS();
  Netns netns;
  auto one = start_tracer(netns.inode());
  const auto two = start_tracer(netns.inode());
  Workload workload;
  some_connections(workload);
  one.reset();
  const auto connections = some_connections(workload);
  Collector by_two;
  drain_all(*two, by_two, connections);
  for (const Connection& connection : connections) {
    const auto cookie = connection.client.socket.cookie;
    expect_chain(by_two.chain(cookie), connection, Side::Client, netns.inode());
  }
}

TEST(TwoTracers, NothingComesAfterDetach) {
  TD_REQUIRE_KERNEL_TESTS();
  Netns netns;
  const auto tracer = start_tracer(netns.inode());
  Workload workload;
  some_connections(workload);
  Collector before, after;
  finish(*tracer, before);
  EXPECT_FALSE(before.transitions.empty());
  some_connections(workload);
  drain_for(*tracer, after, std::chrono::milliseconds(50));
  EXPECT_TRUE(after.transitions.empty());
}

}  // namespace
}  // namespace tcpdwell::test
