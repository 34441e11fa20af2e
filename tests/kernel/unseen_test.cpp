// SPDX-License-Identifier: BSD-2-Clause
/// A host may keep programs from running, for a moment and without telling. What happens meanwhile
/// to time-wait sockets is found out later, and said to be unknown where it is.
#include <gtest/gtest.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <algorithm>
#include <cstddef>
#include <memory>
#include <stdexcept>
#include <thread>
#include <vector>

#include "support/blindfold.h"
#include "support/collect.h"
#include "support/loopback.h"
#include "support/netns.h"
#include "support/shadow.h"
#include "support/sys.h"
#include "support/truth.h"
#include "support/workload.h"

namespace tcpdwell::test {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr std::uint16_t kListener = 7100;
constexpr std::uint16_t kFirstClient = 7200;

std::unique_ptr<Tracer> seeded_tracer(const Netns& netns, Collector& collected) {
  auto tracer = start_tracer(netns.inode(), Minisockets::Auto);
  if (auto report = tracer->seed(collected); !report)
    throw std::runtime_error(report.error().message);
  return tracer;
}

std::uint64_t found_out(Tracer& tracer) {
  return tracer.lost().value()[static_cast<std::size_t>(LossPlace::Recursion)];
}

TEST(Unseen, TimeWaitSocketsThatEndedAreFoundOut) {
  TD_REQUIRE_KERNEL_TESTS();
  constexpr std::size_t kConnections = 5;
  Collector collected;
  const Netns netns;
  const auto tracer = seeded_tracer(netns, collected);
  LoopbackListener listener(kListener);
  for (std::uint16_t n = 0; n < kConnections; ++n) {
    const End client = End::to(kListener, kFirstClient + n);
    listener.accept().close();  // the listener's end is the one that waits
  }
  const auto lines_to = [&](State state) {
    return std::count_if(
        collected.transitions.begin(), collected.transitions.end(),
        [&](const Transition& t) { return t.from == State::TimeWait && t.to == state; });
  };
  const auto in_time_wait = [&] {
    return std::count_if(collected.transitions.begin(), collected.transitions.end(),
                         [](const Transition& t) { return t.to == State::TimeWait; });
  };
  ASSERT_TRUE(drain_until(*tracer, collected, [&] { return in_time_wait() == kConnections; }));
  std::vector<End> next;
  {
    const Blindfold blindfold;
    for (std::uint16_t n = 0; n < kConnections; ++n)
      next.push_back(End::to(kListener, kFirstClient + n));  // takes a time-wait socket's place
  }
  ASSERT_EQ(lines_to(State::Close), 0);
  ASSERT_TRUE(drain_until(
      *tracer, collected, [&] { return lines_to(State::Close) == kConnections; }, seconds(30)));
  for (const Transition& t : collected.transitions) {
    if (t.from != State::TimeWait) continue;
    EXPECT_EQ(t.dwell.bound, Bound::Unknown);
    EXPECT_FALSE(t.life_ns);
    EXPECT_TRUE(t.gap);
    EXPECT_EQ(t.reason, Reason::None);
  }
  finish(*tracer, collected);
  EXPECT_EQ(lines_to(State::Close), kConnections);
  EXPECT_EQ(found_out(*tracer), kConnections);
}

TEST(Unseen, LivingTimeWaitSocketsAreLeftAlone) {
  TD_REQUIRE_KERNEL_TESTS();
  Collector collected;
  Netns netns;
  const auto tracer = seeded_tracer(netns, collected);
  Workload workload;
  const Connection connection = workload.run({Net::V4, Side::Client, Ending::Close});
  drain_for(*tracer, collected, seconds(12));  // two walks
  EXPECT_EQ(collected.chain(connection.client.socket.cookie).back().to, State::TimeWait);
  finish(*tracer, collected);
  EXPECT_EQ(found_out(*tracer), 0U);
}

void acknowledge_at_once(const End& end) {
  const int on = 1;
  sys(setsockopt(end.fd(), IPPROTO_TCP, TCP_QUICKACK, &on, sizeof on), "TCP_QUICKACK");
}

TEST(Unseen, AHandOverIsHeardOfAtItsEnd) {
  TD_REQUIRE_KERNEL_TESTS();
  Collector collected;
  Netns netns;
  netns.set_sysctl("net.ipv4.tcp_fin_timeout", "4");
  const auto tracer = seeded_tracer(netns, collected);
  LoopbackListener listener(kListener);
  End client = End::to(kListener, kFirstClient);
  const End server = listener.accept();
  acknowledge_at_once(server);
  const std::uint64_t cookie = client.cookie();
  const auto came_to = [&](State state) {
    const auto chain = collected.chain(cookie);
    return !chain.empty() && chain.back().to == state;
  };
  ASSERT_TRUE(drain_until(*tracer, collected, [&] { return came_to(State::Established); }));
  {
    const Blindfold blindfold;
    told_in_test().happened(monotonic_ns());  // the orphan's timer starts, of which no line tells
    client.close();
    std::this_thread::sleep_for(milliseconds(500));
  }
  ASSERT_TRUE(drain_until(
      *tracer, collected, [&] { return came_to(State::Close); }, seconds(30)));
  const auto chain = collected.chain(cookie);
  EXPECT_EQ(chain.back().from, State::FinWait2);
  EXPECT_EQ(chain.back().to, State::Close);
  EXPECT_EQ(chain.back().reason, Reason::Expired);
  EXPECT_EQ(chain.back().dwell.bound, Bound::Unknown);
  EXPECT_TRUE(chain.back().gap);
  EXPECT_EQ(chain.back().socket.local.port, kFirstClient);
  EXPECT_EQ(chain.back().socket.remote.port, kListener);
  finish(*tracer, collected);
  EXPECT_EQ(found_out(*tracer), 1U);
}

}  // namespace
}  // namespace tcpdwell::test
