// SPDX-License-Identifier: BSD-2-Clause
/// The whole minute of a TIME_WAIT, against a scripted peer. It waits, and the storms run
/// meanwhile.
#include <gtest/gtest.h>

#include "support/lab.h"

namespace tcpdwell::test {
namespace {

TEST(TimeWait, ExpiresAfterTheKernelsMinute) {
  TD_REQUIRE_KERNEL_TESTS();
  Lab lab;
  std::vector<Call*> calls;
  for (const Net net : {Net::V4, Net::V6, Net::Mapped}) {
    calls.push_back(&lab.connected(net));
    calls.push_back(&lab.accepted(net));
  }
  for (Call* call : calls) call->close_to_time_wait(100);
  Call& crossing = lab.connected();
  crossing.to(State::FinWait1, crossing.local.close());
  crossing.to(State::Closing, crossing.remote.send(kFin | kAck));
  crossing.remote.expect(kFin | kAck);
  crossing.to(State::TimeWait, crossing.remote.send(kAck));
  calls.push_back(&crossing);
  Call& restarted = lab.connected();
  restarted.close_to_time_wait();
  lab.hold(900);
  restarted.remote.repeat();  // its FIN: the kernel starts the minute again
  calls.push_back(&restarted);
  lab.wait_until_gone(calls, Reason::Expired, std::chrono::seconds(70));
  lab.check();
  for (Call* call : calls) {
    const Span time_wait = call->story.dwell(call->story.steps.size() - 1);
    EXPECT_GE(time_wait.longest, 60'000 * kMillisecond);
    EXPECT_LE(time_wait.shortest, 64'000 * kMillisecond);
  }
}

}  // namespace
}  // namespace tcpdwell::test
