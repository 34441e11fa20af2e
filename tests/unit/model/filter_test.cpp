// SPDX-License-Identifier: BSD-2-Clause
#include "model/filter.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace tcpdwell {
namespace {

std::array<std::uint8_t, 16> address(int af, const char* text) {
  std::array<std::uint8_t, 16> bytes{};
  EXPECT_EQ(::inet_pton(af, text, bytes.data()), 1) << text;
  return bytes;
}

bool holds_v4(const char* block, const char* text) {
  return parse_cidr(block).value().contains(Family::V4, address(AF_INET, text));
}
bool holds_v6(const char* block, const char* text) {
  return parse_cidr(block).value().contains(Family::V6, address(AF_INET6, text));
}

/// nginx (4711) in cgroup 99 of namespace 4026531840: 10.1.2.3:8080 to 192.0.2.7:51000.
Socket nginx() {
  Socket socket;
  socket.id = {0x1a2b, 1};
  socket.netns = 4026531840U;
  socket.local = {address(AF_INET, "10.1.2.3"), 8080};
  socket.remote = {address(AF_INET, "192.0.2.7"), 51000};
  socket.owner.pid = 4711;
  socket.owner.comm = Comm("nginx");
  socket.owner.source = OwnerSource::Accept;
  socket.cgroup_id = 99;
  return socket;
}

Transition transition(State from, State to, Dwell dwell) {
  Transition line;
  line.socket = nginx();
  line.from = from;
  line.to = to;
  line.dwell = dwell;
  return line;
}

template <class T>
void expect_usage_error(const Result<T>& result, std::string_view word) {
  ASSERT_FALSE(result.ok()) << word;
  EXPECT_EQ(result.error().fault, Fault::Usage) << word;
  EXPECT_NE(result.error().message.find(word), std::string::npos) << result.error().message;
}

TEST(ParsePorts, ReadsPortsAndRanges) {
  EXPECT_EQ(parse_ports("80").value(), (std::vector<PortRange>{{80, 80}}));
  EXPECT_EQ(parse_ports("80,8000-8010,443").value(),
            (std::vector<PortRange>{{80, 80}, {8000, 8010}, {443, 443}}));
  EXPECT_EQ(parse_ports("0-65535").value(), (std::vector<PortRange>{{0, 65535}}));
  EXPECT_EQ(parse_ports("7-7").value(), (std::vector<PortRange>{{7, 7}}));
}

TEST(ParsePorts, RejectsJunk) {
  for (const auto text : {"", "-", "80-", "-80", "x", "80x", "65536", "1-65536", "99999999999",
                          "+80", " 80", "80 ", "1-2-3", "80--90", "8.0", "0x50"}) {
    expect_usage_error(parse_ports(text), "\"" + std::string(text) + "\"");
  }
  expect_usage_error(parse_ports("8010-8000"), "lower one first");
}

TEST(ParsePorts, NamesTheOneWordThatIsWrong) {
  expect_usage_error(parse_ports("80,http,443"), "\"http\"");
  expect_usage_error(parse_ports("80,,443"), "\"\"");
  expect_usage_error(parse_ports("80,"), "\"\"");
  expect_usage_error(parse_ports(",80"), "\"\"");
}

TEST(ParseCidr, ReadsBlocksAndAddresses) {
  EXPECT_EQ(*parse_cidr("10.0.0.0/8"), (Cidr{Family::V4, address(AF_INET, "10.0.0.0"), 8}));
  EXPECT_EQ(*parse_cidr("10.1.2.3"), (Cidr{Family::V4, address(AF_INET, "10.1.2.3"), 32}));
  EXPECT_EQ(*parse_cidr("::1"), (Cidr{Family::V6, address(AF_INET6, "::1"), 128}));
  EXPECT_EQ(*parse_cidr("2001:db8::/32"), (Cidr{Family::V6, address(AF_INET6, "2001:db8::"), 32}));
  EXPECT_EQ(*parse_cidr("::/0"), (Cidr{Family::V6, {}, 0}));
}

TEST(ParseCidr, ClearsHostBits) {
  EXPECT_EQ(*parse_cidr("10.1.2.3/8"), *parse_cidr("10.0.0.0/8"));
  EXPECT_EQ(*parse_cidr("10.1.255.3/20"), *parse_cidr("10.1.240.0/20"));
  EXPECT_EQ(*parse_cidr("255.255.255.255/0"), *parse_cidr("0.0.0.0/0"));
  EXPECT_EQ(*parse_cidr("255.255.255.255/31"), *parse_cidr("255.255.255.254/31"));
  EXPECT_EQ(*parse_cidr("2001:db8:ffff::1/33"), *parse_cidr("2001:db8:8000::/33"));
  EXPECT_EQ(*parse_cidr("::1/128"), *parse_cidr("::1"));
  EXPECT_EQ(*parse_cidr("::1/127"), *parse_cidr("::/127"));
}

TEST(ParseCidr, RejectsJunk) {
  for (const auto text : {"",
                          "/",
                          "/8",
                          "10.0.0.0/",
                          "10.0.0.0/33",
                          "::/129",
                          "10.0.0.0/-1",
                          "10.0.0.0/+8",
                          "10.0.0.0/8x",
                          "10.0.0.0/8/8",
                          "10.0.0.0/ 8",
                          "10.0.0",
                          "10.0.0.256",
                          "localhost",
                          "1",
                          ":",
                          ":::",
                          "[::1]",
                          "fe80::1%eth0",
                          " 10.0.0.1",
                          "10.0.0.1 ",
                          "10.0.0.0/4294967304",
                          "1111:2222:3333:4444:5555:6666:7777:8888:9999:0000:1111:2222"}) {
    expect_usage_error(parse_cidr(text), "\"" + std::string(text) + "\"");
  }
  EXPECT_FALSE(parse_cidr(std::string_view("10.0.0.1\0.9", 11)).ok());
}

TEST(ParseCidr, ReadsLists) {
  EXPECT_EQ(parse_cidrs("10.0.0.0/8,::1").value().size(), 2U);
  expect_usage_error(parse_cidrs("10.0.0.0/8,"), "\"\"");
  expect_usage_error(parse_cidrs("10.0.0.0/8,10.0.0.0/99"), "0 to 32");
}

TEST(Cidr, ContainsWhatSharesItsPrefix) {
  EXPECT_TRUE(holds_v4("10.0.0.0/8", "10.255.255.255"));
  EXPECT_FALSE(holds_v4("10.0.0.0/8", "11.0.0.0"));
  EXPECT_TRUE(holds_v4("10.1.240.0/20", "10.1.255.1"));
  EXPECT_FALSE(holds_v4("10.1.240.0/20", "10.1.239.255"));
  EXPECT_TRUE(holds_v4("10.1.2.3", "10.1.2.3"));
  EXPECT_FALSE(holds_v4("10.1.2.3", "10.1.2.2"));
  EXPECT_TRUE(holds_v4("0.0.0.0/0", "203.0.113.9"));
  EXPECT_TRUE(holds_v6("2001:db8:8000::/33", "2001:db8:ffff::1"));
  EXPECT_FALSE(holds_v6("2001:db8:8000::/33", "2001:db8:7fff::1"));
  EXPECT_FALSE(holds_v6("::1", "::2"));
}

TEST(Cidr, AnIpv4BlockHoldsMappedAddresses) {
  EXPECT_TRUE(holds_v6("10.0.0.0/8", "::ffff:10.1.2.3"));
  EXPECT_FALSE(holds_v6("10.0.0.0/8", "::ffff:11.1.2.3"));
  EXPECT_TRUE(holds_v6("10.1.2.3", "::ffff:10.1.2.3"));
  EXPECT_TRUE(holds_v6("0.0.0.0/0", "::ffff:10.1.2.3"));
}

TEST(Cidr, AnIpv4BlockHoldsNoOtherIpv6Address) {
  EXPECT_FALSE(holds_v6("0.0.0.0/0", "2001:db8::1"));
  EXPECT_FALSE(holds_v6("0.0.0.0/0", "::"));
  EXPECT_FALSE(holds_v6("10.0.0.0/8", "::10.1.2.3"));
  EXPECT_FALSE(holds_v6("10.0.0.0/8", "0a00::")) << "the same leading byte";
  EXPECT_FALSE(holds_v6("10.0.0.0/8", "1::ffff:a01:203"));
  EXPECT_FALSE(holds_v6("10.0.0.0/8", "::ff:a01:203"));
  EXPECT_FALSE(holds_v6("10.0.0.0/8", "::ff00:a01:203"));
}

TEST(Cidr, AnIpv6BlockHoldsNoIpv4Address) {
  EXPECT_FALSE(holds_v4("::/0", "10.1.2.3"));
  EXPECT_FALSE(holds_v4("a00::/8", "10.1.2.3"));
  EXPECT_TRUE(holds_v6("::ffff:0:0/96", "::ffff:10.1.2.3"));
}

TEST(ParsePids, ReadsNumbers) {
  EXPECT_EQ(parse_pids("1,22").value(), (std::vector<std::uint32_t>{1, 22}));
  for (const auto text : {"", "0", "-1", "+1", "x", "1x", "2147483648", "4294967297", " 1"}) {
    expect_usage_error(parse_pids(text), "\"" + std::string(text) + "\"");
  }
  expect_usage_error(parse_pids("1,"), "\"\"");
}

TEST(ParseComms, ReadsNames) {
  EXPECT_EQ(parse_comms("nginx,curl").value(), (std::vector<Comm>{Comm("nginx"), Comm("curl")}));
  EXPECT_EQ(parse_comms("gunicorn: worker [app]").value().front().view(), "gunicorn: worke")
      << "as the kernel cuts it";
  expect_usage_error(parse_comms(""), "\"\"");
  expect_usage_error(parse_comms("a,,b"), "\"\"");
}

TEST(ParseStates, ReadsNames) {
  EXPECT_EQ(parse_states("time-wait,CLOSE_WAIT").value(),
            bit(State::TimeWait) | bit(State::CloseWait));
  EXPECT_EQ(parse_states("estab,estab").value(), bit(State::Established));
  expect_usage_error(parse_states(""), "\"\"");
  expect_usage_error(parse_states("time-wait,lost"), "\"lost\"");
  expect_usage_error(parse_states("a\x1b]0;x"), "\"a\\x1b]0;x\"");
}

TEST(Filter, EmptyPassesEverything) {
  const Filter filter;
  EXPECT_TRUE(filter.empty());
  EXPECT_TRUE(filter.matches(Socket{}));
  EXPECT_TRUE(filter.matches(Transition{}));
  EXPECT_TRUE(filter.matches(Seed{}));
}

TEST(Filter, AnyRestrictionMakesItNotEmpty) {
  const std::vector<Filter> filters = [] {
    std::vector<Filter> all(11);
    all[0].pids = {1};
    all[1].comms = {Comm("x")};
    all[2].local_ports = {{1, 1}};
    all[3].remote_ports = {{1, 1}};
    all[4].local = {Cidr{}};
    all[5].remote = {Cidr{}};
    all[6].family = Family::V4;
    all[7].states = bit(State::Unknown);
    all[8].netns = 0;
    all[9].cgroups = {1};
    all[10].min_dwell_ns = 1;
    return all;
  }();
  for (const Filter& filter : filters) {
    EXPECT_FALSE(filter.empty());
    EXPECT_NE(filter.to_json(), "{}");
  }
}

TEST(Filter, HoldsEachFieldAgainstTheSocket) {
  struct Case {
    std::string_view what;
    Filter passes, fails;
  };
  std::vector<Case> cases(9);
  const auto set = [&](std::size_t i, std::string_view what, auto apply) {
    cases[i].what = what;
    apply(cases[i].passes, true);
    apply(cases[i].fails, false);
  };
  using Ports = std::vector<PortRange>;
  set(0, "pid", [](Filter& f, bool yes) { f.pids = {1U, yes ? 4711U : 4712U}; });
  set(1, "comm", [](Filter& f, bool yes) { f.comms = {Comm("x"), Comm(yes ? "nginx" : "ngin")}; });
  set(2, "lport",
      [](Filter& f, bool yes) { f.local_ports = *parse_ports(yes ? "1,8080" : "51000"); });
  set(3, "rport", [](Filter& f, bool yes) {
    f.remote_ports = yes ? Ports{{50000, 51000}} : Ports{{50000, 50999}, {51001, 52000}};
  });
  set(4, "local",
      [](Filter& f, bool yes) { f.local = *parse_cidrs(yes ? "::1,10.0.0.0/8" : "192.0.2.7"); });
  set(5, "remote",
      [](Filter& f, bool yes) { f.remote = *parse_cidrs(yes ? "192.0.2.7" : "10.0.0.0/8"); });
  set(6, "family", [](Filter& f, bool yes) { f.family = yes ? Family::V4 : Family::V6; });
  set(7, "netns", [](Filter& f, bool yes) { f.netns = yes ? 4026531840U : 4026531841U; });
  set(8, "cgroup", [](Filter& f, bool yes) { f.cgroups = {1, yes ? 99U : 98U}; });
  for (const Case& c : cases) {
    EXPECT_TRUE(c.passes.matches(nginx())) << c.what;
    EXPECT_FALSE(c.fails.matches(nginx())) << c.what;
    const Transition line = transition(State::SynRecv, State::Established, {});
    EXPECT_TRUE(c.passes.matches(line)) << c.what;
    EXPECT_FALSE(c.fails.matches(line)) << c.what;
    Seed seed;
    seed.socket = nginx();
    EXPECT_TRUE(c.passes.matches(seed)) << c.what;
    EXPECT_FALSE(c.fails.matches(seed)) << c.what;
  }
}

TEST(Filter, AllRestrictionsMustHold) {
  Filter filter;
  filter.pids = {4711};
  filter.local_ports = {{8080, 8080}};
  EXPECT_TRUE(filter.matches(nginx()));
  filter.local_ports = {{8081, 8081}};
  EXPECT_FALSE(filter.matches(nginx()));
}

TEST(Filter, AnUnknownOwnerMatchesNoPid) {
  Filter filter;
  filter.pids = {0, 1};
  Socket socket = nginx();
  socket.owner.pid.reset();
  EXPECT_FALSE(filter.matches(socket));
}

TEST(Filter, AStatePassesOnEitherSide) {
  Filter filter;
  filter.states = *parse_states("established,listen");
  EXPECT_TRUE(filter.matches(transition(State::SynRecv, State::Established, {})));
  EXPECT_TRUE(filter.matches(transition(State::Established, State::FinWait1, {})));
  EXPECT_FALSE(filter.matches(transition(State::FinWait1, State::FinWait2, {})));
  Seed seed;
  seed.state = State::Listen;
  EXPECT_TRUE(filter.matches(seed));
  seed.state = State::CloseWait;
  EXPECT_FALSE(filter.matches(seed));
}

TEST(Filter, MinDwellPassesWhatSurelyLasted) {
  Filter filter;
  filter.min_dwell_ns = 1000;
  const auto passes = [&](Dwell dwell) {
    Seed seed;
    seed.age = dwell;
    const bool line = filter.matches(transition(State::Established, State::FinWait1, dwell));
    EXPECT_EQ(filter.matches(seed), line);
    return line;
  };
  EXPECT_TRUE(passes({Bound::Exact, 1000}));
  EXPECT_TRUE(passes({Bound::AtLeast, 1000}));
  EXPECT_FALSE(passes({Bound::Exact, 999}));
  EXPECT_FALSE(passes({Bound::AtLeast, 999}));
  EXPECT_FALSE(passes({Bound::Unknown, 5000})) << "ns means nothing here";
}

TEST(FilterJson, IsEmptyWithoutRestrictions) { EXPECT_EQ(Filter{}.to_json(), "{}"); }

TEST(FilterJson, NamesEveryRestriction) {
  Filter filter;
  filter.pids = {1, 22};
  filter.comms = {Comm("nginx"), Comm("a\"b\xff")};
  filter.local_ports = *parse_ports("80,8000-8010");
  filter.remote_ports = *parse_ports("443");
  filter.local = *parse_cidrs("10.1.2.3/8,::1");
  filter.remote = *parse_cidrs("2001:db8::/32");
  filter.family = Family::V6;
  filter.states = *parse_states("time-wait,established");
  filter.netns = 4026531840U;
  filter.cgroups = {UINT64_MAX};
  filter.min_dwell_ns = 10'000'000;
  EXPECT_EQ(filter.to_json(),
            R"({"pid":[1,22],"comm":["nginx","a\"b)"
            "\xef\xbf\xbd"
            R"("],"local-port":[80,"8000-8010"],"remote-port":[443],)"
            R"("local":["10.0.0.0/8","::1/128"],"remote":["2001:db8::/32"],"family":6,)"
            R"("state":["ESTABLISHED","TIME_WAIT"],"netns":4026531840,)"
            R"("cgroup":[18446744073709551615],"min-dwell_ns":10000000})");
}

}  // namespace
}  // namespace tcpdwell
