// SPDX-License-Identifier: BSD-2-Clause
/// Opens, against a scripted peer: active, passive, simultaneous, and those that come to nothing.
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include "support/lab.h"

namespace tcpdwell::test {
namespace {

class Open : public testing::TestWithParam<Net> {};

std::string net_name(const testing::TestParamInfo<Net>& info) {
  constexpr const char* kNames[] = {"V4", "V6", "Mapped"};
  return kNames[static_cast<int>(info.param)];
}

INSTANTIATE_TEST_SUITE_P(Each, Open, testing::Values(Net::V4, Net::V6, Net::Mapped), net_name);

/// Ends a connection that is established.
void reset(Call& call) { call.to(State::Close, call.remote.send(kRst), Reason::ResetByPeer); }

TEST_P(Open, SynSentIsHeld) {
  TD_REQUIRE_KERNEL_TESTS();
  Lab lab;
  reset(lab.connected(GetParam(), 150));
  lab.check();
}

TEST_P(Open, SynRecvIsHeld) {
  TD_REQUIRE_KERNEL_TESTS();
  Lab lab;
  Call& long_one = lab.rung(GetParam());
  reset(lab.accepted(GetParam(), 100));
  lab.hold(150);
  lab.accept(long_one);
  reset(long_one);
  lab.check();
}

TEST(Opening, SynSentAgainByThePeerIsTheSameSynRecv) {
  TD_REQUIRE_KERNEL_TESTS();
  Lab lab;
  Call& call = lab.rung();
  lab.hold(100);
  call.remote.repeat();
  lab.hold(100);
  lab.accept(call);
  reset(call);
  lab.check();
}

TEST(Opening, AcceptedLongAfterItWasEstablished) {
  TD_REQUIRE_KERNEL_TESTS();
  Lab lab;
  Call& call = lab.rung();
  lab.hold(50);
  call.to(State::Established, call.remote.send(kAck));
  lab.hold(100);
  call.local = lab.listener().accept();
  call.close_to_time_wait();
  call.to(State::Close, call.remote.send(kRst), Reason::ResetByPeer);
  lab.check();
}

TEST(Opening, DataWithTheHandshakesLastAck) {
  TD_REQUIRE_KERNEL_TESTS();
  Lab lab;
  Call& call = lab.rung();
  lab.hold(50);
  call.to(State::Established, call.remote.send(kAck | kPsh, "hello"));
  reset(call);
  lab.check();
}

// The peer's SYN crosses ours: RFC 9293 figure 7.
TEST(Opening, Simultaneous) {
  TD_REQUIRE_KERNEL_TESTS();
  Lab lab;
  Call& call = lab.dial();
  lab.hold(100);
  call.to(State::SynRecv, call.remote.send(kSyn));
  call.remote.expect(kSyn | kAck);
  lab.hold(150);
  call.to(State::Established, call.remote.send(kAck));
  lab.hold(50);
  reset(call);
  lab.check();
}

TEST(Opening, ClosedInSynRecv) {
  TD_REQUIRE_KERNEL_TESTS();
  Lab lab;
  Call& call = lab.dial();
  call.to(State::SynRecv, call.remote.send(kSyn));
  call.remote.expect(kSyn | kAck);
  lab.hold(100);
  call.to(State::FinWait1, call.local.close());
  lab.hold(100);
  reset(call);
  lab.check();
}

TEST(Opening, ClosedInSynSent) {
  TD_REQUIRE_KERNEL_TESTS();
  Lab lab;
  Call& call = lab.dial();
  lab.hold(100);
  call.to(State::Close, call.local.close(), Reason::GivenUp);
  lab.check();
}

TEST(Opening, RefusedAndTriedAgain) {
  TD_REQUIRE_KERNEL_TESTS();
  Lab lab;
  Call& refused = lab.dial();
  refused.remote.expect(kSyn);
  lab.hold(100);
  refused.to(State::Close, refused.remote.send(kRst | kAck), Reason::Refused);

  refused.local.disconnect();  // takes the error
  Call& again = lab.connect_again(refused);
  lab.hold(50);
  lab.answer_syn(again);
  reset(again);
  lab.check();
}

// Together, since each takes seconds: a SYN-ACK sent again, requests nobody completes, and a host
// that does not answer.
TEST(Opening, TimersRunOut) {
  TD_REQUIRE_KERNEL_TESTS();
  Lab lab;
  lab.netns().set_sysctl("net.ipv4.tcp_synack_retries", "1");
  Call& completed = lab.rung();
  std::vector<Call*> given_up = {&lab.rung(), &lab.rung(Net::V6), &lab.rung(Net::Mapped)};
  Call& silent = lab.new_call(Net::V4, lab.fresh_ports(), State::Close);
  silent.local = Local(Net::V4, silent.ports.local);
  silent.local.set_option(IPPROTO_TCP, TCP_USER_TIMEOUT, 300);
  lab.connect(silent);
  lab.wait_until_gone({&silent}, Reason::Timeout, std::chrono::seconds(5));
  completed.remote.expect(kSyn | kAck);  // again
  lab.hold(100);
  lab.accept(completed);
  reset(completed);
  lab.wait_until_gone(given_up, Reason::SynTimeout, std::chrono::seconds(10));
  lab.check();
}

TEST(Opening, RequestReset) {
  TD_REQUIRE_KERNEL_TESTS();
  Lab lab;
  Call& call = lab.rung();
  lab.hold(100);
  call.to(State::Close, call.remote.send(kRst), Reason::ResetByPeer);
  lab.check();
}

TEST(Opening, RequestResetInProcess) {
  TD_REQUIRE_KERNEL_TESTS();
  Lab lab(Delivery::Process);
  Call& call = lab.rung();
  lab.hold(100);
  call.to(State::Close, call.remote.send(kRst), Reason::ResetByPeer);
  lab.check();
}

TEST(Opening, RequestAborted) {
  TD_REQUIRE_KERNEL_TESTS();
  Lab lab;
  Call& call = lab.rung();
  lab.hold(100);
  call.to(State::Close, call.destroy(), Reason::Aborted);
  lab.check();
}

// Its requests outlive a listener, until a segment or their timer comes.
TEST(Opening, RequestOfAClosedListener) {
  TD_REQUIRE_KERNEL_TESTS();
  Lab lab;
  Call& call = lab.rung();
  lab.hold(100);
  lab.listener().socket().close();
  call.owned = false;  // its owner was the listener's
  call.to(State::Close, call.remote.send(kAck), Reason::ListenerClosed);
  call.remote.expect(kRst);
  lab.check();
}

// A cookie leaves nothing behind in the kernel: the first it knows is the final ACK.
TEST(Opening, SynCookie) {
  TD_REQUIRE_KERNEL_TESTS();
  Lab lab;
  lab.netns().set_sysctl("net.ipv4.tcp_syncookies", "2");
  lab.listener();
  Call& call =
      lab.new_call(Net::V4, {server_port(Net::V4), lab.fresh_ports().remote}, State::Listen);
  call.remote.send(kSyn);
  call.remote.expect(kSyn | kAck);
  lab.hold(100);
  const Stamp ack = call.remote.send(kAck);
  call.tell(State::SynRecv, ack);
  call.to(State::Established, ack).dwell = Bound::Unknown;
  call.local = lab.listener().accept();
  call.cookie = call.local.cookie();
  lab.hold(50);
  reset(call);
  lab.check();
}

/// The child is made at the SYN, before the handshake is over.
void open_fast(const char* data) {
  Lab lab;
  lab.netns().set_sysctl("net.ipv4.tcp_fastopen", "514");  // server, no cookie needed
  lab.listener().socket().set_option(IPPROTO_TCP, TCP_FASTOPEN, 16);
  Call& call =
      lab.new_call(Net::V4, {server_port(Net::V4), lab.fresh_ports().remote}, State::Listen);
  call.remote.ask_for_cookie();
  call.to(State::SynRecv, call.remote.send(kSyn, data));
  call.remote.expect(kSyn | kAck);
  call.local = lab.listener().accept();
  call.cookie = call.local.cookie();
  lab.hold(120);
  call.to(State::Established, call.remote.send(kAck));
  lab.hold(50);
  reset(call);
  lab.check();
}

TEST(Opening, FastOpen) {
  TD_REQUIRE_KERNEL_TESTS();
  open_fast("hello");
}

TEST(Opening, FastOpenWithoutData) {
  TD_REQUIRE_KERNEL_TESTS();
  open_fast("");
}

}  // namespace
}  // namespace tcpdwell::test
