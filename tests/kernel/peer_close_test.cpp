// SPDX-License-Identifier: BSD-2-Clause
/// Closes, against a scripted peer: who sends the first FIN, what crosses, what is lost, and a
/// reset in every state.
#include <gtest/gtest.h>

#include "support/lab.h"

namespace tcpdwell::test {
namespace {

/// Ends it from any state, TIME_WAIT included.
void reset(Call& call) { call.to(State::Close, call.remote.send(kRst), Reason::ResetByPeer); }

TEST(Closing, PeerFirst) {
  TD_REQUIRE_KERNEL_TESTS();
  Lab lab;
  for (Call* call : {&lab.connected(), &lab.accepted(), &lab.connected(Net::V6)}) {
    hold(50);
    call->peer_closes_first();
    hold(100);
    call->to(State::LastAck, call->local.close());
    call->remote.expect(kFin | kAck);
    hold(60);
    call->to(State::Close, call->remote.send(kAck));
  }
  lab.check();
}

TEST(Closing, WeFirst) {
  TD_REQUIRE_KERNEL_TESTS();
  Lab lab;
  for (Call* call : {&lab.connected(), &lab.accepted(), &lab.accepted(Net::V6),
                     &lab.accepted(Net::Mapped), &lab.connected(Net::Mapped)}) {
    hold(50);
    call->close_first(60);
    hold(100);
    call->to(State::TimeWait, call->remote.send(kFin | kAck)).slack += kJiffy;
    hold(70);
    reset(*call);
  }
  lab.check();
}

// Both FINs cross: RFC 9293 figure 13.
TEST(Closing, Simultaneous) {
  TD_REQUIRE_KERNEL_TESTS();
  Lab lab;
  Call& call = lab.connected();
  hold(200);
  call.to(State::FinWait1, call.local.close());
  hold(300);
  call.to(State::Closing, call.remote.send(kFin | kAck));
  hold(400);
  call.remote.expect(kFin | kAck);
  call.to(State::TimeWait, call.remote.send(kAck));
  hold(100);
  reset(call);
  lab.check();
}

// FIN_WAIT2 is passed through, as the kernel passes it.
TEST(Closing, FinAndAckInOneSegment) {
  TD_REQUIRE_KERNEL_TESTS();
  Lab lab;
  Call& call = lab.connected();
  call.to(State::FinWait1, call.local.close());
  call.remote.expect(kFin | kAck);
  hold(80);
  const Stamp both = call.remote.send(kFin | kAck);
  call.tell(State::FinWait2, both);
  call.to(State::TimeWait, both);
  hold(60);
  reset(call);
  lab.check();
}

TEST(Closing, LostFin) {
  TD_REQUIRE_KERNEL_TESTS();
  Lab lab;
  Call& call = lab.connected();
  call.to(State::FinWait1, call.local.close());
  const std::uint32_t first = call.remote.expect(kFin | kAck).seq;
  EXPECT_EQ(call.remote.expect(kFin | kAck).seq, first);
  call.to(State::FinWait2, call.remote.send(kAck));
  hold(30);
  call.to(State::TimeWait, call.remote.send(kFin | kAck)).slack += kJiffy;
  reset(call);
  lab.check();
}

TEST(Closing, LostLastAck) {
  TD_REQUIRE_KERNEL_TESTS();
  Lab lab;
  Call& call = lab.connected();
  call.peer_closes_first();
  call.to(State::LastAck, call.local.close());
  call.remote.expect(kFin | kAck);
  call.remote.expect(kFin | kAck);
  call.to(State::Close, call.remote.send(kAck));
  lab.check();
}

// The descriptor stays open: FIN_WAIT2 is the full socket's.
TEST(Closing, HalfClose) {
  TD_REQUIRE_KERNEL_TESTS();
  Lab lab;
  Call& call = lab.accepted();
  hold(30);
  call.to(State::FinWait1, call.local.shutdown_write());
  call.remote.expect(kFin | kAck);
  hold(50);
  call.to(State::FinWait2, call.remote.send(kAck));
  hold(150);
  call.to(State::TimeWait, call.remote.send(kFin | kAck));
  hold(50);
  reset(call);
  lab.check();
}

// shutdown() first, close() in FIN_WAIT2: the state moves to a time-wait socket, and is one dwell.
TEST(Closing, OrphanedInFinWait2) {
  TD_REQUIRE_KERNEL_TESTS();
  Lab lab;
  Call& call = lab.connected();
  call.to(State::FinWait1, call.local.shutdown_write());
  call.remote.expect(kFin | kAck);
  call.to(State::FinWait2, call.remote.send(kAck));
  hold(100);
  call.local.close();
  hold(150);
  call.to(State::TimeWait, call.remote.send(kFin | kAck)).slack += kJiffy;
  hold(50);
  reset(call);
  lab.check();
}

TEST(Closing, Orphan) {
  TD_REQUIRE_KERNEL_TESTS();
  Lab lab;
  Call& call = lab.connected();
  call.close_to_time_wait(500);
  hold(100);
  reset(call);
  lab.check();
}

// Data that nobody can read any more: the kernel answers with a reset.
TEST(Closing, DataForAnOrphan) {
  TD_REQUIRE_KERNEL_TESTS();
  Lab lab;
  Call& call = lab.connected();
  call.close_first();
  hold(100);
  call.to(State::Close, call.remote.send(kAck | kPsh, "late"), Reason::ResetLocal);
  lab.check();
}

TEST(Closing, AbortiveClose) {
  TD_REQUIRE_KERNEL_TESTS();
  Lab lab;
  Call& established = lab.connected();
  Call& close_wait = lab.accepted();
  close_wait.peer_closes_first();
  hold(80);
  established.to(State::Close, established.local.abort(), Reason::ResetLocal);
  close_wait.to(State::Close, close_wait.local.abort(), Reason::ResetLocal);
  lab.check();
}

TEST(Closing, UnreadDataResets) {
  TD_REQUIRE_KERNEL_TESTS();
  Lab lab;
  Call& call = lab.accepted();
  call.remote.send(kAck | kPsh, "unread");
  hold(50);
  call.to(State::Close, call.local.close(), Reason::ResetLocal);
  lab.check();
}

TEST(Closing, Aborted) {
  TD_REQUIRE_KERNEL_TESTS();
  Lab lab;
  Call& established = lab.connected();
  Call& orphan = lab.connected();
  Call& time_wait = lab.connected();
  orphan.close_first();
  time_wait.close_to_time_wait();
  hold(100);
  for (Call* call : {&established, &orphan, &time_wait}) {
    call->to(State::Close, call->destroy(), Reason::Aborted);
  }
  lab.check();
}

struct ResetIn {
  const char* state;
  void (*reach)(Call&);
};

const std::vector<ResetIn> kResets = {
    {"Established", [](Call&) {}},
    {"FinWait1", [](Call& call) { call.to(State::FinWait1, call.local.close()); }},
    {"FinWait2",
     [](Call& call) {
       call.to(State::FinWait1, call.local.shutdown_write());
       call.remote.expect(kFin | kAck);
       call.to(State::FinWait2, call.remote.send(kAck));
     }},
    {"OrphanedFinWait2", [](Call& call) { call.close_first(); }},
    {"CloseWait", [](Call& call) { call.peer_closes_first(); }},
    {"Closing",
     [](Call& call) {
       call.to(State::FinWait1, call.local.close());
       call.to(State::Closing, call.remote.send(kFin | kAck));
     }},
    {"LastAck",
     [](Call& call) {
       call.peer_closes_first();
       call.to(State::LastAck, call.local.close());
     }},
    {"TimeWait", [](Call& call) { call.close_to_time_wait(); }},
};

class Reset : public testing::TestWithParam<ResetIn> {};

TEST_P(Reset, EndsTheStateAtOnce) {
  TD_REQUIRE_KERNEL_TESTS();
  Lab lab;
  const std::vector<Call*> calls = {&lab.connected(), &lab.accepted(), &lab.accepted(Net::V6)};
  hold(20);
  for (Call* call : calls) GetParam().reach(*call);
  hold(120);
  for (Call* call : calls) reset(*call);
  lab.check();
}

INSTANTIATE_TEST_SUITE_P(In, Reset, testing::ValuesIn(kResets),
                         [](const auto& info) { return info.param.state; });

}  // namespace
}  // namespace tcpdwell::test
