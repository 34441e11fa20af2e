// SPDX-License-Identifier: BSD-2-Clause
/// A filter in the kernel cuts what Filter::matches would cut, and never touches a duration.
#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "support/collect.h"
#include "support/match.h"
#include "support/netns.h"
#include "support/storm.h"
#include "support/workload.h"

namespace tcpdwell::test {
namespace {

constexpr std::uint16_t kFirstPort = 42'000, kLastPort = 42'999;
constexpr std::uint64_t kTolerance = 5 * kMillisecond;

enum class Leaves { All, Some, Nothing };  ///< of the lines of the filter's network namespace

struct Case {
  const char* name;
  Leaves leaves;
  void (*restrict)(Filter& filter, const Workload& workload);
};

void PrintTo(const Case& one, std::ostream* out) { *out << one.name; }

PortRange only(std::uint16_t port) { return {port, port}; }

const Case kCases[] = {
    {"netns", Leaves::All, [](Filter&, const Workload&) {}},
    {"server_port", Leaves::Some,
     [](Filter& filter, const Workload&) { filter.local_ports = {only(server_port(Net::V4))}; }},
    {"client_ports", Leaves::Some,
     [](Filter& filter, const Workload&) {
       filter.local_ports = {{kFirstPort, kLastPort}};
     }},
    {"remote_ports", Leaves::Some,
     [](Filter& filter, const Workload&) {
       filter.remote_ports = {{1, 2}, only(server_port(Net::V4)), only(server_port(Net::V6))};
     }},
    {"remote_v4_block", Leaves::Some,
     [](Filter& filter, const Workload&) { filter.remote = {parse_cidr("127.0.0.0/8").value()}; }},
    {"remote_v6_address", Leaves::Some,
     [](Filter& filter, const Workload&) { filter.remote = {parse_cidr("::1").value()}; }},
    {"remote_elsewhere", Leaves::Nothing,
     [](Filter& filter, const Workload&) { filter.remote = {parse_cidr("10.0.0.0/8").value()}; }},
    {"local_blocks", Leaves::Some,
     [](Filter& filter, const Workload&) {
       filter.local = parse_cidrs("2001:db8::/32,127.0.0.1").value();
     }},
    {"states", Leaves::Some,
     [](Filter& filter, const Workload&) {
       filter.states = bit(State::CloseWait) | bit(State::SynSent);
     }},
    {"comm", Leaves::Some,
     [](Filter& filter, const Workload&) {
       filter.comms = {Comm("x"), Comm("td-server")};
     }},
    {"comm_is_no_prefix", Leaves::Nothing,
     [](Filter& filter, const Workload&) { filter.comms = {Comm("td")}; }},
    {"pid", Leaves::Some,
     [](Filter& filter, const Workload& workload) {
       filter.pids = {1, static_cast<std::uint32_t>(workload.client().pid())};
     }},
    {"family_4", Leaves::Some, [](Filter& filter, const Workload&) { filter.family = Family::V4; }},
    {"family_6", Leaves::Some, [](Filter& filter, const Workload&) { filter.family = Family::V6; }},
    {"min_dwell", Leaves::Some,
     [](Filter& filter, const Workload&) { filter.min_dwell_ns = 25 * kMillisecond; }},
    {"port_and_state_and_dwell", Leaves::Some,
     [](Filter& filter, const Workload&) {
       filter.local_ports = {only(server_port(Net::V4))};
       filter.states = bit(State::Established);
       filter.min_dwell_ns = 25 * kMillisecond;
     }},
};

std::vector<Connection> run_some(Workload& workload) {
  return {
      workload.run({Net::V4, Side::Client, Ending::Close, 60, 5}),
      workload.run({Net::V4, Side::Server, Ending::Close, 5, 60}),
      workload.run({Net::V4, Side::Client, Ending::Reset, 40, 0}),
      workload.run({Net::V6, Side::Client, Ending::Close, 5, 60}),
      workload.run({Net::Mapped, Side::Server, Ending::HalfClose, 60, 5}),
  };
}

void use_known_ports(Netns& netns) {
  netns.set_sysctl("net.ipv4.ip_local_port_range",
                   std::to_string(kFirstPort) + " " + std::to_string(kLastPort));
}

/// A filter asks who a socket is: the port that connect() chooses after the first line counts for
/// that line as well.
std::vector<Transition> with_ports(const Collector& collected) {
  std::vector<Transition> lines = collected.transitions;
  for (Transition& line : lines) {
    if (line.to != State::SynSent || line.socket.local.port != 0) continue;
    const auto chain = collected.chain(line.socket.id.cookie);
    if (chain.size() > 1) line.socket.local.port = chain[1].socket.local.port;
  }
  return lines;
}

std::vector<std::string> texts(std::vector<Transition> lines) {
  std::vector<std::string> result;
  for (const Transition& line : lines) {
    result.push_back(to_string(line.socket.id) + " " + chain_text({line}) + " " +
                     std::string(name_of(line.dwell.bound)));
  }
  std::sort(result.begin(), result.end());
  return result;
}

std::vector<Transition> matching(std::vector<Transition> lines, const Filter& filter) {
  std::erase_if(lines, [&](const Transition& line) { return !filter.matches(line); });
  return lines;
}

void expect_true_dwells(const std::vector<Transition>& lines,
                        const std::vector<Connection>& connections) {
  for (const Transition& line : lines) {
    for (const Connection& connection : connections) {
      for (const Side side : {Side::Client, Side::Server}) {
        if (connection.side(side).socket.cookie != line.socket.id.cookie) continue;
        SCOPED_TRACE(describe(connection.script) + " " + chain_text({line}));
        expect_dwell(line, connection, side, kTolerance);
      }
    }
  }
}

void expect_leaves(const Case& one, std::size_t left, std::size_t of) {
  switch (one.leaves) {
    case Leaves::All:
      EXPECT_EQ(left, of);
      break;
    case Leaves::Nothing:
      EXPECT_EQ(left, 0U);
      break;
    case Leaves::Some:
      EXPECT_GT(left, 0U);
      EXPECT_LT(left, of);
  }
}

class FilteredTracer : public testing::TestWithParam<Case> {};

// One tracer takes everything on the machine, the other what the filter leaves, of the same
// connections; there are also some in another namespace.
TEST_P(FilteredTracer, CutsWhatMatchesCuts) {
  TD_REQUIRE_KERNEL_TESTS();
  Netns other_netns;
  Workload elsewhere;
  Netns netns;
  use_known_ports(netns);
  Workload workload;
  Filter here;
  here.netns = netns.inode();
  Filter filter = here;
  GetParam().restrict(filter, workload);

  const auto all = start_tracer(Filter{});
  const auto some = start_tracer(filter);
  elsewhere.run({});
  const auto connections = run_some(workload);
  workload.close_listeners();
  Collector everything, filtered;
  drain_until(*all, everything, [&] {
    return std::all_of(connections.begin(), connections.end(), [&](const Connection& one) {
      return everything.closed(one.client.socket.cookie) &&
             everything.closed(one.server.socket.cookie);
    });
  });
  finish(*all, everything);
  finish(*some, filtered);

  const auto complete = with_ports(everything);
  EXPECT_EQ(texts(filtered.transitions), texts(matching(complete, filter)));
  EXPECT_LT(matching(complete, here).size(), complete.size());
  expect_leaves(GetParam(), filtered.transitions.size(), matching(complete, here).size());
  expect_true_dwells(filtered.transitions, connections);
  EXPECT_EQ(some->lost().value(), LossCounts{});
}

INSTANTIATE_TEST_SUITE_P(Each, FilteredTracer, testing::ValuesIn(kCases),
                         [](const auto& info) { return std::string(info.param.name); });

// The first line of a connect() has no port yet; under a port filter neither it nor the duration
// that begins with it may suffer.
TEST(PortFilter, KeepsFirstLinesAndTheirDwells) {
  TD_REQUIRE_KERNEL_TESTS();
  Netns netns;
  use_known_ports(netns);
  Filter clients, servers;
  clients.netns = servers.netns = netns.inode();
  clients.local_ports = {{kFirstPort, kLastPort}};
  servers.local_ports = {{7000, 7999}};
  const auto client_tracer = start_tracer(clients);
  const auto server_tracer = start_tracer(servers);
  Workload workload;
  const auto connections = run_some(workload);
  Collector of_clients, of_servers;
  const auto& last = connections.back();
  drain_until(*client_tracer, of_clients,
              [&] { return of_clients.closed(last.client.socket.cookie); });
  drain_until(*server_tracer, of_servers,
              [&] { return of_servers.closed(last.server.socket.cookie); });
  for (const Connection& one : connections) {
    const auto client = one.client.socket.cookie, server = one.server.socket.cookie;
    expect_chain(of_clients.chain(client), one, Side::Client, netns.inode());
    expect_chain(of_servers.chain(server), one, Side::Server, netns.inode());
    EXPECT_TRUE(of_clients.chain(server).empty());
    EXPECT_TRUE(of_servers.chain(client).empty());
  }
}

// Nobody reads the ring, which has room for some twenty lines: what the kernel did not cut is lost.
TEST(KernelFilter, WhatIsCutTakesNoRoomInTheRing) {
  TD_REQUIRE_KERNEL_TESTS();
  Netns netns;
  const std::vector<void (*)(Filter&)> filters = {
      [](Filter& filter) { filter.netns = 1; },
      [](Filter& filter) { filter.local_ports = {only(1)}; },
      [](Filter& filter) { filter.remote_ports = {only(1)}; },
      [](Filter& filter) { filter.local = {parse_cidr("10.0.0.0/8").value()}; },
      [](Filter& filter) { filter.remote = {parse_cidr("10.0.0.0/8").value()}; },
      [](Filter& filter) { filter.states = bit(State::Closing); },
      [](Filter& filter) { filter.comms = {Comm("nobody")}; },
      [](Filter& filter) { filter.pids = {1}; },
      [](Filter& filter) { filter.family = Family::V6; },
      [](Filter& filter) { filter.min_dwell_ns = 3600'000 * kMillisecond; },
  };
  for (const auto restrict : filters) {
    TracerOptions options;
    options.ring_bytes = 4096;
    options.filter.netns = netns.inode();
    restrict(options.filter);
    SCOPED_TRACE(options.filter.to_json());
    auto tracer = Tracer::start(options);
    ASSERT_TRUE(tracer.ok()) << tracer.error().message;
    StormOptions some;
    some.connections = 50;
    Storm(netns, some).result();
    Collector collected;
    finish(**tracer, collected);
    EXPECT_TRUE(collected.transitions.empty());
    EXPECT_EQ((*tracer)->lost().value(), LossCounts{});
    EXPECT_GT((*tracer)->balance().value().handled, 50U * 10);
  }
}

}  // namespace
}  // namespace tcpdwell::test
