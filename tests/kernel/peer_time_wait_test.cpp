// SPDX-License-Identifier: BSD-2-Clause
/// We close first, against a scripted peer: FIN_WAIT1, FIN_WAIT2, TIME_WAIT, and every way they
/// end, but for the end of the minute: time_wait_minute_test.cpp.
#include <gtest/gtest.h>

#include "support/lab.h"

namespace tcpdwell::test {
namespace {

void reset(Call& call) { call.to(State::Close, call.remote.send(kRst), Reason::ResetByPeer); }

TEST(TimeWait, WeFirst) {
  TD_REQUIRE_KERNEL_TESTS();
  Lab lab;
  for (Call* call :
       {&lab.connected(), &lab.accepted(), &lab.accepted(Net::V6), &lab.accepted(Net::Mapped),
        &lab.connected(Net::Mapped), &lab.connected_with_timestamps()}) {
    lab.hold(50);
    call->close_first(60);
    lab.hold(100);
    call->orphan_gets_fin();
    lab.hold(70);
    reset(*call);
  }
  lab.check();
}

TEST(TimeWait, LostFin) {
  TD_REQUIRE_KERNEL_TESTS();
  Lab lab;
  Call& call = lab.connected();
  call.to(State::FinWait1, call.local.close());
  const std::uint32_t first = call.remote.expect(kFin | kAck).seq;
  EXPECT_EQ(call.remote.expect(kFin | kAck).seq, first);
  call.to(State::FinWait2, call.remote.send(kAck));
  lab.hold(30);
  call.orphan_gets_fin();
  reset(call);
  lab.check();
}

// The descriptor stays open: FIN_WAIT2 is the full socket's.
TEST(TimeWait, HalfClose) {
  TD_REQUIRE_KERNEL_TESTS();
  Lab lab;
  Call& call = lab.accepted();
  lab.hold(30);
  call.to(State::FinWait1, call.local.shutdown_write());
  call.remote.expect(kFin | kAck);
  lab.hold(50);
  call.to(State::FinWait2, call.remote.send(kAck));
  lab.hold(150);
  call.to(State::TimeWait, call.remote.send(kFin | kAck));
  lab.hold(50);
  reset(call);
  lab.check();
}

// shutdown() first, close() in FIN_WAIT2: the state moves to a time-wait socket, and is one dwell.
TEST(TimeWait, OrphanedInFinWait2) {
  TD_REQUIRE_KERNEL_TESTS();
  Lab lab;
  Call& call = lab.connected();
  call.to(State::FinWait1, call.local.shutdown_write());
  call.remote.expect(kFin | kAck);
  call.to(State::FinWait2, call.remote.send(kAck));
  lab.hold(100);
  call.local.close();
  lab.hold(150);
  call.orphan_gets_fin();
  lab.hold(50);
  reset(call);
  lab.check();
}

TEST(TimeWait, Orphan) {
  TD_REQUIRE_KERNEL_TESTS();
  Lab lab;
  Call& call = lab.connected();
  call.close_to_time_wait(500);
  lab.hold(100);
  reset(call);
  lab.check();
}

// Its stamp says in which millisecond the FIN came, and that began before FIN_WAIT2 did.
TEST(TimeWait, FinInTheMillisecondOfTheHandOver) {
  TD_REQUIRE_KERNEL_TESTS();
  Lab lab;
  for (int i = 0; i < 10; ++i) {
    Call& call = lab.connected_with_timestamps();
    call.close_first();
    Step& fin = call.orphan_gets_fin();
    fin.bounded = lab.way() == Minisockets::Timer;
    lab.hold(20);
    reset(call);
  }
  lab.check();
}

// Data that nobody can read any more: the kernel answers with a reset.
TEST(TimeWait, DataForAnOrphan) {
  TD_REQUIRE_KERNEL_TESTS();
  Lab lab;
  Call& call = lab.connected();
  call.close_first();
  lab.hold(100);
  call.orphan_is_reset(call.remote.send(kAck | kPsh, "late"), Reason::ResetLocal);
  lab.check();
}

TEST(TimeWait, Aborted) {
  TD_REQUIRE_KERNEL_TESTS();
  Lab lab;
  Call& established = lab.connected();
  Call& orphan = lab.connected();
  Call& time_wait = lab.connected();
  orphan.close_first();
  time_wait.close_to_time_wait();
  lab.hold(100);
  for (Call* call : {&established, &orphan, &time_wait}) {
    call->to(State::Close, call->destroy(), Reason::Aborted);
  }
  lab.check();
}

TEST(TimeWait, OrphanedFinWait2Expires) {
  TD_REQUIRE_KERNEL_TESTS();
  Lab lab;
  lab.netns().set_sysctl("net.ipv4.tcp_fin_timeout", "2");
  Call& call = lab.connected();
  Call& half_closed = lab.accepted();
  half_closed.to(State::FinWait1, half_closed.local.shutdown_write());
  half_closed.remote.expect(kFin | kAck);
  half_closed.to(State::FinWait2, half_closed.remote.send(kAck));
  call.close_first();
  lab.hold(200);
  half_closed.local.close();
  lab.wait_until_gone({&call, &half_closed}, Reason::Expired, std::chrono::seconds(10));
  lab.check();
}

// The kernel starts its timer again; the state goes on.
TEST(TimeWait, FinSentAgainIsTheSameTimeWait) {
  TD_REQUIRE_KERNEL_TESTS();
  Lab lab;
  Call& call = lab.connected();
  call.close_to_time_wait(50);
  lab.hold(500);  // long enough for a sweep, which by timers alone has to look
  call.remote.repeat();
  lab.hold(150);
  reset(call);
  lab.check();
}

// RFC 1337's hazard is not one here: the reset is ignored.
TEST(TimeWait, ResetIgnoredWithRfc1337) {
  TD_REQUIRE_KERNEL_TESTS();
  Lab lab;
  lab.netns().set_sysctl("net.ipv4.tcp_rfc1337", "1");
  Call& call = lab.connected();
  call.close_to_time_wait(50);
  call.remote.send(kRst);
  lab.hold(100);
  lab.netns().set_sysctl("net.ipv4.tcp_rfc1337", "0");
  reset(call);
  lab.check();
}

TEST(TimeWait, ReopenedByASyn) {
  TD_REQUIRE_KERNEL_TESTS();
  Lab lab;
  Call& first = lab.accepted();
  first.close_to_time_wait(50);
  lab.hold(100);
  Call& second =
      lab.new_call(Net::V4, first.ports, State::Listen, first.remote.next_seq() + 100'000);
  const Stamp syn = second.remote.send(kSyn);
  first.tell(State::Close, syn, Reason::Reopened);
  second.to(State::SynRecv, syn);
  second.remote.expect(kSyn | kAck);
  lab.hold(60);
  lab.accept(second);
  lab.hold(20);
  reset(second);
  lab.check();
}

/// `how` makes the second socket of the ports of a connection in TIME_WAIT.
void reuse(Lab& lab, Call& first, unsigned time_wait_ms, Local (*how)(Ports ports)) {
  first.local = how(first.ports);
  lab.connect(first);
  first.remote.use_timestamps();
  lab.answer_syn(first);
  first.close_to_time_wait(50);
  lab.hold(time_wait_ms);
  Call& second = lab.new_call(Net::V4, first.ports, State::Close);
  second.local = how(second.ports);
  lab.connect(second);
  first.tell(State::Close, second.story.steps.back().when, Reason::Reused);
  second.remote.use_timestamps();
  lab.hold(50);
  lab.answer_syn(second);
  reset(second);
}

TEST(TimeWait, ReusedByConnectFromABoundPort) {
  TD_REQUIRE_KERNEL_TESTS();
  Lab lab;
  Call& first = lab.new_call(Net::V4, lab.fresh_ports(), State::Close);
  reuse(lab, first, 100, [](Ports ports) { return Local(Net::V4, ports.local); });
  lab.check();
}

// net.ipv4.tcp_tw_reuse allows it after a second.
TEST(TimeWait, ReusedByConnectThatChoosesThePort) {
  TD_REQUIRE_KERNEL_TESTS();
  Lab lab;
  lab.netns().set_sysctl("net.ipv4.tcp_tw_reuse", "1");
  Call& first = lab.new_call(Net::V4, lab.fresh_ports(), State::Close);
  const std::string port = std::to_string(first.ports.local);
  lab.netns().set_sysctl("net.ipv4.ip_local_port_range", port + " " + port);
  reuse(lab, first, 1100, [](Ports) { return Local(Net::V4); });
  lab.check();
}

// The socket of a half-closed connection connects again while its first connection is in TIME_WAIT:
// two connections of one cookie at the same time.
TEST(TimeWait, SocketConnectsElsewhereMeanwhile) {
  TD_REQUIRE_KERNEL_TESTS();
  Lab lab;
  Call& first = lab.connected();
  first.to(State::FinWait1, first.local.shutdown_write());
  first.remote.expect(kFin | kAck);
  first.to(State::FinWait2, first.remote.send(kAck));
  first.to(State::TimeWait, first.remote.send(kFin | kAck));
  lab.hold(50);
  first.local.disconnect();
  Call& second = lab.connect_again(first);
  lab.hold(50);
  lab.answer_syn(second);
  lab.hold(50);
  reset(first);
  lab.hold(50);
  reset(second);
  lab.check();
}

TEST(TimeWait, Overflow) {
  TD_REQUIRE_KERNEL_TESTS();
  Lab lab;
  lab.netns().set_sysctl("net.ipv4.tcp_max_tw_buckets", "0");
  Call& orphan = lab.connected();
  orphan.to(State::FinWait1, orphan.local.close());
  orphan.remote.expect(kFin | kAck);
  lab.hold(50);
  const Stamp ack = orphan.remote.send(kAck);
  orphan.tell(State::FinWait2, ack);
  orphan.to(State::Close, ack, Reason::Overflow);

  Call& half_closed = lab.accepted();
  half_closed.to(State::FinWait1, half_closed.local.shutdown_write());
  half_closed.remote.expect(kFin | kAck);
  half_closed.to(State::FinWait2, half_closed.remote.send(kAck));
  lab.hold(50);
  half_closed.to(State::Close, half_closed.remote.send(kFin | kAck), Reason::Overflow);

  Call& crossing = lab.connected();
  crossing.to(State::FinWait1, crossing.local.close());
  crossing.to(State::Closing, crossing.remote.send(kFin | kAck));
  crossing.remote.expect(kFin | kAck);
  lab.hold(50);
  crossing.to(State::Close, crossing.remote.send(kAck), Reason::Overflow);
  lab.check();
}

TEST(TimeWait, OneBucketIsTakenTheNextOverflows) {
  TD_REQUIRE_KERNEL_TESTS();
  Lab lab;
  lab.netns().set_sysctl("net.ipv4.tcp_max_tw_buckets", "1");
  Call& first = lab.connected();
  first.close_to_time_wait(50);
  Call& second = lab.connected();
  second.to(State::FinWait1, second.local.close());
  second.remote.expect(kFin | kAck);
  const Stamp ack = second.remote.send(kAck);
  second.tell(State::FinWait2, ack);
  second.to(State::Close, ack, Reason::Overflow);
  reset(first);
  lab.check();
}

TEST(TimeWait, PurgedWithItsNamespace) {
  TD_REQUIRE_KERNEL_TESTS();
  Lab lab;
  Call& time_wait = lab.connected();
  time_wait.close_to_time_wait(50);
  Call& orphan = lab.connected();
  orphan.close_first();
  lab.hold(50);
  const Stamp removal = lab.remove_network();
  time_wait.tell(State::Close, removal, Reason::Purged);
  orphan.tell(State::Close, removal, Reason::Purged);
  lab.check(std::chrono::seconds(10));
}

}  // namespace
}  // namespace tcpdwell::test
