// SPDX-License-Identifier: BSD-2-Clause
/// How old a socket is in its state when the tracer comes: right where it is called exact, never
/// more than the truth where it is a bound. Against a scripted peer.
#include <gtest/gtest.h>

#include <deque>
#include <thread>

#include "capture/probe.h"
#include "support/collect.h"
#include "support/diag.h"
#include "support/local.h"
#include "support/netns.h"
#include "support/peer.h"
#include "support/story.h"

namespace tcpdwell::test {
namespace {

void hold(unsigned milliseconds) {
  std::this_thread::sleep_for(std::chrono::milliseconds(milliseconds));
}

struct Aged {
  State state;
  Ports ports;
  Stamp entered;
  Bound least;  ///< what must be known of its age
};

/// Connections that come to their states before there is a tracer.
class Before {
 public:
  void half_open(bool answered_twice);
  void close_wait();
  void fin_wait2();
  void orphaned_fin_wait2();
  void time_wait(bool timestamps, bool restarted);
  void peers_send_again();

  Netns netns;
  std::vector<Aged> aged;

 private:
  struct End {
    explicit End(Remote remote) : remote(std::move(remote)) {}
    Remote remote;
    Local local;
    Ports ports;
  };
  End& dial(bool timestamps = false);
  void came(End& end, State state, Stamp when, Bound least) {
    aged.push_back({state, end.ports, when, least});
  }

  Wire wire_{Delivery::Softirq};
  Diag diag_;
  std::optional<Listener> listener_;
  std::deque<End> ends_;
  std::uint16_t next_port_ = 21'000;
};

Before::End& Before::dial(bool timestamps) {
  const Ports ports{++next_port_, static_cast<std::uint16_t>(next_port_ + 10'000)};
  End& end = ends_.emplace_back(Remote(wire_, Net::V4, ports));
  end.ports = ports;
  if (timestamps) end.remote.use_timestamps();
  end.local = Local(Net::V4, ports.local);
  end.local.connect(ports.remote);
  end.remote.expect(kSyn);
  end.remote.send(kSyn | kAck);
  return end;
}

void Before::half_open(bool answered_twice) {
  if (!listener_) listener_.emplace(Net::V4, server_port(Net::V4));
  const Ports ports{server_port(Net::V4), static_cast<std::uint16_t>(++next_port_ + 10'000)};
  End& end = ends_.emplace_back(Remote(wire_, Net::V4, ports));
  end.ports = ports;
  const Stamp syn = end.remote.send(kSyn);
  end.remote.expect(kSyn | kAck);
  if (answered_twice) end.remote.expect(kSyn | kAck);
  came(end, State::SynRecv, syn, Bound::Exact);
}

void Before::close_wait() {
  End& end = dial();
  came(end, State::CloseWait, end.remote.send(kFin | kAck), Bound::AtLeast);
}

void Before::fin_wait2() {
  End& end = dial();
  end.local.shutdown_write();
  end.remote.expect(kFin | kAck);
  came(end, State::FinWait2, end.remote.send(kAck), Bound::AtLeast);
}

void Before::orphaned_fin_wait2() {
  End& end = dial();
  end.local.close();
  end.remote.expect(kFin | kAck);
  came(end, State::FinWait2, end.remote.send(kAck), Bound::Unknown);
}

void Before::time_wait(bool timestamps, bool restarted) {
  End& end = dial(timestamps);
  end.local.close();
  end.remote.expect(kFin | kAck);
  end.remote.send(kAck);
  hold(30);
  // The socket keeps the moment with timestamps only, and only since Linux 6.14.
  const bool kept = timestamps && kernel_has_field("inet_timewait_sock", "tw_entry_stamp");
  came(end, State::TimeWait, end.remote.send(kFin | kAck), kept ? Bound::Exact : Bound::AtLeast);
  if (!restarted) return;
  hold(300);
  end.remote.repeat();
}

void Before::peers_send_again() {
  for (End& end : ends_) end.remote.repeat();
}

const Seed* seed_of(const Collector& collected, const Aged& one) {
  for (const Seed& seed : collected.seeds) {
    if (seed.socket.local.port == one.ports.local && seed.socket.remote.port == one.ports.remote) {
      return &seed;
    }
  }
  return nullptr;
}

TEST(SeedAges, AreRightOrBoundsAndNeverMoreThanTheTruth) {
  TD_REQUIRE_KERNEL_TESTS();
  Before before;
  before.half_open(true);  // answered a second time after a second: began with the SYN nevertheless
  before.half_open(false);
  before.close_wait();
  before.fin_wait2();
  before.orphaned_fin_wait2();
  for (const bool timestamps : {true, false}) {
    before.time_wait(timestamps, false);
    before.time_wait(timestamps, true);
  }
  hold(400);
  const auto tracer = start_tracer(before.netns.inode(), Minisockets::Auto);
  if (tracer->minisockets() == Minisockets::Off) {
    GTEST_SKIP() << "minisockets cannot be followed here: " << tracer->minisockets_note();
  }
  Collector collected;
  const std::uint64_t began = monotonic_ns();
  ASSERT_TRUE(tracer->seed(collected).ok());
  const Stamp now{began, monotonic_ns()};
  for (const Aged& one : before.aged) {
    SCOPED_TRACE(std::string(name_of(one.state)) + " of port " + std::to_string(one.ports.remote));
    const Seed* seed = seed_of(collected, one);
    ASSERT_NE(seed, nullptr);
    EXPECT_EQ(seed->state, one.state);
    EXPECT_EQ(seed->age.bound, one.least) << name_of(seed->age.bound);
    if (seed->age.bound == Bound::Unknown) continue;
    const Span truth = between(one.entered, now);
    EXPECT_LE(seed->age.ns, truth.longest + kTolerance);
    EXPECT_GT(seed->age.ns, 350 * kMillisecond) << "a bound that says nothing";
    if (seed->age.bound == Bound::Exact) {
      EXPECT_GE(seed->age.ns + kTolerance, truth.shortest);
    }
  }
}

// The kernel answers the second SYN as the first, and starts the request's timer again.
TEST(SeedAges, ARequestAnsweredAgainBeforeTheWalkDoesNotBeginThen) {
  TD_REQUIRE_KERNEL_TESTS();
  Before before;
  before.half_open(false);
  hold(400);
  const auto tracer = start_tracer(before.netns.inode(), Minisockets::Auto);
  if (tracer->minisockets() == Minisockets::Off) {
    GTEST_SKIP() << "minisockets cannot be followed here: " << tracer->minisockets_note();
  }
  before.peers_send_again();
  Collector collected;
  ASSERT_TRUE(tracer->seed(collected).ok());
  const Seed* seed = seed_of(collected, before.aged.front());
  ASSERT_NE(seed, nullptr);
  EXPECT_EQ(seed->age.bound, Bound::Exact);
  EXPECT_GT(seed->age.ns, 350 * kMillisecond);
}

}  // namespace
}  // namespace tcpdwell::test
