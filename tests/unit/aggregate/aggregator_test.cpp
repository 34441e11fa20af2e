// SPDX-License-Identifier: BSD-2-Clause
#include "aggregate/aggregator.h"

#include <gtest/gtest.h>

#include <cstring>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "model/tally.h"

namespace tcpdwell {
namespace {

constexpr Dwell kUnknown{};
constexpr Dwell exact(std::uint64_t ns) { return {Bound::Exact, ns}; }
constexpr Dwell at_least(std::uint64_t ns) { return {Bound::AtLeast, ns}; }

Socket socket_of(std::uint64_t cookie) {
  Socket socket;
  socket.id = {cookie, 1};
  return socket;
}

Socket owned(std::uint64_t cookie, std::uint32_t pid, std::string_view comm) {
  Socket socket = socket_of(cookie);
  socket.owner.pid = pid;
  socket.owner.comm = Comm(comm);
  return socket;
}

Transition line(Socket socket, State from, State to, Dwell dwell = kUnknown) {
  Transition t;
  t.socket = std::move(socket);
  t.from = from;
  t.to = to;
  t.dwell = dwell;
  return t;
}

Seed seed_of(Socket socket, State state) {
  Seed seed;
  seed.socket = std::move(socket);
  seed.state = state;
  return seed;
}

void feed(Aggregator& aggregator, const std::vector<Transition>& lines) {
  for (const Transition& t : lines) EXPECT_TRUE(aggregator.transition(t).ok());
}

void play_header(Aggregator& aggregator, std::int64_t start, std::string boot_id) {
  Header header;
  header.start_wall_ns = start;
  header.boot_id = std::move(boot_id);
  EXPECT_TRUE(aggregator.header(header).ok());
}

/// The row whose keys, joined with '|', are `keys`.
std::optional<Row> find(const Summary& summary, const std::string& keys) {
  for (const Row& row : summary.rows) {
    std::string joined;
    for (const std::string& key : row.keys) joined += (&key == &row.keys[0] ? "" : "|") + key;
    if (joined == keys) return row;
  }
  return std::nullopt;
}

std::optional<std::uint64_t> open_in(const Summary& summary, const std::string& keys) {
  const auto row = find(summary, keys);
  return row ? row->open : 0;
}

std::uint64_t count_in(const Summary& summary, const std::string& keys) {
  const auto row = find(summary, keys);
  return row ? row->count() : 0;
}

std::vector<std::string> first_keys(const Summary& summary) {
  std::vector<std::string> keys;
  for (const Row& row : summary.rows) keys.push_back(row.keys[0]);
  return keys;
}

const std::vector<Transition> kActiveLife = {
    line(socket_of(1), State::Close, State::SynSent),
    line(socket_of(1), State::SynSent, State::Established, exact(10)),
    line(socket_of(1), State::Established, State::FinWait1, exact(200)),
    line(socket_of(1), State::FinWait1, State::FinWait2, exact(30)),
    line(socket_of(1), State::FinWait2, State::TimeWait, exact(40)),
    line(socket_of(1), State::TimeWait, State::Close, exact(5000))};

TEST(Aggregator, CountsEveryDwellOfALife) {
  Aggregator aggregator({});
  feed(aggregator, kActiveLife);
  const Summary summary = aggregator.take_summary(9);
  EXPECT_EQ(first_keys(summary), (std::vector<std::string>{"SYN_SENT", "ESTABLISHED", "FIN_WAIT1",
                                                           "FIN_WAIT2", "TIME_WAIT"}));
  for (const Row& row : summary.rows) {
    EXPECT_EQ(row.count(), 1U);
    EXPECT_EQ(row.open, 0U);
  }
  EXPECT_EQ(find(summary, "TIME_WAIT")->exact.total(), 5000U);
  EXPECT_EQ(aggregator.transitions(), 6U);
  EXPECT_EQ(aggregator.connections(), 1U);
}

TEST(Aggregator, OpenFollowsTheStateAtEveryStep) {
  Aggregator aggregator({});
  const char* names[] = {"SYN_SENT", "ESTABLISHED", "FIN_WAIT1", "FIN_WAIT2", "TIME_WAIT"};
  for (std::size_t i = 0; i < 5; ++i) {
    feed(aggregator, {kActiveLife[i]});
    const Summary summary = aggregator.take_summary(0);
    for (const char* name : names) EXPECT_EQ(open_in(summary, name), name == names[i] ? 1U : 0U);
  }
  feed(aggregator, {kActiveLife[5]});
  EXPECT_EQ(open_in(aggregator.take_summary(0), "TIME_WAIT"), 0U);
  EXPECT_TRUE(aggregator.take_summary(0).rows.empty());
}

TEST(Aggregator, KeepsApartWhatADwellIsWorth) {
  Aggregator aggregator({});
  feed(aggregator, {line(socket_of(1), State::CloseWait, State::LastAck, exact(7)),
                    line(socket_of(2), State::CloseWait, State::LastAck, at_least(1'000'000)),
                    line(socket_of(3), State::CloseWait, State::LastAck, kUnknown)});
  const Row row = *find(aggregator.take_summary(0), "CLOSE_WAIT");
  EXPECT_EQ(row.exact.count(), 1U);
  EXPECT_EQ(row.exact.max(), 7U) << "a bound must not get into the percentiles";
  EXPECT_EQ(row.at_least, 1U);
  EXPECT_EQ(row.unknown, 1U);
}

TEST(Aggregator, SeedsAndListenersAreOpen) {
  Aggregator aggregator({});
  EXPECT_TRUE(aggregator.seed(seed_of(socket_of(1), State::CloseWait)).ok());
  EXPECT_TRUE(aggregator.seed(seed_of(socket_of(2), State::Listen)).ok());
  feed(aggregator, {line(socket_of(3), State::Close, State::Listen),
                    line(socket_of(4), State::Listen, State::SynRecv)});
  Summary summary = aggregator.take_summary(0);
  EXPECT_EQ(open_in(summary, "CLOSE_WAIT"), 1U);
  EXPECT_EQ(open_in(summary, "LISTEN"), 2U) << "a new connection does not end its listener";
  EXPECT_EQ(open_in(summary, "SYN_RECV"), 1U);
  EXPECT_EQ(count_in(summary, "LISTEN"), 0U);
  feed(aggregator, {line(socket_of(2), State::Listen, State::Close, at_least(5))});
  summary = aggregator.take_summary(0);
  EXPECT_EQ(open_in(summary, "LISTEN"), 1U);
  EXPECT_EQ(count_in(summary, "LISTEN"), 1U);
  EXPECT_EQ(aggregator.connections(), 4U);
}

TEST(Aggregator, OpenSurvivesLostLines) {
  Aggregator aggregator({});
  feed(aggregator, {line(socket_of(1), State::Close, State::SynSent)});
  Transition after_gap = line(socket_of(1), State::FinWait2, State::TimeWait);
  after_gap.gap = true;
  feed(aggregator, {after_gap});
  const Summary summary = aggregator.take_summary(0);
  EXPECT_EQ(open_in(summary, "SYN_SENT"), 0U);
  EXPECT_EQ(open_in(summary, "FIN_WAIT2"), 0U);
  EXPECT_EQ(open_in(summary, "TIME_WAIT"), 1U);
}

TEST(Aggregator, OpenSurvivesAChangeOfOwner) {
  Aggregator aggregator({.by = {Key::Comm, Key::State}});
  feed(aggregator, {line(owned(1, 10, "master"), State::Listen, State::SynRecv),
                    line(owned(1, 10, "master"), State::SynRecv, State::Established, exact(1)),
                    line(owned(1, 11, "worker"), State::Established, State::CloseWait, exact(2))});
  const Summary summary = aggregator.take_summary(0);
  EXPECT_EQ(open_in(summary, "master|SYN_RECV"), 0U);
  EXPECT_EQ(open_in(summary, "master|ESTABLISHED"), 0U);
  EXPECT_EQ(open_in(summary, "worker|CLOSE_WAIT"), 1U);
  EXPECT_EQ(count_in(summary, "worker|ESTABLISHED"), 1U);
}

TEST(Aggregator, UsesOfASocketAreConnectionsOfTheirOwn) {
  Aggregator aggregator({});
  Socket again = socket_of(1);
  again.id.use = 2;
  feed(aggregator, {line(socket_of(1), State::FinWait2, State::TimeWait),
                    line(again, State::Close, State::SynSent)});
  const Summary summary = aggregator.take_summary(0);
  EXPECT_EQ(open_in(summary, "TIME_WAIT"), 1U);
  EXPECT_EQ(open_in(summary, "SYN_SENT"), 1U);
  EXPECT_EQ(aggregator.connections(), 2U);
}

TEST(Aggregator, TakingASummaryRestartsAllButOpen) {
  Aggregator aggregator({.by = {Key::Pid, Key::State}});
  play_header(aggregator, 1000, "a");
  EXPECT_TRUE(aggregator.loss({0, LossPlace::Ring, 3}).ok());
  EXPECT_TRUE(aggregator.loss({0, LossPlace::Ring, 4}).ok());
  feed(aggregator, {line(owned(1, 5, "x"), State::Close, State::SynSent),
                    line(owned(1, 5, "x"), State::SynSent, State::Established, exact(9))});
  const Summary first = aggregator.take_summary(2000);
  EXPECT_EQ(first.start_wall_ns, 1000);
  EXPECT_EQ(first.end_wall_ns, 2000);
  EXPECT_EQ(first.lost, (LossCounts{7, 0, 0, 0}));
  EXPECT_EQ(count_in(first, "5|SYN_SENT"), 1U);

  const Summary second = aggregator.take_summary(3000);
  EXPECT_EQ(second.start_wall_ns, 2000);
  EXPECT_EQ(second.lost, LossCounts{});
  ASSERT_EQ(second.rows.size(), 1U);
  EXPECT_EQ(second.rows[0].keys, (std::vector<std::string>{"5", "ESTABLISHED"}));
  EXPECT_EQ(second.rows[0].numeric[0], 5U);
  EXPECT_EQ(second.rows[0].count(), 0U);
  EXPECT_EQ(second.rows[0].open, 1U);
  EXPECT_EQ(aggregator.transitions(), 2U) << "totals go on";
}

TEST(Aggregator, SortsByTotalThenKeys) {
  Aggregator aggregator({.by = {Key::Pid, Key::State}});
  feed(aggregator, {line(owned(1, 100, ""), State::LastAck, State::Close, exact(5)),
                    line(owned(2, 20, ""), State::LastAck, State::Close, exact(5)),
                    line(owned(3, 3, ""), State::LastAck, State::Close, exact(4)),
                    line(owned(4, 3, ""), State::LastAck, State::Close, exact(4)),
                    line(owned(5, 7, ""), State::LastAck, State::Close, kUnknown)});
  EXPECT_EQ(first_keys(aggregator.take_summary(0)),
            (std::vector<std::string>{"3", "20", "100", "7"}));
}

TEST(Aggregator, KeysAreTextAndNumber) {
  Aggregator aggregator({.by = {Key::Pid, Key::Comm, Key::LocalPort, Key::RemotePort, Key::Remote,
                                Key::Cgroup, Key::Netns, Key::State}});
  Socket socket = owned(1, 42, "nginx");
  socket.local.port = 80;
  socket.remote.port = 4000;
  socket.remote.addr = {10, 0, 0, 1};
  socket.cgroup_id = 77;
  socket.netns = 4026531840;
  feed(aggregator, {line(socket, State::LastAck, State::Close, exact(1))});
  const Row row = aggregator.take_summary(0).rows.at(0);
  EXPECT_EQ(row.keys, (std::vector<std::string>{"42", "nginx", "80", "4000", "10.0.0.1", "77",
                                                "4026531840", "LAST_ACK"}));
  using Number = std::optional<std::uint64_t>;
  EXPECT_EQ(row.numeric, (std::vector<Number>{42, {}, 80, 4000, {}, 77, 4026531840, {}}));
}

TEST(Aggregator, WhatIsUnknownHasNoText) {
  Aggregator aggregator({.by = {Key::Pid, Key::Comm, Key::LocalPort, Key::RemotePort, Key::Remote,
                                Key::Cgroup, Key::Netns, Key::State}});
  Socket v6 = socket_of(2);
  v6.family = Family::V6;
  feed(aggregator,
       {line(socket_of(1), State::Close, State::Listen), line(v6, State::Close, State::Listen)});
  const Summary summary = aggregator.take_summary(0);
  ASSERT_EQ(summary.rows.size(), 1U) << "no peer is no peer, whatever the family";
  EXPECT_EQ(summary.rows[0].keys, (std::vector<std::string>{"", "", "", "", "", "", "", "LISTEN"}));
  for (const auto& number : summary.rows[0].numeric) EXPECT_EQ(number, std::nullopt);
}

TEST(Aggregator, FamiliesOfAPeerAreApart) {
  Aggregator aggregator({.by = {Key::Remote, Key::State}});
  Socket v4 = socket_of(1), v6 = socket_of(2);
  v4.remote.addr = v6.remote.addr = {0x20, 1, 0xd, 0xb8};
  v6.family = Family::V6;
  feed(aggregator, {line(v4, State::LastAck, State::Close, exact(2)),
                    line(v6, State::LastAck, State::Close, exact(1))});
  EXPECT_EQ(first_keys(aggregator.take_summary(0)),
            (std::vector<std::string>{"32.1.13.184", "2001:db8::"}));
}

TEST(Aggregator, StatesLimitRows) {
  Aggregator aggregator({.states = bit(State::TimeWait)});
  feed(aggregator, kActiveLife);
  Transition other = kActiveLife[4];
  other.socket.id.cookie = 2;
  feed(aggregator, {other});
  const Summary summary = aggregator.take_summary(0);
  ASSERT_EQ(first_keys(summary), std::vector<std::string>{"TIME_WAIT"});
  EXPECT_EQ(summary.rows[0].count(), 1U);
  EXPECT_EQ(summary.rows[0].open, 1U);
  EXPECT_EQ(aggregator.connections(), 2U);
}

TEST(Aggregator, WhatLeavesTheStatesIsForgotten) {
  Aggregator aggregator({.states = bit(State::Established), .max_open = 1});
  for (std::uint64_t cookie = 1; cookie <= 3; ++cookie) {
    feed(aggregator, {line(socket_of(cookie), State::SynSent, State::Established, exact(1)),
                      line(socket_of(cookie), State::Established, State::FinWait1, exact(cookie))});
  }
  const Summary summary = aggregator.take_summary(0);
  ASSERT_EQ(first_keys(summary), std::vector<std::string>{"ESTABLISHED"});
  EXPECT_EQ(summary.rows[0].count(), 3U);
  EXPECT_EQ(summary.rows[0].open, 0U);
  EXPECT_EQ(aggregator.connections(), 3U);
}

TEST(Aggregator, OpenIsAbsentWhenTheFilterHidesIt) {
  Aggregator aggregator({.open_known = false});
  feed(aggregator, {kActiveLife[0], kActiveLife[1]});
  const Summary summary = aggregator.take_summary(0);
  ASSERT_EQ(first_keys(summary), std::vector<std::string>{"SYN_SENT"});
  EXPECT_EQ(summary.rows[0].open, std::nullopt);
}

TEST(Aggregator, OpenIsAbsentOncePastTheLimit) {
  Aggregator aggregator({.max_open = 2});
  for (std::uint64_t cookie = 1; cookie <= 2; ++cookie) {
    feed(aggregator, {line(socket_of(cookie), State::Close, State::SynSent)});
  }
  EXPECT_EQ(open_in(aggregator.take_summary(0), "SYN_SENT"), 2U);
  feed(aggregator, {line(socket_of(3), State::Close, State::SynSent),
                    line(socket_of(1), State::SynSent, State::Close, exact(5)),
                    line(socket_of(2), State::SynSent, State::Close, exact(5)),
                    line(socket_of(4), State::Close, State::SynSent)});
  const Summary summary = aggregator.take_summary(0);
  ASSERT_EQ(first_keys(summary), std::vector<std::string>{"SYN_SENT"});
  EXPECT_EQ(summary.rows[0].count(), 2U);
  EXPECT_EQ(summary.rows[0].open, std::nullopt);
  EXPECT_EQ(aggregator.connections(), 4U);
}

TEST(Aggregator, DwellsPastTheRowLimitAreCounted) {
  Aggregator aggregator({.by = {Key::Pid, Key::State}, .max_rows = 2});
  for (std::uint32_t pid = 1; pid <= 5; ++pid) {
    feed(aggregator, {line(owned(pid, pid, ""), State::LastAck, State::Close, exact(pid))});
  }
  const Summary first = aggregator.take_summary(0);
  EXPECT_EQ(first.rows.size(), 2U);
  EXPECT_EQ(first.rows_left_out, 3U);
  feed(aggregator, {line(owned(9, 9, ""), State::LastAck, State::Close, exact(9))});
  const Summary second = aggregator.take_summary(0);
  EXPECT_EQ(first_keys(second), std::vector<std::string>{"9"}) << "idle rows make room";
  EXPECT_EQ(second.rows_left_out, 0U);
}

TEST(Aggregator, OpenIsAbsentInARowThatCameTooLate) {
  Aggregator aggregator({.by = {Key::Pid, Key::State}, .max_rows = 1});
  feed(aggregator, {line(owned(1, 1, ""), State::LastAck, State::Close, exact(1)),
                    line(owned(2, 2, ""), State::Close, State::SynSent)});
  aggregator.take_summary(0);
  feed(aggregator, {line(owned(3, 2, ""), State::Close, State::SynSent)});
  const Summary summary = aggregator.take_summary(0);
  ASSERT_EQ(summary.rows.size(), 1U);
  EXPECT_EQ(summary.rows[0].open, std::nullopt) << "one of the two is not in the row";
  feed(aggregator, {line(owned(2, 2, ""), State::SynSent, State::Close, exact(1)),
                    line(owned(3, 2, ""), State::SynSent, State::Close, exact(1))});
  EXPECT_EQ(count_in(aggregator.take_summary(0), "2|SYN_SENT"), 2U);
  feed(aggregator, {line(owned(4, 2, ""), State::Close, State::SynSent)});
  EXPECT_EQ(open_in(aggregator.take_summary(0), "2|SYN_SENT"), 1U);
}

Transition ending(std::uint64_t cookie, std::string_view path, Reason reason,
                  std::optional<std::uint64_t> life_ns) {
  Transition t = line(socket_of(cookie), State::LastAck, State::Close, exact(1));
  t.path = *Path::parse(path);
  t.reason = reason;
  t.life_ns = life_ns;
  return t;
}

TEST(Aggregator, EndsAreWholeConnections) {
  Aggregator aggregator({.by = {Key::End}});
  feed(aggregator, {line(socket_of(1), State::Close, State::SynSent),
                    line(socket_of(1), State::SynSent, State::Established, exact(3)),
                    ending(1, "SYN_SENT>ESTABLISHED>CLOSE_WAIT>LAST_ACK>CLOSE", Reason::None, 50),
                    ending(2, "SYN_SENT>CLOSE", Reason::Refused, 70),
                    ending(3, "ESTABLISHED>CLOSE", Reason::Refused, std::nullopt)});
  const Summary summary = aggregator.take_summary(0);
  ASSERT_EQ(first_keys(summary), (std::vector<std::string>{"refused", "closed by remote"}));
  EXPECT_EQ(summary.rows[0].exact.total(), 70U);
  EXPECT_EQ(summary.rows[0].unknown, 1U);
  EXPECT_EQ(summary.rows[0].open, std::nullopt);
  EXPECT_EQ(summary.rows[1].exact.total(), 50U);
  EXPECT_EQ(aggregator.connections(), 3U);
}

TEST(Aggregator, PathsAreWholeConnections) {
  Aggregator aggregator({.by = {Key::Path}});
  feed(aggregator, {ending(1, "SYN_SENT>CLOSE", Reason::Refused, 1),
                    ending(2, "SYN_SENT>CLOSE", Reason::Timeout, 2),
                    ending(3, "SYN_SENT>ESTABLISHED>CLOSE", Reason::None, 1)});
  const Summary summary = aggregator.take_summary(0);
  EXPECT_EQ(first_keys(summary),
            (std::vector<std::string>{"SYN_SENT>CLOSE", "SYN_SENT>ESTABLISHED>CLOSE"}));
  EXPECT_EQ(summary.rows[0].count(), 2U);
}

TEST(Aggregator, AllKeysAtOnceFit) {
  Aggregator aggregator({.by = {Key::State, Key::Pid, Key::Comm, Key::LocalPort, Key::RemotePort,
                                Key::Remote, Key::Cgroup, Key::Netns, Key::End, Key::Path}});
  feed(aggregator, {ending(1, "SYN_SENT>CLOSE", Reason::None, 1),
                    ending(2, "SYN_SENT>ESTABLISHED>CLOSE", Reason::None, 1)});
  EXPECT_EQ(aggregator.take_summary(0).rows.size(), 2U);
}

TEST(Aggregator, TracesOfSeveralHostsAddUp) {
  Aggregator aggregator({});
  play_header(aggregator, 500, "a");
  feed(aggregator, {kActiveLife[0]});
  play_header(aggregator, 300, "b");
  feed(aggregator, {kActiveLife[0], kActiveLife[1]});
  const Summary summary = aggregator.take_summary(0);
  EXPECT_EQ(summary.start_wall_ns, 300);
  EXPECT_EQ(open_in(summary, "SYN_SENT"), 1U) << "the same id, but another host's";
  EXPECT_EQ(open_in(summary, "ESTABLISHED"), 1U);
  EXPECT_EQ(aggregator.connections(), 2U);
}

TEST(Aggregator, ALaterTraceOfTheSameHostSaysAnewWhatIsOpen) {
  Aggregator aggregator({});
  play_header(aggregator, 0, "a");
  feed(aggregator, {kActiveLife[0]});
  play_header(aggregator, 1, "a");
  EXPECT_TRUE(aggregator.seed(seed_of(socket_of(1), State::SynSent)).ok());
  EXPECT_EQ(open_in(aggregator.take_summary(0), "SYN_SENT"), 1U);
}

TEST(Aggregator, WithoutMinisocketsTheirOpenOnesAreUnknown) {
  Aggregator aggregator({});
  Header header;
  header.minisockets = "off";
  EXPECT_TRUE(aggregator.header(header).ok());
  feed(aggregator, {line(socket_of(1), State::SynRecv, State::Established),
                    line(socket_of(2), State::Close, State::SynSent)});
  const Summary summary = aggregator.take_summary(1);
  EXPECT_FALSE(find(summary, "SYN_RECV").value().open);
  EXPECT_EQ(find(summary, "SYN_SENT").value().open, 1U);
}

Connection lived(Socket socket, std::vector<Stay> stays, State state) {
  Connection c;
  c.socket = std::move(socket);
  c.state = state;
  (state == State::Close ? c.end_wall_ns : c.seen_wall_ns) = 9;
  for (const Stay& stay : stays) c.stays.push(stay);
  return c;
}

TEST(Aggregator, EachStayOfAConnectionIsADwellOfItsRow) {
  Aggregator aggregator({});
  EXPECT_TRUE(aggregator.connection(lived(
      socket_of(1),
      {{State::SynSent, exact(5)}, {State::Established, at_least(7)}, {State::LastAck, kUnknown}},
      State::Close)));
  const Summary summary = aggregator.take_summary(10);
  EXPECT_EQ(find(summary, "SYN_SENT")->exact.total(), 5U);
  EXPECT_EQ(find(summary, "ESTABLISHED")->at_least, 1U);
  EXPECT_EQ(find(summary, "LAST_ACK")->unknown, 1U);
  EXPECT_EQ(open_in(summary, "LAST_ACK"), 0U);
  EXPECT_EQ(aggregator.connections(), 1U);
}

TEST(Aggregator, AnOpenConnectionIsCountedOnceHoweverOftenItIsTold) {
  Aggregator aggregator({});
  const Socket s = socket_of(1);
  EXPECT_TRUE(aggregator.connection(
      lived(s, {{State::SynSent, exact(5)}, {State::Established, exact(3)}}, State::Established)));
  EXPECT_TRUE(
      aggregator.connection(lived(s, {{State::Established, exact(6)}}, State::Established)));
  Summary summary = aggregator.take_summary(10);
  EXPECT_EQ(count_in(summary, "SYN_SENT"), 1U);
  EXPECT_EQ(count_in(summary, "ESTABLISHED"), 0U) << "it is not over";
  EXPECT_EQ(open_in(summary, "ESTABLISHED"), 1U);
  EXPECT_TRUE(aggregator.connection(lived(s, {{State::Established, exact(9)}}, State::Close)));
  summary = aggregator.take_summary(11);
  EXPECT_EQ(find(summary, "ESTABLISHED")->exact.total(), 9U);
  EXPECT_EQ(open_in(summary, "ESTABLISHED"), 0U);
  EXPECT_EQ(aggregator.connections(), 1U);
}

TEST(Aggregator, StatesAndLengthsChooseAmongTheStaysOfAConnection) {
  AggregatorOptions options;
  options.states = bit(State::SynSent) | bit(State::Established);
  options.min_dwell_ns = 6;
  Aggregator aggregator(options);
  EXPECT_TRUE(aggregator.connection(lived(
      socket_of(1),
      {{State::SynSent, exact(5)}, {State::Established, exact(7)}, {State::LastAck, exact(8)}},
      State::Close)));
  const Summary summary = aggregator.take_summary(10);
  EXPECT_EQ(count_in(summary, "SYN_SENT"), 0U);
  EXPECT_EQ(count_in(summary, "ESTABLISHED"), 1U);
  EXPECT_EQ(count_in(summary, "LAST_ACK"), 0U);
}

/// A server's connection that is accepted after 3 of its 10 ns in ESTABLISHED.
std::vector<Transition> accepted(std::uint64_t cookie) {
  std::vector<Transition> lines = {
      line(socket_of(cookie), State::Listen, State::SynRecv),
      line(socket_of(cookie), State::SynRecv, State::Established, exact(1)),
      line(socket_of(cookie), State::Established, State::CloseWait, exact(10)),
      line(socket_of(cookie), State::CloseWait, State::Close, exact(2))};
  lines[2].accept_wait_ns = 3;
  lines.back().path = *Path::parse("SYN_RECV>ESTABLISHED>CLOSE_WAIT>CLOSE");
  lines.back().reason = Reason::Aborted;
  return lines;
}

TEST(Aggregator, TheWaitForAcceptIsARowBehindEstablished) {
  Aggregator aggregator({});
  feed(aggregator, accepted(1));
  feed(aggregator, accepted(2));
  const Summary summary = aggregator.take_summary(10);
  EXPECT_EQ(first_keys(summary),
            (std::vector<std::string>{"SYN_RECV", "ESTABLISHED", "not accepted", "CLOSE_WAIT"}));
  EXPECT_EQ(find(summary, "ESTABLISHED")->exact.total(), 20U) << "it is a part of that";
  const auto row = find(summary, "not accepted");
  EXPECT_EQ(row->exact.total(), 6U);
  EXPECT_FALSE(row->open) << "who waits now is not counted here";
  EXPECT_FALSE(find(aggregator.take_summary(11), "not accepted"));
  Aggregator by_netns({.by = {Key::Netns, Key::State}, .min_dwell_ns = 3});
  feed(by_netns, accepted(1));
  EXPECT_EQ(find(by_netns.take_summary(10), "|not accepted")->open, std::nullopt);
  Aggregator others({.states = bit(State::CloseWait)});
  feed(others, accepted(1));
  EXPECT_FALSE(find(others.take_summary(10), "not accepted"));
  Aggregator longer({.min_dwell_ns = 4});
  feed(longer, accepted(1));
  EXPECT_FALSE(find(longer.take_summary(10), "not accepted"));
}

TEST(Aggregator, ATallyTellsTheWaitForAcceptToo) {
  Tally tally;
  tally.not_accepted.exact.add(5);
  Aggregator aggregator({});
  EXPECT_TRUE(aggregator.tally(tally).ok());
  EXPECT_EQ(find(aggregator.take_summary(10), "not accepted")->exact.total(), 5U);
}

TEST(Aggregator, OfAcceptRowsAreWaitsByAnyKey) {
  for (const std::vector<Key>& by :
       {std::vector<Key>{}, {Key::State}, {Key::Netns}, {Key::End}, {Key::Path, Key::Comm}}) {
    Aggregator aggregator({.of = Of::Accept, .by = by});
    feed(aggregator, accepted(1));
    feed(aggregator, accepted(2));
    const Summary summary = aggregator.take_summary(10);
    ASSERT_EQ(summary.rows.size(), 1U);
    EXPECT_EQ(summary.rows[0].exact.count(), 2U);
    EXPECT_EQ(summary.rows[0].exact.total(), 6U);
    EXPECT_FALSE(summary.rows[0].open);
    if (by == std::vector{Key::End}) {
      EXPECT_EQ(summary.rows[0].keys[0], "aborted");
    }
  }
}

TEST(Aggregator, AConnectionTellsItsWaitOnce) {
  const auto told = [](Of of, std::vector<Key> by) {
    Aggregator aggregator({.of = of, .by = std::move(by)});
    const Socket s = socket_of(1);
    EXPECT_TRUE(
        aggregator.connection(lived(s, {{State::Established, exact(3)}}, State::Established)));
    Connection c =
        lived(s, {{State::Established, exact(10)}, {State::CloseWait, exact(1)}}, State::CloseWait);
    c.accept_wait_ns = 3;
    EXPECT_TRUE(aggregator.connection(c));
    c = lived(s, {{State::CloseWait, exact(2)}}, State::Close);
    c.accept_wait_ns = 3;
    EXPECT_TRUE(aggregator.connection(c));
    return aggregator.take_summary(10);
  };
  EXPECT_EQ(find(told(Of::State, {Key::State}), "not accepted")->exact.total(), 3U);
  EXPECT_EQ(told(Of::Accept, {}).rows.at(0).exact.total(), 3U);
  EXPECT_EQ(told(Of::Accept, {Key::Path}).rows.at(0).exact.total(), 3U);
}

}  // namespace
}  // namespace tcpdwell
