// SPDX-License-Identifier: BSD-2-Clause
#include "routes/routes.h"

#include <gtest/gtest.h>

#include <chrono>
#include <memory>
#include <thread>

#include "util/host_clock.h"

namespace tcpdwell {
namespace {

/// A survey that takes longer than what a page shows may be old.
TEST(Routes, APageGetsWhatTookLong) {
  StateExchange exchange;
  Routes routes(exchange, Header{}, 0);
  ASSERT_TRUE(exchange.next(host_clock_ns()).make);  // the first, which nobody asks for
  const auto survey = [&] {
    EXPECT_FALSE(routes.event(0));
    auto state = std::make_shared<LiveState>();
    state->mono_ns = state->survey.mono_ns = host_clock_ns();
    const StateExchange::Task task = exchange.next(state->mono_ns);
    ASSERT_TRUE(task.make && task.wish);
    state->wish = *task.wish;
    for (int i = 0; i < 3; ++i) {
      std::this_thread::sleep_for(std::chrono::milliseconds(250));
      EXPECT_FALSE(routes.event(0));  // whoever else looks in between
    }
    exchange.put(std::move(state));
  };
  survey();
  const auto first = routes.event(0);
  ASSERT_TRUE(first);
  EXPECT_EQ(routes.event(0), first) << "of two pages each";
  EXPECT_FALSE(routes.event(host_clock_ns())) << "and once";
}

}  // namespace
}  // namespace tcpdwell
