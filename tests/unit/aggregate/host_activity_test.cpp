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

Transition move(std::int64_t at, const Socket& socket, State from, State to, Dwell dwell = {}) {
  Transition t;
  t.wall_ns = at;
  t.socket = socket;
  t.from = from;
  t.to = to;
  t.dwell = dwell;
  return t;
}

std::size_t at(State state) { return static_cast<std::size_t>(state); }

class WatchTest : public testing::Test {
 protected:
  WatchTest() {
    Header header;
    header.host = "a";
    header.minisockets = "timer";
    EXPECT_TRUE(watch.header(header));
  }
  void play(const Transition& t) { EXPECT_TRUE(watch.transition(t)); }
  void connect(std::int64_t time, const Socket& socket) {
    play(move(time, socket, State::Close, State::SynSent));
    play(move(time + 10, socket, State::SynSent, State::Established, {Bound::Exact, 10}));
  }
  LiveState look(std::int64_t time, bool all = false) const {
    return watch.look(static_cast<std::uint64_t>(time), time, all);
  }
  HostActivity watch;
};

TEST_F(WatchTest, CountsAndPopulations) {
  connect(0, socket_of(1));
  connect(0, socket_of(2));
  play(move(kSecond, socket_of(2), State::Established, State::CloseWait, {Bound::AtLeast, 5}));
  const LiveState state = look(3 * kSecond);
  EXPECT_EQ(state.totals.opened_active, 2U);
  EXPECT_EQ(state.totals.transitions[at(State::SynSent)][at(State::Established)], 2U);
  EXPECT_EQ(state.totals.dwells[at(State::SynSent)].exact.count(), 2U);
  EXPECT_EQ(state.totals.dwells[at(State::Established)].at_least, 1U);
  EXPECT_EQ(state.population[at(State::Established)], 1U);
  EXPECT_EQ(state.population[at(State::CloseWait)], 1U);
  EXPECT_EQ(*state.oldest[at(State::CloseWait)], (Dwell{Bound::Exact, 2 * kSecond}));
  EXPECT_FALSE(state.oldest[at(State::TimeWait)]);
  EXPECT_TRUE(state.sockets.empty());
  EXPECT_EQ(state.minisockets, "timer");
  EXPECT_EQ(look(3 * kSecond, true).sockets.size(), 2U);
}

TEST_F(WatchTest, OwnersAreTheLargestAndTheOthers) {
  std::uint64_t cookie = 0;
  for (int owner = 0; owner < 30; ++owner)
    for (int n = 0; n <= owner; ++n) connect(0, socket_of(++cookie, "app" + std::to_string(owner)));
  const LiveState state = look(kSecond);
  ASSERT_EQ(state.owners.size(), HostActivity::kOwners + 1);
  EXPECT_EQ(state.owners.front().comm->view(), "app29");
  EXPECT_EQ(state.owners.front().sockets[at(State::Established)], 30U);
  EXPECT_FALSE(state.owners.back().comm);
  EXPECT_EQ(state.owners.back().sockets[at(State::Established)], 10U * 11 / 2);
}

TEST_F(WatchTest, PortsBeyondTheFullestAreTogether) {
  std::uint64_t cookie = 0;
  for (std::uint16_t port = 1; port <= 25; ++port)
    for (std::uint16_t n = 0; n < port; ++n) connect(0, socket_of(++cookie, "app", port));
  const LiveState state = look(kSecond);
  ASSERT_EQ(state.recent.ports.size(), HostActivity::kDestinations);
  EXPECT_EQ(state.recent.ports.front().live, 25U);
  EXPECT_EQ(state.other_ports.live, 1U + 2 + 3 + 4 + 5);
}

TEST_F(WatchTest, WhatIsRecentIsOfTwoWindows) {
  const auto refuse = [this](std::int64_t time, std::uint64_t cookie) {
    play(move(time, socket_of(cookie), State::Close, State::SynSent));
    Transition t =
        move(time + 5, socket_of(cookie), State::SynSent, State::Close, {Bound::Exact, 5});
    t.reason = Reason::Refused;
    t.life_ns = 5;
    play(t);
  };
  const auto refused = [this](std::int64_t time) {
    const auto& findings = look(time).recent.findings;
    return std::any_of(findings.begin(), findings.end(),
                       [](const Finding& f) { return f.kind == "connect_refused"; });
  };
  for (std::uint64_t n = 1; n <= 3; ++n) refuse(static_cast<std::int64_t>(n), n);
  EXPECT_TRUE(refused(kSecond));
  watch.keep_window(kSecond);  // too early: nothing happens
  EXPECT_EQ(look(kSecond).window_wall_ns, 0);
  watch.keep_window(HostActivity::kWindowNs);
  EXPECT_TRUE(refused(HostActivity::kWindowNs + kSecond));
  EXPECT_EQ(look(HostActivity::kWindowNs).recent.ends.size(), 1U);
  watch.keep_window(2 * HostActivity::kWindowNs);
  EXPECT_FALSE(refused(2 * HostActivity::kWindowNs + kSecond));
  EXPECT_EQ(look(2 * HostActivity::kWindowNs).window_wall_ns, HostActivity::kWindowNs);
  // Counters go on.
  EXPECT_EQ(look(2 * HostActivity::kWindowNs)
                .totals.ends[static_cast<std::size_t>(Reason::Refused)]
                            [static_cast<std::size_t>(closer_of({}, Reason::Refused))],
            3U);
}

TEST_F(WatchTest, ALeakIsTheSameFindingInEveryWindow) {
  for (std::uint64_t n = 1; n <= 3; ++n) {
    connect(0, socket_of(n));
    play(move(20, socket_of(n), State::Established, State::CloseWait, {Bound::Exact, 10}));
  }
  watch.keep_window(HostActivity::kWindowNs);
  const auto findings = look(HostActivity::kWindowNs + kSecond).recent.findings;
  ASSERT_EQ(findings.size(), 1U);
  EXPECT_EQ(findings[0].kind, "close_wait_leak");
  EXPECT_EQ(findings[0].count, 3U);
}

}  // namespace
}  // namespace tcpdwell
