// SPDX-License-Identifier: BSD-2-Clause
/// What is known of a socket is in a slot (bpf/slots.bpf.h). There are fewer of these than there
/// may be sockets, and a socket may find what another has left.
#include <gtest/gtest.h>
#include <poll.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <memory>
#include <stdexcept>
#include <thread>
#include <utility>
#include <vector>

#include "support/blindfold.h"
#include "support/collect.h"
#include "support/loopback.h"
#include "support/netns.h"
#include "support/shadow.h"

namespace tcpdwell::test {
namespace {

constexpr std::uint16_t kPort = 7'701;

struct Pair {
  End client, server;
};

class SlotsTest : public testing::Test {
 protected:
  void SetUp() override {
    TD_REQUIRE_KERNEL_TESTS();
    netns = std::make_unique<Netns>();
    netns->set_sysctl("net.ipv4.ip_local_port_range", "1024 65000");
    listener = std::make_unique<LoopbackListener>(kPort);
  }
  void start(Detail detail) {
    TracerOptions options;
    options.filter.netns = netns->inode();
    options.minisockets = Minisockets::Auto;
    options.detail = detail;
    options.surveys = detail == Detail::Connections;
    tracer = start_tracer(options);
    if (auto report = tracer->seed(collected); !report)
      throw std::runtime_error(report.error().message);
    collected.seeds.clear();
  }
  Pair connect() {
    Pair pair;
    pair.client = End::to(kPort);
    pair.server = listener->accept();
    return pair;
  }
  /// Of the lines of connections, how many do not say all of it.
  std::size_t lines_with_a_hole() const {
    return static_cast<std::size_t>(std::count_if(
        collected.transitions.begin(), collected.transitions.end(), [](const Transition& t) {
          const bool begins = t.from == State::Close || t.from == State::Listen;
          return t.gap || t.socket.id.use != 1 || t.socket.owner.pid == 0 ||
                 (!begins && t.dwell.bound != Bound::Exact);
        }));
  }
  std::size_t lines_to(State state) const {
    return static_cast<std::size_t>(
        std::count_if(collected.transitions.begin(), collected.transitions.end(),
                      [&](const Transition& t) { return t.to == state; }));
  }

  std::unique_ptr<Netns> netns;
  std::unique_ptr<LoopbackListener> listener;
  Collector collected;
  std::unique_ptr<Tracer> tracer;
};

/// A process that has many connections open, which ends them when it is told.
class Holder {
 public:
  Holder(std::uint16_t port, std::size_t pairs) {
    sys(pipe(open_), "pipe");
    sys(pipe(end_), "pipe");
    child_ = sys(fork(), "fork");
    if (child_ != 0) return;
    LoopbackListener listener(port);
    std::vector<Pair> held;
    for (std::size_t n = 0; n < pairs; ++n) {
      Pair pair;
      pair.client = End::to(port);
      pair.server = listener.accept();
      held.push_back(std::move(pair));
    }
    char byte = 0;
    write(open_[1], &byte, 1) == 1 && read(end_[0], &byte, 1) == 1;
    for (Pair& pair : held) pair.client.abort();
    _exit(0);
  }
  ~Holder() {
    kill(child_, SIGKILL);
    waitpid(child_, nullptr, 0);
    for (const int fd : {open_[0], open_[1], end_[0], end_[1]}) close(fd);
  }
  Holder(const Holder&) = delete;
  Holder& operator=(const Holder&) = delete;
  bool has_them_open() const {
    pollfd ready{open_[0], POLLIN, 0};
    return poll(&ready, 1, 0) == 1;
  }
  void end() { sys(write(end_[1], "", 1), "write"); }
  bool has_ended() const {
    siginfo_t info{};
    return waitid(P_PID, static_cast<id_t>(child_), &info, WEXITED | WNOHANG | WNOWAIT) == 0 &&
           info.si_pid == child_;
  }

 private:
  int open_[2] = {}, end_[2] = {};
  pid_t child_ = 0;
};

/// Those that come when all slots are taken are known as well as the others, and a slot that is
/// left is taken again.
TEST_F(SlotsTest, MoreSocketsThanSlots) {
  constexpr std::size_t kPairs = 9'000;  // of each: a process may have 20,000 files
  start(Detail::Transitions);
  {
    Holder one(kPort + 1, kPairs), other(kPort + 2, kPairs);
    const auto limit = std::chrono::seconds(30);
    ASSERT_TRUE(drain_until(
        *tracer, collected, [&] { return one.has_them_open() && other.has_them_open(); }, limit));
    for (Holder* holder : {&one, &other}) holder->end();
    ASSERT_TRUE(drain_until(
        *tracer, collected, [&] { return one.has_ended() && other.has_ended(); }, limit));
  }
  for (std::size_t n = 0; n < 1'000; ++n) connect().client.abort();
  finish(*tracer, collected);
  const std::size_t hidden = reckon_with_hidden().size();
  EXPECT_LE(lines_with_a_hole(), 2 * hidden);
  EXPECT_GE(lines_to(State::Established) + hidden, 2 * (2 * kPairs + 1'000));
  EXPECT_GE(lines_to(State::Close) + hidden, 2 * (2 * kPairs + 1'000));
  if (hidden == 0) {
    EXPECT_EQ(tracer->lost().value(), LossCounts{});
  }
}

/// Sockets whose end was hidden leave their slots taken. Who comes to the same address has nothing
/// of theirs.
TEST_F(SlotsTest, WhoComesAfterAHiddenEndBeginsAnew) {
  start(Detail::Transitions);
  std::vector<Pair> pairs;
  for (int n = 0; n < 200; ++n) pairs.push_back(connect());
  ASSERT_TRUE(tracer->drain(collected).ok());
  {
    const Blindfold blindfold;
    for (Pair& pair : pairs) pair.client.abort();
    pairs.clear();
    std::this_thread::sleep_for(std::chrono::milliseconds(100));  // RCU frees what they were
  }
  collected.transitions.clear();
  constexpr std::size_t kAfter = 2'000;
  for (std::size_t n = 0; n < kAfter; ++n) connect().client.abort();
  finish(*tracer, collected);
  const std::size_t hidden = reckon_with_hidden().size();
  EXPECT_LE(lines_with_a_hole(), 2 * hidden);
  EXPECT_GE(lines_to(State::Close) + hidden, 2 * kAfter);
}

/// Nor is any of those that are gone taken for one that is open.
TEST_F(SlotsTest, WhatEndedUnseenIsNotSurveyed) {
  start(Detail::Connections);
  std::vector<Pair> pairs;
  for (int n = 0; n < 50; ++n) pairs.push_back(connect());
  ASSERT_EQ(tracer->survey({}, collected)
                .value()
                .population[static_cast<std::size_t>(State::Established)],
            100U);
  {
    const Blindfold blindfold;
    for (Pair& pair : pairs) pair.client.abort();
    pairs.clear();
  }
  const Survey found = tracer->survey({}, collected).value();
  EXPECT_EQ(found.population[static_cast<std::size_t>(State::Established)], 0U);
  EXPECT_EQ(found.population[static_cast<std::size_t>(State::Listen)], 1U);
}

}  // namespace
}  // namespace tcpdwell::test
