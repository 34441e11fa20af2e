// SPDX-License-Identifier: BSD-2-Clause
/// A host may keep programs from running, for a moment and without telling. What happens meanwhile
/// to time-wait sockets is found out later, and said to be unknown where it is.
#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

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
#include "support/sys.h"
#include "support/workload.h"

namespace tcpdwell::test {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

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
  constexpr std::uint16_t kListener = 7100;
  constexpr std::uint16_t kFirstClient = 7200;
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

sockaddr_in address_of(int fd, decltype(getsockname)* end) {
  sockaddr_in address{};
  socklen_t size = sizeof address;
  sys(end(fd, reinterpret_cast<sockaddr*>(&address), &size), "an address");
  return address;
}

TEST(Unseen, AHandOverIsHeardOfAtItsEnd) {
  TD_REQUIRE_KERNEL_TESTS();
  Collector collected;
  Netns netns;
  netns.set_sysctl("net.ipv4.tcp_fin_timeout", "4");
  const auto tracer = seeded_tracer(netns, collected);
  const Fd listener(sys(socket(AF_INET, SOCK_STREAM, 0), "socket"));
  sys(listen(listener.get(), 1), "listen");
  const sockaddr_in there = address_of(listener.get(), getsockname);
  Fd client(sys(socket(AF_INET, SOCK_STREAM, 0), "socket"));
  sys(connect(client.get(), reinterpret_cast<const sockaddr*>(&there), sizeof there), "connect");
  const Fd server(sys(accept(listener.get(), nullptr, nullptr), "accept"));
  const sockaddr_in here = address_of(server.get(), getpeername);
  std::uint64_t cookie = 0;
  socklen_t size = sizeof cookie;
  sys(getsockopt(client.get(), SOL_SOCKET, SO_COOKIE, &cookie, &size), "getsockopt");
  const auto came_to = [&](State state) {
    const auto chain = collected.chain(cookie);
    return !chain.empty() && chain.back().to == state;
  };
  ASSERT_TRUE(drain_until(*tracer, collected, [&] { return came_to(State::Established); }));
  {
    const Blindfold blindfold;
    client = Fd();
    std::this_thread::sleep_for(milliseconds(500));  // an acknowledgment may be delayed
  }
  ASSERT_TRUE(drain_until(
      *tracer, collected, [&] { return came_to(State::Close); }, seconds(30)));
  const auto chain = collected.chain(cookie);
  EXPECT_EQ(chain.back().from, State::FinWait2);
  EXPECT_EQ(chain.back().to, State::Close);
  EXPECT_EQ(chain.back().reason, Reason::Expired);
  EXPECT_EQ(chain.back().dwell.bound, Bound::Unknown);
  EXPECT_TRUE(chain.back().gap);
  EXPECT_EQ(chain.back().socket.local.port, ntohs(here.sin_port));
  EXPECT_EQ(chain.back().socket.remote.port, ntohs(there.sin_port));
  finish(*tracer, collected);
  EXPECT_EQ(found_out(*tracer), 1U);
}

}  // namespace
}  // namespace tcpdwell::test
