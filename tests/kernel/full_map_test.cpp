// SPDX-License-Identifier: BSD-2-Clause
/// More time-wait and request sockets than the tracer has room for: what is not known is counted
/// and said, and what is told stays true.
#include <gtest/gtest.h>

#include "support/lab.h"

namespace tcpdwell::test {
namespace {

LossCounts lost_in_map(std::uint64_t count) {
  LossCounts lost{};
  lost[static_cast<std::size_t>(LossPlace::Map)] = count;
  return lost;
}

TracerOptions room_for_one() {
  TracerOptions options;
  options.max_time_wait = 1;
  options.max_requests = 1;
  return options;
}

// The second hand-over is no end of our own making: nothing is known of what comes after it.
TEST(FullMap, TimeWaitIsNotObserved) {
  TD_REQUIRE_KERNEL_TESTS();
  Lab lab(Delivery::Softirq, room_for_one());
  Call& followed = lab.connected();
  Call& refused = lab.connected();
  followed.close_first();
  refused.to(State::FinWait1, refused.local.close());
  refused.remote.expect(kFin | kAck);
  const Stamp ack = refused.remote.send(kAck);
  refused.tell(State::FinWait2, ack);
  Step& end = refused.tell(State::Close, ack);
  end.dwell = Bound::Unknown;
  end.gap = true;
  lab.hold(60);
  followed.orphan_is_reset(followed.remote.send(kRst), Reason::ResetByPeer);
  lab.check(std::chrono::seconds(5), lost_in_map(1));
}

// Its child knows nothing of when the SYN came.
TEST(FullMap, RequestIsNotObserved) {
  TD_REQUIRE_KERNEL_TESTS();
  Lab lab(Delivery::Softirq, room_for_one());
  Call& followed = lab.rung();
  Call& refused =
      lab.new_call(Net::V4, {server_port(Net::V4), lab.fresh_ports().remote}, State::Listen);
  refused.remote.send(kSyn);
  refused.remote.expect(kSyn | kAck);
  lab.hold(60);
  const Stamp ack = refused.remote.send(kAck);
  refused.tell(State::SynRecv, ack);
  refused.to(State::Established, ack).dwell = Bound::Unknown;
  refused.local = lab.listener().accept();
  refused.cookie = refused.local.cookie();
  lab.accept(followed);
  for (Call* call : {&followed, &refused}) {
    lab.hold(30);
    call->to(State::Close, call->remote.send(kRst), Reason::ResetByPeer);
  }
  lab.check(std::chrono::seconds(5), lost_in_map(1));
}

}  // namespace
}  // namespace tcpdwell::test
