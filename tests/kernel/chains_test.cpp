// SPDX-License-Identifier: BSD-2-Clause
/// Connections of every kind give exactly the lines they must, for both sides.
#include <gtest/gtest.h>

#include <algorithm>

#include "support/collect.h"
#include "support/expected.h"
#include "support/match.h"
#include "support/netns.h"
#include "support/workload.h"

namespace tcpdwell::test {
namespace {

std::vector<Script> every_kind() {
  std::vector<Script> scripts;
  for (const Net net : {Net::V4, Net::V6, Net::Mapped}) {
    for (const Side first : {Side::Client, Side::Server}) {
      for (const Ending ending : {Ending::Close, Ending::HalfClose, Ending::Reset}) {
        scripts.push_back({net, first, ending, 10, 5});
      }
    }
  }
  // Closes on each other's heels, and one after the delayed ACK (40 ms) came by itself.
  scripts.push_back({Net::V4, Side::Client, Ending::Close, 0, 0});
  scripts.push_back({Net::V6, Side::Server, Ending::Close, 0, 0});
  scripts.push_back({Net::Mapped, Side::Server, Ending::Reset, 0, 0});
  scripts.push_back({Net::V4, Side::Server, Ending::HalfClose, 0, 100});
  scripts.push_back({Net::Mapped, Side::Client, Ending::Close, 30, 100, 3000, 70});
  return scripts;
}

struct Traced {
  std::uint32_t netns = 0;
  Collector collected;
  std::vector<Connection> connections;
  std::vector<SocketFacts> listeners;
  LossCounts lost{};
};

bool all_closed(const Traced& traced) {
  const auto& all = traced.connections;
  return std::all_of(all.begin(), all.end(), [&](const Connection& one) {
    return traced.collected.closed(one.client.socket.cookie) &&
           traced.collected.closed(one.server.socket.cookie);
  });
}

Traced trace(const std::vector<Script>& scripts) {
  Traced traced;
  Netns netns;
  traced.netns = netns.inode();
  const auto tracer = start_tracer(netns.inode());
  Workload workload;
  for (const Net net : {Net::V4, Net::V6, Net::Mapped}) {
    traced.listeners.push_back(workload.listener(net));
  }
  for (const Script& script : scripts) traced.connections.push_back(workload.run(script));
  workload.close_listeners();
  drain_until(*tracer, traced.collected, [&] { return all_closed(traced); });
  finish(*tracer, traced.collected);
  traced.lost = tracer->lost().value();
  return traced;
}

TEST(Chains, TwentyThreeConnectionsGiveExactlyTheirLines) {
  TD_REQUIRE_KERNEL_TESTS();
  const auto scripts = every_kind();
  ASSERT_EQ(scripts.size(), 23U);
  const Traced traced = trace(scripts);
  std::size_t lines = 0;
  for (const Connection& connection : traced.connections) {
    for (const Side side : {Side::Client, Side::Server}) {
      const auto chain = traced.collected.chain(connection.side(side).socket.cookie);
      expect_chain(chain, connection, side, traced.netns);
      lines += chain.size();
    }
  }
  for (const SocketFacts& listener : traced.listeners) {
    const auto chain = traced.collected.chain(listener.cookie);
    EXPECT_EQ(chain_text(chain), "CLOSE>LISTEN LISTEN>CLOSE");
    lines += chain.size();
  }
  EXPECT_EQ(traced.collected.transitions.size(), lines) << "lines of unknown sockets";
  EXPECT_TRUE(traced.collected.seeds.empty());
  EXPECT_EQ(traced.lost, LossCounts{});
}

TEST(Chains, LinesComeInOrderOfTime) {
  TD_REQUIRE_KERNEL_TESTS();
  const Traced traced = trace({{Net::V4}, {Net::V6}, {Net::Mapped, Side::Server}});
  std::uint64_t furthest = 0;
  for (const Transition& line : traced.collected.transitions) {
    // Two processors may reserve ring space in another order than they read the clock.
    EXPECT_GE(line.mono_ns + 20 * kMillisecond, furthest);
    furthest = std::max(furthest, line.mono_ns);
    EXPECT_EQ(line.wall_ns, static_cast<std::int64_t>(line.mono_ns) + kWallOffset);
  }
}

// A FIN takes a sequence number but is no payload, whatever state it is sent or met in.
TEST(Chains, TrafficIsPayload) {
  TD_REQUIRE_KERNEL_TESTS();
  const Traced traced = trace({{Net::V4, Side::Client, Ending::Close, 50, 50, 3000, 70},
                               {Net::V4, Side::Client, Ending::Close, 0, 0, 3000, 70},
                               {Net::V6, Side::Server, Ending::HalfClose, 0, 0, 1, 40'000},
                               {Net::Mapped, Side::Client, Ending::Reset, 50, 0, 500, 600}});
  for (const Connection& connection : traced.connections) {
    SCOPED_TRACE(describe(connection.script));
    const Script& script = connection.script;
    for (const Side side : {Side::Client, Side::Server}) {
      const bool client = side == Side::Client;
      const auto chain = traced.collected.chain(connection.side(side).socket.cookie);
      ASSERT_FALSE(chain.empty());
      if (chain.back().from == State::FinWait2) {  // handed over, not followed: not known
        EXPECT_FALSE(chain.back().traffic);
        continue;
      }
      ASSERT_TRUE(chain.back().traffic);
      const TrafficStats& traffic = *chain.back().traffic;
      EXPECT_EQ(traffic.bytes_sent, client ? script.client_bytes : script.server_bytes);
      EXPECT_EQ(traffic.bytes_received, client ? script.server_bytes : script.client_bytes);
      EXPECT_GE(traffic.segs_out, 2U);
      EXPECT_GE(traffic.segs_in, 2U);
      EXPECT_EQ(traffic.retrans, 0U);
    }
  }
}

}  // namespace
}  // namespace tcpdwell::test
