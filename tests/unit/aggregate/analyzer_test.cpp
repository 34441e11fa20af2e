// SPDX-License-Identifier: BSD-2-Clause
#include "aggregate/analyzer.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "aggregate/ends.h"
#include "aggregate/findings.h"
#include "aggregate/ports.h"
#include "aggregate/timeline.h"

namespace tcpdwell {
namespace {

constexpr std::int64_t kSecond = 1'000'000'000;

Socket socket_of(std::uint64_t cookie, std::uint16_t lport = 40000, std::uint16_t rport = 80) {
  Socket socket;
  socket.id = {cookie, 1};
  socket.local = {{10, 0, 0, 1}, lport};
  socket.remote = {{10, 0, 0, 2}, rport};
  socket.owner.comm = Comm("app");
  return socket;
}

Transition move(std::int64_t at, const Socket& socket, State from, State to,
                std::uint64_t dwell_ns = 0) {
  Transition t;
  t.wall_ns = at;
  t.socket = socket;
  t.from = from;
  t.to = to;
  if (t.ends_a_dwell()) t.dwell = {Bound::Exact, dwell_ns};
  return t;
}

Transition last(Transition t, std::initializer_list<State> states, Reason reason = Reason::None) {
  for (const State state : states) t.path.push(state);
  t.reason = reason;
  t.life_ns = 1000;
  return t;
}

/// A connection of this host, closed by it a second later, in TIME_WAIT for `wait` more.
std::vector<Transition> active(std::uint64_t cookie, std::int64_t at, std::uint16_t lport,
                               std::int64_t wait) {
  const Socket s = socket_of(cookie, lport);
  const auto ns = [](std::int64_t t) { return static_cast<std::uint64_t>(t); };
  return {move(at, s, State::Close, State::SynSent),
          move(at + 10, s, State::SynSent, State::Established, 10),
          move(at + kSecond, s, State::Established, State::FinWait1, ns(kSecond - 10)),
          move(at + kSecond + 5, s, State::FinWait1, State::TimeWait, 5),
          last(move(at + kSecond + wait, s, State::TimeWait, State::Close, ns(wait - 5)),
               {State::SynSent, State::Established, State::FinWait1, State::TimeWait, State::Close},
               Reason::Expired)};
}

Header header_of(const std::string& host) {
  Header header;
  header.host = header.boot_id = host;
  return header;
}

Analysis analyse(const std::vector<Transition>& lines, AnalyzerOptions options = {}) {
  Analyzer analyzer(std::move(options));
  EXPECT_TRUE(analyzer.header(header_of("a")));
  for (const Transition& t : lines) EXPECT_TRUE(analyzer.transition(t));
  return analyzer.take();
}

bool has(const Analysis& analysis, const std::string& kind) {
  return std::any_of(analysis.findings.begin(), analysis.findings.end(),
                     [&](const Finding& f) { return f.kind == kind; });
}

TEST(Timeline, PopulationIsWhatEnteredAndHasNotLeft) {
  Timeline timeline;
  timeline.move(0, std::nullopt, State::SynSent);
  timeline.move(3'000'000, State::SynSent, State::Established);
  timeline.move(9'000'000, State::Established, std::nullopt);
  const Series series = timeline.take();
  ASSERT_EQ(series.points.size(), 10U);
  const auto at = [&](std::size_t i, State state) {
    return series.points[i].population[static_cast<std::size_t>(state)];
  };
  EXPECT_EQ(at(2, State::SynSent), 1U);
  EXPECT_EQ(at(3, State::SynSent), 0U);
  EXPECT_EQ(at(8, State::Established), 1U);
  EXPECT_EQ(at(9, State::Established), 0U);
}

TEST(Timeline, WidensUntilItFitsWhateverTheTimes) {
  Timeline timeline;
  for (const std::int64_t at : {std::int64_t{0}, kSecond, -3600 * kSecond, INT64_MAX, INT64_MIN})
    timeline.open(at);
  const Series series = timeline.take();
  EXPECT_LE(series.points.size(), 480U);
  EXPECT_EQ(series.start_wall_ns, INT64_MIN);
  std::uint64_t opens = 0;
  for (const SeriesPoint& point : series.points) opens += point.opens;
  EXPECT_EQ(opens, 5U);
}

/// As it is seen when it begins, or later.
Ports::Index take(Ports& ports, const Socket& socket, std::int64_t at,
                  const PortChoice& choice = {}, Role role = Role::Active,
                  State state = State::Established) {
  return ports.take_port(socket, choice, role, state, at);
}

LocalPorts local_ports(std::uint32_t reserved = 0, std::optional<std::uint32_t> bound = {},
                       std::int64_t at = 0, EphemeralPorts range = {40000, 40009}) {
  LocalPorts ports;
  ports.wall_ns = at;
  ports.range = range;
  ports.reserved = reserved;
  ports.bound = ports.unconnected = bound;
  return ports;
}

constexpr PortChoice kBound{true, {}};

TEST(Ports, APeakIsKeptWithItsMoment) {
  Ports ports;
  ports.begin_host("a", EphemeralPorts{40000, 40009});
  const auto one = take(ports, socket_of(1, 40001), 100);
  const auto two = take(ports, socket_of(2, 40002), 200);
  ports.to_time_wait(one, 40001, 300);
  ports.release(one, 40001, true);
  ports.release(two, 40002, false);
  const auto rows = ports.take(10);
  ASSERT_EQ(rows.size(), 1U);
  EXPECT_EQ(rows[0].peak, 2U);
  EXPECT_EQ(rows[0].peak_wall_ns, 200);
  EXPECT_EQ(rows[0].live + rows[0].time_wait, 0U);
  EXPECT_EQ(rows[0].range, 10U);
}

TEST(Ports, ServersAndPortsOutsideTheRangeTakeNone) {
  Ports ports;
  ports.begin_host("a", EphemeralPorts{40000, 40009});
  EXPECT_EQ(take(ports, socket_of(1, 40001), 1, {}, Role::Passive), Ports::kNoRow);
  EXPECT_EQ(take(ports, socket_of(1, 1024), 1), Ports::kNoRow);
  EXPECT_EQ(take(ports, socket_of(1, 1024), 1, kBound), Ports::kNoRow);
  EXPECT_EQ(take(ports, socket_of(1, 0), 1), Ports::kNoRow);
  EXPECT_EQ(take(ports, socket_of(1, 40001, 40002), 1, {}, Role::Unknown), Ports::kNoRow);
  EXPECT_NE(take(ports, socket_of(1, 40001, 80), 1, {}, Role::Unknown), Ports::kNoRow);
}

TEST(Ports, AConnectionTakesOneAsItBegins) {
  Ports ports;
  ports.begin_host("a", EphemeralPorts{40000, 40009});
  take(ports, socket_of(1, 0), 1, {}, Role::Active, State::SynSent);
  const auto failed = take(ports, socket_of(2, 0), 2, {}, Role::Active, State::SynSent);
  EXPECT_EQ(ports.take(1).at(0).peak, 2U);
  ports.take_back(failed, 0, 2);
  EXPECT_EQ(ports.take(1).at(0).peak, 1U);
  EXPECT_EQ(ports.take(1).at(0).live, 1U);
}

TEST(Ports, TheRangeIsThatOfTheNamespaceAsItIsThen) {
  Ports ports;
  ports.begin_host("a", EphemeralPorts{32768, 60999});
  ports.local_ports(local_ports(8));
  take(ports, socket_of(1, 40008), 1);
  take(ports, socket_of(2, 40009), 2);
  EXPECT_EQ(ports.take(1).at(0).range, 2U);
  EXPECT_EQ(ports.take(1).at(0).reserved, 8U);
  ports.local_ports(local_ports(0, {}, 3, {1024, 65535}));
  take(ports, socket_of(3, 2000), 4);
  EXPECT_EQ(ports.take(1).at(0).peak, 2U) << "2 of 2 was more than 3 of 64,512";
  EXPECT_EQ(ports.take(1).at(0).range, 2U);
  Socket elsewhere = socket_of(4, 40000);
  elsewhere.netns = 1;
  take(ports, elsewhere, 5);
  EXPECT_EQ(ports.take(2).at(1).range, 28232U) << "of which nothing is known";
}

TEST(Ports, WhatANamespaceHasMayBeToldLate) {
  Ports ports;
  ports.begin_host("a", std::nullopt);
  take(ports, socket_of(1, 40008), 1);
  EXPECT_FALSE(ports.take(1).at(0).range_known);
  ports.local_ports(local_ports(8));
  EXPECT_TRUE(ports.take(1).at(0).range_known);
  EXPECT_EQ(ports.take(1).at(0).range, 2U);
}

TEST(Ports, WhatBindTookIsTakenForAllAndOnce) {
  Ports ports;
  ports.begin_host("a", EphemeralPorts{40000, 40009});
  const auto one = take(ports, socket_of(1, 40001, 80), 1, kBound);
  const auto two = take(ports, socket_of(2, 40001, 81), 2, kBound);
  take(ports, socket_of(3, 40002, 82), 3, kBound);
  ASSERT_EQ(ports.take(10).size(), 1U);
  EXPECT_TRUE(ports.take(1).at(0).any_remote);
  EXPECT_EQ(ports.take(1).at(0).peak, 2U) << "two connections of one port, and another's";
  ports.to_time_wait(one, 40001, 4);
  EXPECT_EQ(ports.take(1).at(0).live, 2U);
  ports.release(two, 40001, false);
  EXPECT_EQ(ports.take(1).at(0).live, 1U);
  EXPECT_EQ(ports.take(1).at(0).time_wait, 1U);
  ports.release(one, 40001, true);
  EXPECT_EQ(ports.take(1).at(0).live + ports.take(1).at(0).time_wait, 1U);
  take(ports, socket_of(4, 40005, 90), 5);
  const auto rows = ports.take(10);
  ASSERT_EQ(rows.size(), 2U);
  EXPECT_EQ(rows[0].peak, 2U) << "2 of 10 in both, the first row first";
  EXPECT_EQ(rows[1].peak, 1U);
  EXPECT_EQ(rows[1].taken(), 2U);
}

TEST(Ports, WhatIsBoundElsewhereIsTakenToo) {
  Ports ports;
  ports.begin_host("a", std::nullopt);
  ports.local_ports(local_ports());
  take(ports, socket_of(1, 40001), 1);
  ports.local_ports(local_ports(0, 6, 2));
  ports.local_ports(local_ports(0, 0, 3));
  const PortRow row = ports.take(1).at(0);
  EXPECT_EQ(row.peak, 1U);
  EXPECT_EQ(row.bound, 6U);
  EXPECT_EQ(row.peak_wall_ns, 2);
  ASSERT_EQ(ports.namespaces().size(), 1U);
  EXPECT_EQ(ports.namespaces()[0].ports.bound, 6U) << "as it was when most were";
}

TEST(Ports, ASocketsOwnRangeIsAnother) {
  Ports ports;
  ports.begin_host("a", EphemeralPorts{40000, 40009});
  PortChoice own;
  own.own = {40000, 40004, 1};
  take(ports, socket_of(1, 0), 1, own, Role::Active, State::SynSent);
  take(ports, socket_of(2, 40009), 2);
  const auto rows = ports.take(10);
  ASSERT_EQ(rows.size(), 2U);
  EXPECT_EQ(rows[0].range, 4U);
  EXPECT_TRUE(rows[0].own_range);
  EXPECT_EQ(rows[1].range, 10U);
}

TEST(Ports, MappedAddressesAreIPv4AndDevicesApart) {
  Ports ports;
  ports.begin_host("a", EphemeralPorts{40000, 40009});
  Socket mapped = socket_of(2, 40002);
  mapped.family = Family::V6;
  for (Endpoint* at : {&mapped.local, &mapped.remote}) {
    std::copy_n(at->addr.begin(), 4, at->addr.begin() + 12);
    std::fill_n(at->addr.begin(), 10, std::uint8_t{0});
    at->addr[10] = at->addr[11] = 0xff;
  }
  take(ports, socket_of(1, 40001), 1);
  take(ports, mapped, 2);
  ASSERT_EQ(ports.take(10).size(), 1U);
  EXPECT_EQ(ports.take(1).at(0).peak, 2U);
  EXPECT_EQ(ports.take(1).at(0).remote_text(), "10.0.0.2:80");
  Socket bound_to_device = socket_of(3, 40003);
  bound_to_device.iface = Comm("eth1");
  take(ports, bound_to_device, 3);
  ASSERT_EQ(ports.take(10).size(), 2U);
  EXPECT_EQ(ports.take(10).at(1).local_text(), "10.0.0.1%eth1");
}

TEST(Findings, BoundPortsThatNobodyUsesAreTold) {
  const auto told = [](std::uint32_t bound) {
    Analyzer analyzer{{}};
    EXPECT_TRUE(analyzer.header(header_of("a")));
    EXPECT_TRUE(analyzer.local_ports(local_ports(0, bound)));
    return analyzer.take();
  };
  EXPECT_FALSE(has(told(6), "port_exhaustion"));
  ASSERT_TRUE(has(told(7), "port_exhaustion"));
  EXPECT_EQ(told(7).findings[0].severity, Severity::Warning);
  EXPECT_EQ(told(9).findings[0].severity, Severity::Critical);
}

TEST(Edges, CountAndDwell) {
  Edges edges;
  for (const Transition& t : active(1, 0, 40000, kSecond)) edges.add(t);
  const auto list = edges.take();
  ASSERT_EQ(list.size(), 5U);
  EXPECT_EQ(list.back().from, State::Close);
  EXPECT_EQ(list.back().dwell.count(), 0U);
  EXPECT_EQ(list.front().from, State::SynSent);
  EXPECT_EQ(*list.front().dwell.max(), 10U);
}

TEST(Ends, ByReasonAndCloser) {
  Ends ends;
  for (const Transition& t : active(1, 0, 40000, kSecond)) ends.add(t);
  const auto rows = ends.take();
  ASSERT_EQ(rows.size(), 1U);
  EXPECT_EQ(rows[0].reason, Reason::Expired);
  EXPECT_EQ(rows[0].closer, Closer::Local);
}

TEST(Analyzer, WhatIsOpenAtTheEndIsStuckTheOldestFirst) {
  const auto lines = [](std::uint64_t cookie, std::int64_t at) {
    auto all = active(cookie, at, static_cast<std::uint16_t>(40000 + cookie), kSecond);
    all.resize(2);
    return all;
  };
  std::vector<Transition> all = lines(1, 0);
  for (const Transition& t : lines(2, 500)) all.push_back(t);
  const Analysis analysis = analyse(all);
  ASSERT_EQ(analysis.stuck.size(), 2U);
  EXPECT_EQ(analysis.stuck[0].socket.id.cookie, 1U);
  EXPECT_EQ(analysis.stuck[0].in_state, (Dwell{Bound::Exact, 500}));
  EXPECT_EQ(analysis.connections, 2U);
}

TEST(Analyzer, ASeedsAgeIsABoundOfWhatItIsAtTheEnd) {
  Analyzer analyzer({});
  ASSERT_TRUE(analyzer.header(header_of("a")));
  Seed seed;
  seed.socket = socket_of(1);
  seed.state = State::CloseWait;
  seed.age = {Bound::AtLeast, 70};
  seed.wall_ns = 100;
  ASSERT_TRUE(analyzer.seed(seed));
  ASSERT_TRUE(analyzer.end(TraceEnd{130, 0, {}, 130, 1}));
  const Analysis analysis = analyzer.take();
  ASSERT_EQ(analysis.stuck.size(), 1U);
  EXPECT_EQ(analysis.stuck[0].in_state, (Dwell{Bound::AtLeast, 100}));
}

TEST(Analyzer, AnAgeGrowsNoFurtherThanTheRange) {
  Analyzer analyzer({});
  ASSERT_TRUE(analyzer.header(header_of("a")));
  Seed seed;
  seed.socket = socket_of(1);
  seed.state = State::CloseWait;
  seed.age = {Bound::AtLeast, UINT64_MAX - 5};
  seed.wall_ns = 100;
  ASSERT_TRUE(analyzer.seed(seed));
  ASSERT_TRUE(analyzer.end(TraceEnd{130, 0, {}, 130, 1}));
  const Analysis analysis = analyzer.take();
  ASSERT_EQ(analysis.stuck.size(), 1U);
  EXPECT_EQ(analysis.stuck[0].in_state, (Dwell{Bound::AtLeast, UINT64_MAX}));
}

TEST(Analyzer, AnotherTraceOfTheHostSaysAnewWhatIsOpen) {
  Analyzer analyzer({});
  ASSERT_TRUE(analyzer.header(header_of("a")));
  for (const Transition& t : active(1, 0, 40000, kSecond)) {
    if (t.last()) continue;
    EXPECT_TRUE(analyzer.transition(t));
  }
  ASSERT_TRUE(analyzer.header(header_of("a")));
  const Analysis analysis = analyzer.take();
  EXPECT_TRUE(analysis.stuck.empty());
  EXPECT_EQ(analysis.ports[0].live + analysis.ports[0].time_wait, 0U);
}

TEST(Analyzer, ALookTellsWhatTheEndWouldAndChangesNothing) {
  Analyzer analyzer({});
  ASSERT_TRUE(analyzer.header(header_of("a")));
  for (std::uint64_t n = 1; n <= 3; ++n)
    ASSERT_TRUE(
        analyzer.transition(move(0, socket_of(n), State::Established, State::CloseWait, 5)));
  for (const Transition& t : active(9, 0, 40009, kSecond)) ASSERT_TRUE(analyzer.transition(t));
  EXPECT_FALSE(has(analyzer.look(59 * kSecond), "close_wait_leak"));
  for (int times = 0; times < 2; ++times) {
    const Analysis now = analyzer.look(60 * kSecond);
    ASSERT_EQ(now.stuck.size(), 3U);
    EXPECT_EQ(now.stuck[0].in_state, (Dwell{Bound::Exact, 60 * kSecond}));
    EXPECT_EQ(now.connections, 4U);
    EXPECT_EQ(now.ends.size(), 1U);
    EXPECT_TRUE(has(now, "close_wait_leak"));
    for (const Finding& finding : now.findings) EXPECT_EQ(finding.count, 3U);
  }
  ASSERT_TRUE(analyzer.end(TraceEnd{60 * kSecond, 0, {}, 0, 4}));
  EXPECT_EQ(analyzer.take().stuck.size(), 3U);
}

TEST(Analyzer, EachOpenConnectionIsVisitedWithItsAge) {
  Analyzer analyzer({});
  ASSERT_TRUE(analyzer.header(header_of("a")));
  ASSERT_TRUE(analyzer.transition(move(10, socket_of(1), State::Close, State::Listen)));
  ASSERT_TRUE(analyzer.transition(move(20, socket_of(2), State::Close, State::SynSent)));
  for (const Transition& t : active(3, 0, 40003, kSecond)) ASSERT_TRUE(analyzer.transition(t));
  std::vector<std::pair<std::uint64_t, Dwell>> seen;
  analyzer.each_open(30, [&](const Followed& followed, const Dwell& age) {
    seen.emplace_back(followed.socket.id.cookie, age);
  });
  std::sort(seen.begin(), seen.end(),
            [](const auto& a, const auto& b) { return a.first < b.first; });
  ASSERT_EQ(seen.size(), 2U);
  EXPECT_EQ(seen[0], (std::pair<std::uint64_t, Dwell>(1, {Bound::Exact, 20})));
  EXPECT_EQ(seen[1], (std::pair<std::uint64_t, Dwell>(2, {Bound::Exact, 10})));
}

TEST(Analyzer, AWindowForgetsWhatEndedAndKeepsWhatIsOpen) {
  Analyzer analyzer({});
  ASSERT_TRUE(analyzer.header(header_of("a")));
  auto open = active(2, 0, 40002, kSecond);
  for (std::size_t i = 0; i < 2; ++i) ASSERT_TRUE(analyzer.transition(open[i]));
  for (const Transition& t : active(1, 0, 40001, kSecond)) ASSERT_TRUE(analyzer.transition(t));
  EXPECT_EQ(analyzer.look(4 * kSecond).ports[0].peak, 2U);
  analyzer.begin_window(5 * kSecond);
  Analysis now = analyzer.look(6 * kSecond);
  EXPECT_TRUE(now.ends.empty());
  EXPECT_TRUE(now.edges.empty());
  EXPECT_TRUE(now.slowest.empty());
  EXPECT_EQ(now.series.points.back().population[static_cast<std::size_t>(State::Established)], 1U);
  ASSERT_EQ(now.ports.size(), 1U);
  EXPECT_EQ(now.ports[0].peak, 1U);
  ASSERT_EQ(now.stuck.size(), 1U);
  EXPECT_EQ(now.stuck[0].in_state.ns, 6U * kSecond - 10);
  for (std::size_t i = 2; i < open.size(); ++i) ASSERT_TRUE(analyzer.transition(open[i]));
  analyzer.begin_window(9 * kSecond);
  EXPECT_TRUE(analyzer.look(9 * kSecond).ports.empty());
  ASSERT_TRUE(analyzer.transition(active(3, 9 * kSecond, 40003, kSecond)[0]));
  EXPECT_EQ(analyzer.look(10 * kSecond).ports.size(), 1U);
}

TEST(Analyzer, ConnectionsBeyondTheLimitAreCounted) {
  AnalyzerOptions options;
  options.max_followed = 1;
  const auto two = {move(0, socket_of(1), State::Close, State::SynSent),
                    move(1, socket_of(2), State::Close, State::SynSent)};
  EXPECT_EQ(analyse(two, options).not_followed, 1U);
}

TEST(Analyzer, DestinationsBeyondTheTableOfPortsAreCounted) {
  constexpr std::uint64_t kRoom = 16384, kBeyond = 3;
  std::vector<Transition> all;
  for (std::uint64_t n = 0; n < kRoom + kBeyond; ++n) {
    std::vector<Transition> one = active(n + 1, static_cast<std::int64_t>(n), 40000, kSecond);
    for (Transition& t : one) {
      t.socket.remote.addr = {10, 1, static_cast<std::uint8_t>(n >> 8),
                              static_cast<std::uint8_t>(n)};
      all.push_back(t);
    }
  }
  const Analysis analysis = analyse(all, {});
  EXPECT_EQ(analysis.ports_left_out, kBeyond);
}

TEST(Analyzer, TheSampleIsBoundedAndHasSegments) {
  AnalyzerOptions options;
  options.connections.sample = 5;
  std::vector<Transition> all;
  for (std::uint64_t n = 0; n < 50; ++n)
    for (const Transition& t : active(n + 1, static_cast<std::int64_t>(n),
                                      static_cast<std::uint16_t>(40000 + n), kSecond))
      all.push_back(t);
  const Analysis analysis = analyse(all, options);
  ASSERT_EQ(analysis.sample.size(), 5U);
  for (const ConnectionRow& row : analysis.sample) {
    ASSERT_EQ(row.segments.size(), 4U);
    EXPECT_EQ(row.segments[3].state, State::TimeWait);
  }
  EXPECT_EQ(analysis.connections, 50U);
}

TEST(Findings, CloseWaitLeakNeedsAgeAndNumber) {
  const auto leak = [](std::uint64_t count, std::int64_t age) {
    std::vector<Transition> all;
    for (std::uint64_t n = 0; n < count; ++n)
      all.push_back(move(0, socket_of(n + 1), State::Established, State::CloseWait, 5));
    all.push_back(move(age, socket_of(99), State::Close, State::SynSent));
    return analyse(all);
  };
  EXPECT_TRUE(has(leak(3, 60 * kSecond), "close_wait_leak"));
  EXPECT_FALSE(has(leak(2, 60 * kSecond), "close_wait_leak"));
  EXPECT_FALSE(has(leak(3, 59 * kSecond), "close_wait_leak"));
}

TEST(Findings, WhoGivesUpAfterASecondGotNoAnswer) {
  std::vector<Transition> all;
  for (int n = 0; n < 3; ++n) {
    const Socket s = socket_of(static_cast<std::uint64_t>(n + 1));
    all.push_back(move(n, s, State::Close, State::SynSent));
    all.push_back(last(move(n, s, State::SynSent, State::Close, 1'200'000'000),
                       {State::SynSent, State::Close}, Reason::GivenUp));
  }
  EXPECT_TRUE(has(analyse(all), "connect_timeout"));
}

/// The port that bind() chose may be taken while there are others.
TEST(Findings, PortsRanOutWhereTheKernelHadNoneToChoose) {
  const auto without_port = [](std::uint16_t local_port) {
    Socket s = socket_of(1);
    s.local.port = local_port;
    return analyse({move(0, s, State::Close, State::SynSent),
                    last(move(0, s, State::SynSent, State::Close, 5),
                         {State::SynSent, State::Close}, Reason::NoLocalPort)});
  };
  EXPECT_TRUE(has(without_port(0), "port_exhaustion"));
  EXPECT_FALSE(has(without_port(4000), "port_exhaustion"));
  const Analysis analysis = without_port(0);
  std::uint64_t opens = 0, closes = 0;
  for (const SeriesPoint& point : analysis.series.points) {
    opens += point.opens;
    closes += point.closes;
  }
  EXPECT_EQ(opens, 0U) << "no SYN left";
  EXPECT_EQ(closes, 0U);
}

TEST(Findings, FailuresPerDestination) {
  const auto failing = [](int count, Reason reason) {
    std::vector<Transition> all;
    for (int n = 0; n < count; ++n) {
      const Socket s = socket_of(static_cast<std::uint64_t>(n + 1));
      all.push_back(move(n, s, State::Close, State::SynSent));
      all.push_back(last(move(n, s, State::SynSent, State::Close, 5),
                         {State::SynSent, State::Close}, reason));
    }
    return analyse(all);
  };
  EXPECT_TRUE(has(failing(3, Reason::Refused), "connect_refused"));
  EXPECT_FALSE(has(failing(2, Reason::Refused), "connect_refused"));
  EXPECT_TRUE(has(failing(3, Reason::Timeout), "connect_timeout"));
  EXPECT_FALSE(has(failing(3, Reason::Timeout), "connect_refused"));
  EXPECT_TRUE(has(failing(3, Reason::RefusedByIcmp), "connect_refused"));
  EXPECT_TRUE(has(failing(3, Reason::Unreachable), "connect_unreachable"));
  EXPECT_FALSE(has(failing(2, Reason::Unreachable), "connect_unreachable"));
  // Within 5 ns, nobody waited for an answer.
  EXPECT_TRUE(failing(3, Reason::GivenUp).findings.empty());
}

TEST(Findings, KeepAliveMismatchIsANarrowTimeoutOfTheServer) {
  const auto closed_by_peer = [](std::uint64_t spread) {
    std::vector<Transition> all;
    for (std::uint64_t n = 0; n < 40; ++n) {
      const Socket s = socket_of(n + 1);
      all.push_back(move(0, s, State::Close, State::SynSent));
      all.push_back(move(1, s, State::SynSent, State::Established, 1));
      all.push_back(move(2, s, State::Established, State::CloseWait, 15'000'000'000 + n * spread));
    }
    return analyse(all);
  };
  EXPECT_TRUE(has(closed_by_peer(1'000), "keep_alive_mismatch"));
  EXPECT_FALSE(has(closed_by_peer(1'000'000'000), "keep_alive_mismatch"));
}

TEST(Findings, HandshakesThatHangAreABacklog) {
  std::vector<Transition> all;
  for (std::uint64_t n = 0; n < 10; ++n) {
    const Socket s = socket_of(n + 1, 80, 40000);
    all.push_back(move(0, s, State::Listen, State::SynRecv));
    all.push_back(move(1, s, State::SynRecv, State::Established, 1'500'000'000));
  }
  EXPECT_TRUE(has(analyse(all), "syn_backlog"));
  all.pop_back();
  EXPECT_FALSE(has(analyse(all), "syn_backlog"));
}

TEST(Findings, WaitingForDataOrForRoomIsNoBacklogOfSyns) {
  const auto handshakes = [](bool deferred, bool queue_full) {
    std::vector<Transition> all;
    for (std::uint64_t n = 0; n < 10; ++n) {
      const Socket s = socket_of(n + 1, 80, 40000);
      all.push_back(move(0, s, State::Listen, State::SynRecv));
      all.push_back(move(1, s, State::SynRecv, State::Established, 1'500'000'000));
      all.back().deferred = deferred;
      all.back().queue_full = queue_full;
    }
    return analyse(all);
  };
  EXPECT_TRUE(handshakes(true, false).findings.empty());
  EXPECT_FALSE(has(handshakes(false, true), "syn_backlog"));
  EXPECT_TRUE(has(handshakes(false, true), "accept_queue_full"));
}

TEST(Findings, HandshakesOfASecondAreSlow) {
  const auto handshakes = [](int slow, int quick) {
    std::vector<Transition> all;
    for (int n = 0; n < slow + quick; ++n) {
      const Socket s = socket_of(static_cast<std::uint64_t>(n + 1));
      all.push_back(move(n, s, State::Close, State::SynSent));
      all.push_back(
          move(n, s, State::SynSent, State::Established, n < slow ? 1'000'000'000 : 999'999'999));
    }
    return analyse(all);
  };
  EXPECT_TRUE(has(handshakes(3, 27), "slow_handshakes"));
  EXPECT_FALSE(has(handshakes(2, 0), "slow_handshakes"));
  EXPECT_FALSE(has(handshakes(3, 28), "slow_handshakes"));
}

TEST(Findings, DroppedWhileIdleIsFoundAtTheNextWrite) {
  const auto dropped = [](int count, std::uint32_t idle_ms) {
    std::vector<Transition> all;
    for (int n = 0; n < count; ++n) {
      const Socket s = socket_of(static_cast<std::uint64_t>(n + 1));
      all.push_back(move(n, s, State::Close, State::SynSent));
      all.push_back(move(n, s, State::SynSent, State::Established, 1));
      all.push_back(last(move(n + 5 * kSecond, s, State::Established, State::Close, 5),
                         {State::SynSent, State::Established, State::Close}, Reason::ResetByPeer));
      all.back().traffic = TrafficStats{};
      all.back().traffic->idle_ms = idle_ms;
    }
    return analyse(all);
  };
  EXPECT_TRUE(has(dropped(3, 1000), "idle_dropped"));
  EXPECT_FALSE(has(dropped(2, 1000), "idle_dropped"));
  EXPECT_FALSE(has(dropped(3, 999), "idle_dropped"));
}

TEST(Ends, WhatIsInTimeWaitWhenTheTraceEndsIsClosed) {
  std::vector<Transition> all = active(1, 0, 40000, kSecond);
  const auto open = active(2, 0, 40001, kSecond);
  all.insert(all.end(), open.begin(), open.end() - 1);
  const Analysis analysis = analyse(all);
  ASSERT_EQ(analysis.ends.size(), 2U);
  EXPECT_FALSE(analysis.ends[0].time_wait);
  EXPECT_TRUE(analysis.ends[1].time_wait);
  EXPECT_EQ(analysis.ends[1].closer, Closer::Local);
  EXPECT_EQ(analysis.ends[1].count, 1U);
}

TEST(Ends, WhatIsInTimeWaitIsCountedOnceInSeveralTraces) {
  Analyzer analyzer{AnalyzerOptions{}};
  ASSERT_TRUE(analyzer.header(header_of("a")));
  const auto open = active(2, 0, 40001, kSecond);
  for (std::size_t i = 0; i + 1 < open.size(); ++i) ASSERT_TRUE(analyzer.transition(open[i]));
  ASSERT_TRUE(analyzer.header(header_of("a")));
  Seed seed;
  seed.socket = open.back().socket;
  seed.state = State::TimeWait;
  ASSERT_TRUE(analyzer.seed(seed));
  const Analysis analysis = analyzer.take();
  ASSERT_EQ(analysis.ends.size(), 1U);
  EXPECT_TRUE(analysis.ends[0].time_wait);
  EXPECT_EQ(analysis.ends[0].count, 1U);
}

TEST(Findings, AServerThatClosesFirstGathersTimeWait) {
  const auto served = [](std::uint64_t closed_here) {
    std::vector<Transition> all;
    for (std::uint64_t n = 0; n < 150; ++n) {
      const Socket s = socket_of(n + 1, 80, 40000);
      const bool here = n < closed_here;
      all.push_back(move(0, s, State::Listen, State::SynRecv));
      all.push_back(move(1, s, State::SynRecv, State::Established, 1));
      all.push_back(move(2, s, State::Established, here ? State::FinWait1 : State::CloseWait, 1));
      all.push_back(last(move(3, s, here ? State::FinWait1 : State::CloseWait, State::Close, 1),
                         {State::SynRecv, State::Close}));
    }
    return analyse(all);
  };
  EXPECT_TRUE(has(served(120), "time_wait_on_server"));
  EXPECT_FALSE(has(served(70), "time_wait_on_server"));
}

TEST(Findings, FinWait2HeldByThePeer) {
  const auto held = [](std::uint64_t ns) {
    std::vector<Transition> all;
    for (std::uint64_t n = 0; n < 5; ++n)
      all.push_back(
          last(move(0, socket_of(n + 1), State::FinWait2, State::Close, ns), {State::Close}));
    return analyse(all);
  };
  EXPECT_TRUE(has(held(10'000'000'000), "fin_wait2_held"));
  EXPECT_FALSE(has(held(9'000'000'000), "fin_wait2_held"));
}

/// One line of what active() tells in five.
Connection as_one_line(const std::vector<Transition>& lines) {
  Connection c;
  c.socket = lines.back().socket;
  c.start_wall_ns = lines.front().wall_ns;
  c.end_wall_ns = lines.back().wall_ns;
  c.state = State::Close;
  for (const Transition& t : lines)
    if (t.ends_a_dwell()) c.stays.push({t.from, t.dwell});
  c.reason = lines.back().reason;
  c.life_ns = lines.back().life_ns;
  c.path = lines.back().path;
  return c;
}

TEST(Analyzer, ConnectionsTellWhatTheirTransitionsDo) {
  std::vector<Transition> lines;
  Analyzer analyzer{AnalyzerOptions{}};
  EXPECT_TRUE(analyzer.header(header_of("a")));
  for (std::uint16_t i = 0; i < 5; ++i) {
    const auto one = active(1 + i, i * kSecond, static_cast<std::uint16_t>(40000 + i), 2 * kSecond);
    lines.insert(lines.end(), one.begin(), one.end());
    EXPECT_TRUE(analyzer.connection(as_one_line(one)));
  }
  const Analysis got = analyzer.take(), wanted = analyse(lines);
  ASSERT_EQ(got.ends.size(), wanted.ends.size());
  EXPECT_EQ(got.ends[0].count, 5U);
  EXPECT_EQ(got.ends[0].reason, Reason::Expired);
  ASSERT_EQ(got.edges.size(), wanted.edges.size());
  for (std::size_t i = 0; i < got.edges.size(); ++i) {
    EXPECT_EQ(got.edges[i].from, wanted.edges[i].from);
    EXPECT_EQ(got.edges[i].to, wanted.edges[i].to);
    EXPECT_EQ(got.edges[i].count, wanted.edges[i].count);
    EXPECT_EQ(got.edges[i].dwell.total(), wanted.edges[i].dwell.total());
  }
  ASSERT_EQ(got.series.points.size(), wanted.series.points.size());
  EXPECT_EQ(got.series.start_wall_ns, wanted.series.start_wall_ns);
  for (std::size_t i = 0; i < got.series.points.size(); ++i) {
    EXPECT_EQ(got.series.points[i].opens, wanted.series.points[i].opens);
    EXPECT_EQ(got.series.points[i].closes, wanted.series.points[i].closes);
    EXPECT_EQ(got.series.points[i].population, wanted.series.points[i].population);
  }
  ASSERT_EQ(got.slowest.size(), wanted.slowest.size());
  EXPECT_EQ(got.slowest[0].segments.size(), wanted.slowest[0].segments.size());
  EXPECT_EQ(got.connections, wanted.connections);
}

TEST(Analyzer, AnOpenConnectionGoesOnInItsNextLine) {
  Analyzer analyzer{AnalyzerOptions{}};
  EXPECT_TRUE(analyzer.header(header_of("a")));
  Connection c = as_one_line(active(1, 0, 40000, 2 * kSecond));
  Connection open = c;
  open.end_wall_ns.reset();
  open.life_ns.reset();
  open.seen_wall_ns = kSecond / 2;
  open.state = State::Established;
  open.path = Path(0x21);
  open.stays = {};
  open.stays.push({State::SynSent, {Bound::Exact, 10}});
  open.stays.push({State::Established, {Bound::Exact, kSecond / 2 - 10}});
  EXPECT_TRUE(analyzer.connection(open));
  const Analysis before = analyzer.look(kSecond);
  ASSERT_EQ(before.stuck.size(), 1U);
  EXPECT_EQ(before.stuck[0].in_state, (Dwell{Bound::Exact, kSecond - 10}));
  Stays rest;
  for (const Stay& stay : c.stays)
    if (stay.state != State::SynSent) rest.push(stay);
  c.stays = rest;
  EXPECT_TRUE(analyzer.connection(c));
  const Analysis got = analyzer.take(), wanted = analyse(active(1, 0, 40000, 2 * kSecond));
  EXPECT_TRUE(got.stuck.empty());
  ASSERT_EQ(got.slowest.size(), 1U);
  EXPECT_EQ(got.slowest[0].segments.size(), wanted.slowest[0].segments.size());
  ASSERT_EQ(got.edges.size(), wanted.edges.size());
  for (const Edge& edge : got.edges) EXPECT_EQ(edge.count, 1U);
  ASSERT_EQ(got.series.points.size(), wanted.series.points.size());
  EXPECT_EQ(got.series.points.back().population, wanted.series.points.back().population);
}

}  // namespace
}  // namespace tcpdwell
