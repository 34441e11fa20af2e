// SPDX-License-Identifier: BSD-2-Clause
#include "aggregate/host_activity.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>

namespace tcpdwell {
namespace {

constexpr std::int64_t kSecond = 1'000'000'000;

Socket socket_of(std::uint64_t cookie, const std::string& comm = "app", std::uint16_t rport = 80) {
  Socket socket;
  socket.id = {cookie, 1};
  socket.local = {{10, 0, 0, 1}, static_cast<std::uint16_t>(40000 + cookie)};
  socket.remote = {{10, 0, 0, 2}, rport};
  socket.owner.comm = Comm(comm);
  socket.owner.source = OwnerSource::Connect;
  return socket;
}

std::size_t at(State state) { return static_cast<std::size_t>(state); }

/// A connection that was refused at once.
Connection refused(std::int64_t time, const Socket& socket) {
  Connection c;
  c.socket = socket;
  c.start_wall_ns = time;
  c.end_wall_ns = time + 5;
  c.state = State::Close;
  c.stays.push({State::SynSent, {Bound::Exact, 5}});
  c.reason = Reason::Refused;
  c.path = *Path::parse("SYN_SENT>CLOSE");
  c.life_ns = 5;
  return c;
}

Connection open(std::int64_t seen, const Socket& socket, State state, std::uint64_t age_ns) {
  Connection c;
  c.socket = socket;
  c.seen_wall_ns = seen;
  c.state = state;
  c.stays.push({state, {Bound::Exact, age_ns}});
  return c;
}

OwnerRow owner(const std::string& comm, std::uint64_t established) {
  OwnerRow row;
  row.comm = Comm(comm);
  row.sockets[at(State::Established)] = established;
  return row;
}

PortRow ports(std::uint16_t rport, std::uint64_t live) {
  PortRow row;
  row.local = {{10, 0, 0, 1}, 0};
  row.remote = {{10, 0, 0, 2}, rport};
  row.live = live;
  return row;
}

class HostActivityTest : public testing::Test {
 protected:
  HostActivityTest() {
    Header header;
    header.host = "a";
    header.minisockets = "timer";
    EXPECT_TRUE(activity.header(header));
  }
  LiveState look(std::int64_t time) const {
    return activity.look(static_cast<std::uint64_t>(time), time);
  }
  void survey(std::int64_t time) { activity.survey(found, {}, time); }
  HostActivity activity;
  Survey found;
};

TEST_F(HostActivityTest, CountsAreSumsOfTallies) {
  Tally tally;
  auto& syn_sent = tally.states[at(State::SynSent)];
  syn_sent.exact.add(1'500'000'000);
  syn_sent.at_least = 2;
  syn_sent.within[kBucketCount] = 1;
  tally.transitions[at(State::Close)][at(State::SynSent)] = 4;
  tally.transitions[at(State::Listen)][at(State::SynRecv)] = 7;
  ASSERT_TRUE(activity.tally(tally));
  tally.transitions[at(State::Close)][at(State::SynSent)] = 5;
  ASSERT_TRUE(activity.tally(tally));
  const Totals totals = look(kSecond).totals;
  EXPECT_EQ(totals.dwells[at(State::SynSent)].exact.count(), 2U);
  EXPECT_EQ(totals.dwells[at(State::SynSent)].buckets[kBucketCount], 2U);
  EXPECT_EQ(totals.dwells[at(State::SynSent)].sum_s, 3U);
  EXPECT_EQ(totals.dwells[at(State::SynSent)].sum_ns, 0U);
  EXPECT_EQ(totals.dwells[at(State::SynSent)].at_least, 4U);
  // Since the start already.
  EXPECT_EQ(totals.opened_active(), 5U);
  EXPECT_EQ(totals.opened_passive(), 7U);
}

TEST_F(HostActivityTest, LivesAndFailedConnectsAreOfWhatEnded) {
  Socket to;
  to.remote = {{10, 0, 0, 2}, 443};
  for (int i = 0; i < 3; ++i) ASSERT_TRUE(activity.connection(refused(kSecond, to)));
  to.remote.port = 80;
  ASSERT_TRUE(activity.connection(refused(kSecond, to)));
  ASSERT_TRUE(activity.connection(open(kSecond, to, State::SynSent, 7)));
  Connection closed = refused(kSecond, to);
  closed.reason = Reason::None;
  closed.stays.push({State::Established, {Bound::Exact, 2 * kSecond}});
  closed.stays.push({State::TimeWait, {Bound::Exact, 60 * kSecond}});
  closed.path = *Path::parse("SYN_SENT>ESTABLISHED>TIME_WAIT>CLOSE");
  closed.life_ns = 62 * kSecond + 5;
  ASSERT_TRUE(activity.connection(closed));
  closed.life_ns.reset();
  ASSERT_TRUE(activity.connection(closed));
  const LiveState state = look(kSecond);
  const LifeTotals& active = state.totals.lives[static_cast<std::size_t>(Role::Active)];
  EXPECT_EQ(active.buckets[0], 4U);
  EXPECT_EQ(active.sum_s, 2U);
  EXPECT_EQ(active.sum_ns, 25U);
  EXPECT_EQ(active.unknown, 1U);
  ASSERT_EQ(state.failed_connects.size(), 2U);
  EXPECT_EQ(state.failed_connects[0].remote.port, 443);
  EXPECT_EQ(state.failed_connects[0].count, 3U);
  EXPECT_EQ(state.failed_connects[1].count, 1U);
}

TEST_F(HostActivityTest, WhatIsOpenIsTheLastSurvey) {
  found.mono_ns = 7;
  found.population[at(State::CloseWait)] = 3;
  found.oldest[at(State::CloseWait)] = Dwell{Bound::Exact, 2 * kSecond};
  found.listed.push_back(open(kSecond, socket_of(1), State::CloseWait, 2 * kSecond));
  survey(kSecond);
  const LiveState state = look(2 * kSecond);
  EXPECT_EQ(state.survey.population[at(State::CloseWait)], 3U);
  EXPECT_EQ(state.survey.mono_ns, 7U);
  ASSERT_EQ(state.recent.stuck.size(), 1U);
  EXPECT_EQ(state.recent.stuck[0].in_state, (Dwell{Bound::Exact, 2 * kSecond}));
  EXPECT_EQ(state.recent.stuck[0].host, "a");
  EXPECT_TRUE(state.recent.stuck[0].open);
  found = {};
  survey(3 * kSecond);
  EXPECT_EQ(look(4 * kSecond).survey.population[at(State::CloseWait)], 0U);
  EXPECT_TRUE(look(4 * kSecond).recent.stuck.empty());
}

TEST_F(HostActivityTest, OwnersAreTheLargestAndTheOthers) {
  for (std::uint64_t n = 0; n < 30; ++n)
    found.owners.push_back(owner("app" + std::to_string(n), n + 1));
  OwnerRow without_room;
  without_room.sockets[at(State::Established)] = 1000;
  found.owners.insert(found.owners.begin() + 3, without_room);
  survey(kSecond);
  const LiveState state = look(kSecond);
  ASSERT_EQ(state.survey.owners.size(), HostActivity::kOwners + 1);
  EXPECT_EQ(state.survey.owners.front().comm->view(), "app29");
  EXPECT_EQ(state.survey.owners.front().sockets[at(State::Established)], 30U);
  EXPECT_FALSE(state.survey.owners.back().comm);
  EXPECT_EQ(state.survey.owners.back().sockets[at(State::Established)], 1000U + 10 * 11 / 2);
}

TEST_F(HostActivityTest, PortsBeyondTheFullestAreTogether) {
  for (std::uint16_t port = 1; port <= 25; ++port) found.ports.push_back(ports(port, port));
  survey(kSecond);
  const LiveState state = look(kSecond);
  ASSERT_EQ(state.recent.ports.size(), HostActivity::kDestinations);
  EXPECT_EQ(state.recent.ports.front().live, 25U);
  EXPECT_EQ(state.other_ports.live, 1U + 2 + 3 + 4 + 5);
}

TEST_F(HostActivityTest, APeakIsTheHighestOfItsWindow) {
  const auto peak = [&](std::int64_t time, std::uint64_t live) {
    found.ports = {ports(80, live)};
    survey(time);
    return look(time).recent.ports.at(0);
  };
  EXPECT_EQ(peak(1, 5).peak, 5U);
  EXPECT_EQ(peak(2, 9).peak, 9U);
  EXPECT_EQ(peak(3, 4).peak, 9U);
  EXPECT_EQ(peak(3, 4).peak_wall_ns, 2);
  EXPECT_EQ(peak(3, 4).live, 4U);
  activity.keep_window(HostActivity::kWindowNs);
  EXPECT_EQ(peak(HostActivity::kWindowNs + 1, 3).peak, 3U);
}

TEST_F(HostActivityTest, WhatIsRecentIsOfTwoWindows) {
  const auto says_refused = [this](std::int64_t time) {
    const auto& findings = look(time).recent.findings;
    return std::any_of(findings.begin(), findings.end(),
                       [](const Finding& f) { return f.kind == "connect_refused"; });
  };
  for (std::uint64_t n = 1; n <= 3; ++n)
    ASSERT_TRUE(activity.connection(refused(static_cast<std::int64_t>(n), socket_of(n))));
  EXPECT_TRUE(says_refused(kSecond));
  activity.keep_window(kSecond);  // too early: nothing happens
  EXPECT_EQ(look(kSecond).window_wall_ns, 0);
  activity.keep_window(HostActivity::kWindowNs);
  EXPECT_TRUE(says_refused(HostActivity::kWindowNs + kSecond));
  EXPECT_EQ(look(HostActivity::kWindowNs).recent.ends.size(), 1U);
  activity.keep_window(2 * HostActivity::kWindowNs);
  EXPECT_FALSE(says_refused(2 * HostActivity::kWindowNs + kSecond));
  EXPECT_EQ(look(2 * HostActivity::kWindowNs).window_wall_ns, HostActivity::kWindowNs);
}

/// Of those that are open no line has come, but they were not refused.
TEST_F(HostActivityTest, ThoseThatAreOpenWereTriedToo) {
  for (std::uint64_t n = 1; n <= 3; ++n)
    ASSERT_TRUE(activity.connection(refused(static_cast<std::int64_t>(n), socket_of(n))));
  found.ports = {ports(80, 97), ports(81, 5)};
  survey(kSecond);
  const auto findings = look(kSecond).recent.findings;
  ASSERT_EQ(findings.size(), 1U);
  EXPECT_EQ(findings[0].text.substr(0, 32), "3 of 100 connections to 10.0.0.2");
}

TEST_F(HostActivityTest, ALeakIsTheSameFindingInEveryWindow) {
  found.owners.push_back(owner("app", 0));
  found.owners[0].unclosed = 3;
  found.owners[0].oldest_unclosed_ns = 100 * kSecond;
  survey(kSecond);
  activity.keep_window(HostActivity::kWindowNs);
  const auto findings = look(HostActivity::kWindowNs + kSecond).recent.findings;
  ASSERT_EQ(findings.size(), 1U);
  EXPECT_EQ(findings[0].kind, "close_wait_leak");
  EXPECT_EQ(findings[0].count, 3U);
}

}  // namespace
}  // namespace tcpdwell
