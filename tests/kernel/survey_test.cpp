// SPDX-License-Identifier: BSD-2-Clause
/// What a survey finds is what is open: held against sockets that this process made, and against a
/// listing of the kernel's.
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <cstdint>
#include <memory>
#include <set>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

#include "support/collect.h"
#include "support/listing.h"
#include "support/loopback.h"
#include "support/netns.h"

namespace tcpdwell::test {
namespace {

constexpr std::uint16_t kPort = 7'700;
constexpr StateSet kAll = static_cast<StateSet>((1U << kStateCount) - 1);

std::size_t at(State state) { return static_cast<std::size_t>(state); }

void hold(unsigned milliseconds) {
  std::this_thread::sleep_for(std::chrono::milliseconds(milliseconds));
}

/// The last lines of connections.
class Ended : public Consumer {
 public:
  Status transition(const Transition&) override { return Ok; }
  Status connection(const tcpdwell::Connection& c) override {
    EXPECT_FALSE(c.open()) << "what a survey lists is for who asked for it";
    connections.push_back(c);
    return Ok;
  }
  std::vector<tcpdwell::Connection> connections;
};

struct Pair {
  End client, server;
};

class SurveyTest : public testing::Test {
 protected:
  void SetUp() override {
    TD_REQUIRE_KERNEL_TESTS();
    netns = std::make_unique<Netns>();
    listener = std::make_unique<LoopbackListener>(kPort);
  }
  void start(Filter filter = {}) {
    TracerOptions options;
    if (!filter.netns) filter.netns = netns->inode();
    options.filter = filter;
    options.minisockets = Minisockets::Auto;
    options.detail = Detail::Connections;
    options.surveys = true;
    tracer = start_tracer(options);
    ASSERT_TRUE(tracer->seed(ended).ok());
  }
  Pair& connect() {
    auto pair = std::make_unique<Pair>();
    pair->client = End::to(kPort);
    pair->server = listener->accept();
    pairs.push_back(std::move(pair));
    return *pairs.back();
  }
  /// Until the kernel lists none that is on its way to another state, and a moment longer.
  void settle() {
    for (int times = 0; times < 5'000; ++times) {
      const auto listed = list_sockets(*netns);
      if (count_in(listed, State::FinWait1) + count_in(listed, State::Closing) +
              count_in(listed, State::LastAck) ==
          0)
        return hold(50);
      hold(1);
    }
    ADD_FAILURE() << "sockets that do not come to rest";
  }
  Survey survey(const SurveyWish& wish = {}) {
    auto survey = tracer->survey(wish, ended);
    EXPECT_TRUE(survey.ok());
    return survey ? std::move(survey).value() : Survey{};
  }
  std::unique_ptr<Netns> netns;
  std::unique_ptr<LoopbackListener> listener;
  std::vector<std::unique_ptr<Pair>> pairs;
  Ended ended;
  std::unique_ptr<Tracer> tracer;
};

/// Half of them are older than the tracer.
TEST_F(SurveyTest, CountsEachSocketOnceInItsState) {
  const auto make = [&] {
    for (int i = 0; i < 40; ++i) connect();
    for (int i = 0; i < 10; ++i) connect().client.shutdown_write();  // FIN_WAIT2, CLOSE_WAIT
    for (int i = 0; i < 7; ++i) {                                    // TIME_WAIT
      Pair& pair = connect();
      pair.client.close();
      pair.server.close();
    }
    settle();
  };
  make();
  start();
  make();
  for (int again = 0; again < 3; ++again) {
    const Survey found = survey();
    EXPECT_EQ(found.population[at(State::Established)], 160U);
    EXPECT_EQ(found.population[at(State::FinWait2)], 20U);
    EXPECT_EQ(found.population[at(State::CloseWait)], 20U);
    EXPECT_EQ(found.population[at(State::TimeWait)], 14U);
    EXPECT_EQ(found.population[at(State::Listen)], 1U);
    EXPECT_EQ(found.population[at(State::LastAck)], 0U);
  }
}

/// A descriptor that two processes or two numbers have is one socket.
TEST_F(SurveyTest, ADescriptorTwiceIsOneSocket) {
  start();
  const Pair& pair = connect();
  const Fd twice(dup(pair.client.fd()));
  ASSERT_GE(twice.get(), 0);
  EXPECT_EQ(survey().population[at(State::Established)], 2U);
}

/// Where the surveying thread is in another namespace, they are found by who has them open.
TEST_F(SurveyTest, FindsSocketsOfOtherNamespaces) {
  connect();
  start();
  connect();
  Survey found;
  {
    const Netns elsewhere;
    found = survey({kAll, 0, 100});
  }
  EXPECT_EQ(found.population[at(State::Established)], 4U);
  EXPECT_EQ(found.population[at(State::Listen)], 1U);
  EXPECT_EQ(found.listed.size(), 5U);
}

/// Nor do they need somebody who has them open: one is not accepted, the other sends what nobody
/// reads, and then its FIN.
TEST_F(SurveyTest, FindsSocketsOfOtherNamespacesThatNobodyHasOpen) {
  start();
  End client = End::to(kPort);
  const std::vector<char> much(1 << 22);
  ASSERT_GT(send(client.fd(), much.data(), much.size(), MSG_DONTWAIT), 0);
  client.close();
  hold(50);
  Survey found;
  {
    const Netns elsewhere;
    found = survey({kAll, 0, 100});
  }
  EXPECT_EQ(found.population[at(State::Established)], 1U);
  EXPECT_EQ(found.population[at(State::FinWait1)], 1U);
  EXPECT_EQ(found.listed.size(), 3U);
}

TEST_F(SurveyTest, OwnersAndPortsAddUp) {
  start();
  for (int i = 0; i < 5; ++i) connect();
  Pair& done = connect();
  done.client.close();
  done.server.close();
  settle();
  const Survey found = survey();
  std::uint64_t established = 0;
  for (const OwnerRow& owner : found.owners) {
    established += owner.sockets[at(State::Established)];
    EXPECT_TRUE(owner.comm);
  }
  EXPECT_EQ(established, 10U);
  ASSERT_EQ(found.ports.size(), 1U) << "of the clients' towards the listener";
  EXPECT_EQ(found.ports[0].remote.port, kPort);
  EXPECT_EQ(found.ports[0].netns, netns->inode());
  EXPECT_EQ(found.ports[0].live, 5U);
  EXPECT_EQ(found.ports[0].time_wait, 1U);
}

/// The oldest of those that match, in their order, with an age that is neither longer than the
/// socket has lived nor shorter than it was held.
TEST_F(SurveyTest, ListsTheOldestThatMatch) {
  start();
  std::vector<std::uint64_t> cookies;
  for (int i = 0; i < 6; ++i) {
    cookies.push_back(connect().client.cookie());
    hold(20);
  }
  hold(1'000);
  connect();
  const Survey some = survey({bit(State::Established), 980'000'000, 3});
  EXPECT_EQ(some.matching, 12U) << "the last pair is too young";
  ASSERT_EQ(some.listed.size(), 3U);
  EXPECT_EQ(some.listed[0].socket.id.cookie, cookies[0]);
  std::int64_t since = INT64_MIN;
  for (const tcpdwell::Connection& c : some.listed) {
    const Dwell age = c.stays.back().dwell;
    EXPECT_EQ(age.bound, Bound::Exact);
    EXPECT_GE(age.ns, 1'080'000'000U);
    const std::int64_t began = c.wall_ns() - static_cast<std::int64_t>(age.ns);
    EXPECT_GE(began, since);
    since = began;
    EXPECT_EQ(c.state, State::Established);
  }
  EXPECT_EQ(survey({bit(State::CloseWait), 0, 3}).matching, 0U);
  EXPECT_EQ(survey({bit(State::Listen), 0, 3}).listed.size(), 1U);
}

/// More sockets than a list is generous with: they are looked at more closely.
TEST_F(SurveyTest, ManyOfOneAgeAreToldApart) {
  rlimit files{};
  getrlimit(RLIMIT_NOFILE, &files);
  files.rlim_cur = files.rlim_max;
  setrlimit(RLIMIT_NOFILE, &files);
  start();
  std::set<std::uint64_t> oldest;
  for (int i = 0; i < 3; ++i) oldest.insert(connect().client.cookie());
  hold(30);
  // All at once, so that they are all in one bucket of ages soon.
  for (int i = 0; i < 2'200; ++i) connect();
  hold(1'500);
  const Survey found = survey({bit(State::Established), 0, 6});
  EXPECT_EQ(found.matching, 2U * 2'203);
  ASSERT_EQ(found.listed.size(), 6U);
  std::size_t of_the_oldest = 0;
  for (const tcpdwell::Connection& c : found.listed)
    of_the_oldest += oldest.count(c.socket.id.cookie);
  EXPECT_EQ(of_the_oldest, 3U) << "and the other ends of them";
}

/// What is listed claims no stay: the last line of the connection has them all.
TEST_F(SurveyTest, AListTakesNothingFromTheLastLine) {
  start();
  Pair& pair = connect();
  pair.client.shutdown_write();
  settle();
  const Survey found = survey({kAll, 0, 100});
  ASSERT_EQ(found.listed.size(), 3U);
  const std::uint64_t cookie = pair.client.cookie();
  const auto listed = std::find_if(found.listed.begin(), found.listed.end(),
                                   [&](const auto& c) { return c.socket.id.cookie == cookie; });
  ASSERT_NE(listed, found.listed.end());
  EXPECT_EQ(listed->path.to_string(), "SYN_SENT>ESTABLISHED>FIN_WAIT1>FIN_WAIT2");
  EXPECT_EQ(listed->stays.size(), 4U);
  pair.server.abort();
  hold(50);
  finish(*tracer, ended);
  const auto last =
      std::find_if(ended.connections.begin(), ended.connections.end(),
                   [&](const tcpdwell::Connection& c) { return c.socket.id.cookie == cookie; });
  ASSERT_NE(last, ended.connections.end());
  EXPECT_EQ(last->stays.size(), 4U);
}

/// A filter decides what is counted, as it decides what is told.
TEST_F(SurveyTest, AFilterRestrictsIt) {
  for (int i = 0; i < 4; ++i) connect();
  Filter filter;
  filter.remote_ports = {{kPort, kPort}};
  start(filter);
  for (int i = 0; i < 3; ++i) connect();
  const Survey found = survey({kAll, 0, 100});
  EXPECT_EQ(found.population[at(State::Established)], 7U) << "the clients' ends";
  EXPECT_EQ(found.population[at(State::Listen)], 0U);
  EXPECT_EQ(found.listed.size(), 7U);
}

/// While connections come and go, those that stay are counted once each.
TEST_F(SurveyTest, WhatStaysIsCountedWhileOthersComeAndGo) {
  start();
  for (int i = 0; i < 300; ++i) connect();
  std::atomic<bool> over = false;
  std::thread churn([&] {
    netns->enter();
    LoopbackListener other(kPort + 1);
    while (!over) {
      const End client = End::to(kPort + 1);
      other.accept().abort();
    }
  });
  for (int i = 0; i < 50; ++i) {
    const Survey found = survey();
    std::uint64_t live = 0;
    for (const PortRow& row : found.ports)
      if (row.remote.port == kPort) live = row.live;
    EXPECT_EQ(live, 300U);
  }
  over = true;
  churn.join();
}

}  // namespace
}  // namespace tcpdwell::test
