// SPDX-License-Identifier: BSD-2-Clause
/// Closes, against a scripted peer: the peer's first FIN, crossing FINs, and a reset in every
/// state. Our own first FIN is in peer_time_wait_test.cpp.
#include <gtest/gtest.h>

#include "support/lab.h"

namespace tcpdwell::test {
namespace {

/// Ends it from any state, TIME_WAIT included.
void reset(Call& call) { call.to(State::Close, call.remote.send(kRst), Reason::ResetByPeer); }
void reset_orphan(Call& call) { call.orphan_is_reset(call.remote.send(kRst), Reason::ResetByPeer); }

TEST(Closing, PeerFirst) {
  TD_REQUIRE_KERNEL_TESTS();
  Lab lab;
  for (Call* call : {&lab.connected(), &lab.accepted(), &lab.connected(Net::V6)}) {
    lab.hold(50);
    call->peer_closes_first();
    lab.hold(100);
    call->to(State::LastAck, call->local.close());
    call->remote.expect(kFin | kAck);
    lab.hold(60);
    call->to(State::Close, call->remote.send(kAck));
  }
  lab.check();
}

// Sent is what left this host, whether it arrived or not.
TEST(Closing, ResetWithDataThatNobodyAcknowledged) {
  TD_REQUIRE_KERNEL_TESTS();
  Lab lab;
  Call& call = lab.connected();
  call.local.write("hello");
  call.remote.expect(kAck);
  call.to(State::Close, call.remote.send(kRst), Reason::ResetByPeer);
  lab.check();
  const auto traffic = lab.lines_of(call).back().traffic;
  ASSERT_TRUE(traffic);
  EXPECT_EQ(traffic->bytes_sent, 5U);
}

// Both FINs cross: RFC 9293 figure 13.
TEST(Closing, Simultaneous) {
  TD_REQUIRE_KERNEL_TESTS();
  Lab lab;
  Call& call = lab.connected();
  lab.hold(200);
  call.to(State::FinWait1, call.local.close());
  lab.hold(300);
  call.to(State::Closing, call.remote.send(kFin | kAck));
  lab.hold(400);
  call.remote.expect(kFin | kAck);
  call.to(State::TimeWait, call.remote.send(kAck));
  lab.hold(100);
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
  lab.hold(80);
  const Stamp both = call.remote.send(kFin | kAck);
  call.tell(State::FinWait2, both);
  call.to(State::TimeWait, both);
  lab.hold(60);
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

TEST(Closing, AbortiveClose) {
  TD_REQUIRE_KERNEL_TESTS();
  Lab lab;
  Call& established = lab.connected();
  Call& close_wait = lab.accepted();
  close_wait.peer_closes_first();
  lab.hold(80);
  established.to(State::Close, established.local.abort(), Reason::ResetLocal);
  close_wait.to(State::Close, close_wait.local.abort(), Reason::ResetLocal);
  lab.check();
}

TEST(Closing, DisconnectedAndConnectedAgain) {
  TD_REQUIRE_KERNEL_TESTS();
  Lab lab;
  Call& first = lab.connected();
  lab.hold(50);
  first.to(State::Close, first.local.disconnect(), Reason::ResetLocal);
  Call& second = lab.connect_again(first);
  lab.hold(60);
  lab.answer_syn(second);
  reset(second);
  lab.check();
}

TEST(Closing, UnreadDataResets) {
  TD_REQUIRE_KERNEL_TESTS();
  Lab lab;
  Call& call = lab.accepted();
  call.remote.send(kAck | kPsh, "unread");
  lab.hold(50);
  call.to(State::Close, call.local.close(), Reason::ResetLocal);
  lab.check();
}

struct ResetIn {
  const char* state;
  void (*reach)(Call&);
  Delivery delivery = Delivery::Softirq;
  void (*end)(Call&) = reset;
};
void PrintTo(const ResetIn& one, std::ostream* out) { *out << one.state; }

const std::vector<ResetIn> kResets = {
    {"Established", [](Call&) {}},
    {"FinWait1", [](Call& call) { call.to(State::FinWait1, call.local.close()); }},
    {"FinWait2",
     [](Call& call) {
       call.to(State::FinWait1, call.local.shutdown_write());
       call.remote.expect(kFin | kAck);
       call.to(State::FinWait2, call.remote.send(kAck));
     }},
    {"OrphanedFinWait2", [](Call& call) { call.close_first(); }, Delivery::Softirq, reset_orphan},
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
    {"OrphanedFinWait2InProcess", [](Call& call) { call.close_first(); }, Delivery::Process,
     reset_orphan},
    {"TimeWaitInProcess", [](Call& call) { call.close_to_time_wait(); }, Delivery::Process},
};

class Reset : public testing::TestWithParam<ResetIn> {};

TEST_P(Reset, EndsTheStateAtOnce) {
  TD_REQUIRE_KERNEL_TESTS();
  Lab lab(GetParam().delivery);
  const std::vector<Call*> calls = {&lab.connected(), &lab.accepted(), &lab.accepted(Net::V6)};
  lab.hold(20);
  for (Call* call : calls) GetParam().reach(*call);
  lab.hold(120);
  for (Call* call : calls) GetParam().end(*call);
  lab.check();
}

INSTANTIATE_TEST_SUITE_P(In, Reset, testing::ValuesIn(kResets),
                         [](const auto& info) { return info.param.state; });

}  // namespace
}  // namespace tcpdwell::test
