// SPDX-License-Identifier: BSD-2-Clause
/// Who lets others wait, of what a look at open sockets found.
#include "aggregate/waiting.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "aggregate/analyzer.h"

namespace tcpdwell {
namespace {

constexpr std::uint64_t kSecond = 1'000'000'000;

Endpoint at(std::uint8_t host, std::uint16_t port) { return {{10, 0, 0, host}, port}; }

struct Held {
  std::uint32_t pid;
  const char* comm;
};

Listed one(State state, const Endpoint& local, const Endpoint& remote, std::uint64_t age_ns,
           std::vector<Held> by) {
  Listed listed;
  listed.seed.state = state;
  listed.seed.socket.local = local;
  listed.seed.socket.remote = remote;
  listed.seed.socket.owner.comm = Comm("opener");
  listed.seed.age = {Bound::Exact, age_ns};
  for (const Held& held : by) listed.holders.first.all.push_back({held.pid, Comm(held.comm), 0});
  if (!by.empty()) listed.holders.held = tcpdwell::Held::Process;
  return listed;
}

Listed unaccepted(State state, std::uint16_t client, std::uint64_t age_ns) {
  Listed listed = one(state, at(1, 80), at(2, client), age_ns, {});
  listed.holders.held = tcpdwell::Held::NotAccepted;
  return listed;
}

Listed listener(const AcceptQueue& queue) {
  Listed listed = one(State::Listen, at(1, 80), {}, kSecond, {{7, "web"}});
  listed.seed.live.queues = Live::Queues{queue.waiting, queue.most, 0};
  listed.seed.live.peak = queue.peak;
  listed.seed.live.drops = queue.drops;
  return listed;
}

std::vector<Finding> findings(const std::vector<Listed>& sockets) {
  Waiting waiting;
  waiting.looked(sockets);
  std::vector<Finding> found;
  waiting.add_findings(found);
  return found;
}

std::string told(const std::vector<Finding>& found) {
  std::vector<std::string> all;
  for (const Finding& f : found)
    all.push_back(f.kind + " " + f.subject + " " + std::to_string(f.count));
  std::sort(all.begin(), all.end());
  std::string text;
  for (const std::string& line : all) text += line + "\n";
  return text;
}

TEST(Waiting, WhoHasItOpenDoesNotClose) {
  std::vector<Listed> sockets;
  for (std::uint16_t i = 0; i < 3; ++i)
    sockets.push_back(one(State::CloseWait, at(1, 80), at(2, i), 60 * kSecond, {{5, "worker"}}));
  EXPECT_EQ(told(findings(sockets)), "close_wait_leak worker 3\n");
  sockets.back().seed.age.ns -= 1;
  EXPECT_EQ(told(findings(sockets)), "");
}

TEST(Waiting, WhatNobodyIsKnownToHaveOpenIsNobodysFault) {
  std::vector<Listed> sockets;
  for (std::uint16_t i = 0; i < 9; ++i)
    sockets.push_back(one(State::CloseWait, at(1, 80), at(2, i), 60 * kSecond, {}));
  EXPECT_EQ(told(findings(sockets)), "");
}

/// Clients of proxy (pid 5) have closed; it has closed towards a server, which has not.
std::vector<Listed> proxied(std::uint16_t count, bool server_is_here) {
  std::vector<Listed> sockets;
  for (std::uint16_t i = 0; i < count; ++i) {
    sockets.push_back(one(State::CloseWait, at(1, 80), at(2, i), 60 * kSecond, {{5, "proxy"}}));
    sockets.push_back(one(State::FinWait2, at(1, static_cast<std::uint16_t>(4000 + i)), at(3, 90),
                          10 * kSecond, {{5, "proxy"}}));
    if (server_is_here)
      sockets.push_back(one(State::CloseWait, at(3, 90),
                            at(1, static_cast<std::uint16_t>(4000 + i)), 60 * kSecond,
                            {{6, "server"}}));
  }
  return sockets;
}

TEST(Waiting, AChainNamesItsEnd) {
  EXPECT_EQ(told(findings(proxied(3, true))),
            "close_wait_chain proxy 3\nclose_wait_leak server 3\n");
  const auto far = findings(proxied(4, false));
  EXPECT_EQ(told(far), "close_wait_chain proxy 4\n");
  EXPECT_NE(far[0].text.find("waits in FIN_WAIT2 for 10.0.0.3:90, which"), std::string::npos);
  EXPECT_EQ(told(findings(proxied(2, false))), "");
}

TEST(Waiting, WhatAChainDoesNotExplainIsALeak) {
  auto sockets = proxied(3, false);
  for (std::uint16_t i = 0; i < 5; ++i)
    sockets.push_back(one(State::CloseWait, at(1, 80), at(4, i), 60 * kSecond, {{5, "proxy"}}));
  EXPECT_EQ(told(findings(sockets)), "close_wait_chain proxy 3\nclose_wait_leak proxy 5\n");
}

TEST(Waiting, AnotherProcessOfTheNameExplainsNothing) {
  auto sockets = proxied(3, false);
  for (Listed& s : sockets)
    if (s.seed.state == State::FinWait2) s.holders.first.all[0].pid = 99;
  EXPECT_EQ(told(findings(sockets)), "close_wait_leak proxy 3\n");
}

TEST(Waiting, WhoHasBothEndsWaitsForItself) {
  auto sockets = proxied(3, true);
  for (Listed& s : sockets) s.holders.first.all[0] = {5, Comm("proxy"), 0};
  EXPECT_EQ(told(findings(sockets)), "close_wait_leak proxy 6\n");
}

TEST(Waiting, NobodyAccepts) {
  std::vector<Listed> sockets = {listener({3, 64, 3, 0}),
                                 unaccepted(State::CloseWait, 1, 10 * kSecond),
                                 unaccepted(State::Established, 2, 10 * kSecond),
                                 unaccepted(State::CloseWait, 3, 70 * kSecond)};
  const auto found = findings(sockets);
  ASSERT_EQ(told(found), "not_accepted 10.0.0.1:80 3\n");
  EXPECT_TRUE(found[0].text.starts_with("web does not accept: 3 of 64 wait in the accept queue"))
      << found[0].text;
  sockets.back().seed.age.ns = 9 * kSecond;
  EXPECT_EQ(told(findings(sockets)), "");
}

TEST(Waiting, AQueueWasFullWhenMoreWaitedThanMay) {
  EXPECT_EQ(told(findings({listener({0, 4, 5, 3})})), "accept_queue_full 10.0.0.1:80 3\n");
  EXPECT_EQ(told(findings({listener({0, 4, 5, 2})})), "") << "too few were dropped";
  EXPECT_EQ(told(findings({listener({0, 4, 4, 30})})), "") << "it was not full";
  EXPECT_EQ(told(findings({listener({4, 4, 0, 30})})), "") << "nor is it";
  EXPECT_EQ(told(findings({listener({5, 4, 0, 30})})), "accept_queue_full 10.0.0.1:80 30\n");
}

TEST(Waiting, AListenerThatWasClosedTellsItToo) {
  Waiting waiting;
  Transition t;
  t.from = State::Listen;
  t.to = State::Close;
  t.socket.local = at(1, 80);
  t.accept_queue = AcceptQueue{0, 1, 2, 12};
  waiting.at_listener(t);
  std::vector<Finding> found;
  waiting.add_findings(found);
  EXPECT_EQ(told(found), "accept_queue_full 10.0.0.1:80 12\n");
}

/// The analyzer's rows have whoever has it open, and its findings are of the look.
TEST(Waiting, ALookTellsMoreThanTheLines) {
  Analyzer analyzer{AnalyzerOptions{}};
  Header header;
  header.host = header.boot_id = "a";
  ASSERT_TRUE(analyzer.header(header));
  for (std::uint16_t i = 0; i < 3; ++i) {
    Listed listed = one(State::CloseWait, at(1, 80), at(2, i), 60 * kSecond, {{5, "worker"}});
    listed.seed.socket.id = {i + 1U, 1};
    listed.seed.wall_ns = 61 * static_cast<std::int64_t>(kSecond);
    Transition t;
    t.socket = listed.seed.socket;
    t.from = State::Established;
    t.to = State::CloseWait;
    ASSERT_TRUE(analyzer.transition(t));
    ASSERT_TRUE(analyzer.socket(listed));
  }
  const Analysis analysis = analyzer.take();
  EXPECT_EQ(told(analysis.findings), "close_wait_leak worker 3\n");
  ASSERT_EQ(analysis.stuck.size(), 3U);
  for (const ConnectionRow& row : analysis.stuck) {
    EXPECT_EQ(row.socket.owner.pid, 5U);
    EXPECT_EQ(row.socket.owner.comm, Comm("worker"));
  }
}

}  // namespace
}  // namespace tcpdwell
