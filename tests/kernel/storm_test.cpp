// SPDX-License-Identifier: BSD-2-Clause
/// Many connections at once: every transition is seen, none twice, and the books balance.
#include "support/storm.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <chrono>
#include <thread>

#include "support/collect.h"
#include "support/expected.h"
#include "support/netns.h"
#include "support/shadow.h"

namespace tcpdwell::test {
namespace {

using Counts = std::array<std::array<std::uint64_t, kStateCount>, kStateCount>;

void add(Counts& counts, const std::vector<ExpectedLine>& lines, std::uint64_t times) {
  for (const ExpectedLine& line : lines) {
    counts[static_cast<std::size_t>(line.from)][static_cast<std::size_t>(line.to)] += times;
  }
}

Counts expected_counts(const StormResult& result, Ending ending) {
  Counts counts{};
  for (const Side side : {Side::Client, Side::Server}) {
    const std::uint64_t server_first = result.connections - result.client_first;
    add(counts, expected_chain({Net::V4, Side::Client, ending}, side), result.client_first);
    add(counts, expected_chain({Net::V4, Side::Server, ending}, side), server_first);
  }
  add(counts, expected_listener_chain(), result.listeners);
  return counts;
}

std::uint64_t sum(const Counts& counts) {
  std::uint64_t total = 0;
  for (const auto& row : counts) {
    for (const std::uint64_t count : row) total += count;
  }
  return total;
}

void expect_counts(const Tally& tally, const Counts& expected) {
  for (const State from : kLifeOrder) {
    for (const State to : kLifeOrder) {
      EXPECT_EQ(tally.count(from, to),
                expected[static_cast<std::size_t>(from)][static_cast<std::size_t>(to)])
          << name_of(from) << ">" << name_of(to);
    }
  }
}

void expect_books_balance(Tracer& tracer, const Tally& tally) {
  const auto [handled, fired] = tracer.balance().value();
  EXPECT_EQ(handled, fired);
  EXPECT_GE(handled, tally.total());
  const LossCounts lost = tracer.lost().value();
  for (std::size_t i = 0; i < lost.size(); ++i) {
    EXPECT_EQ(lost[i], 0U) << name_of(static_cast<LossPlace>(i));
  }
  fmt::print("handled {} of {} fired\n", handled, fired);
}

struct Traced {
  StormResult result;
  Tally tally;
  std::unique_ptr<Tracer> tracer;
  Counts expected{};
};

Traced trace_storm(const StormOptions& options) {
  Netns netns;
  Traced traced;
  Tally& tally = traced.tally;
  traced.tracer = start_tracer(netns.inode());
  Storm storm(netns, options);
  const std::chrono::seconds limit(60);
  EXPECT_TRUE(drain_until(
      *traced.tracer, tally, [&] { return !storm.running(); }, limit));
  traced.result = storm.result();
  traced.expected = expected_counts(traced.result, options.ending);
  drain_until(*traced.tracer, tally, [&] { return tally.total() >= sum(traced.expected); });
  finish(*traced.tracer, tally);
  EXPECT_EQ(traced.result.connections, options.connections);
  fmt::print("{} connections, {} transitions, {:.0f}/s\n", traced.result.connections, tally.total(),
             traced.result.rate());
  return traced;
}

/// Every line there must be, but for those of events that the host hid: there each lacks its own.
void expect_everything(const Traced& traced) {
  Counts expected = traced.expected;
  const auto hidden = reckon_with_hidden();
  ASSERT_LE(hidden.size(), sum(expected) / 1000) << "too much is hidden here to tell anything";
  for (const HiddenEvent& event : hidden) {
    if (!event.timer.empty()) continue;  // none is followed
    --expected[static_cast<std::size_t>(event.from)][static_cast<std::size_t>(event.to)];
  }
  EXPECT_EQ(traced.tally.total(), sum(expected));
  EXPECT_LE(traced.tally.broken(), hidden.size());
  EXPECT_LE(traced.tally.open(), hidden.size());
  expect_counts(traced.tally, expected);
  expect_books_balance(*traced.tracer, traced.tally);
}

TEST(Storm, FiftyThousandClientsCloseFirst) {
  TD_REQUIRE_KERNEL_TESTS();
  const StormOptions options;
  const double untraced = [&] {
    Netns netns;
    return Storm(netns, options).result().rate();
  }();
  fmt::print("untraced {:.0f}/s\n", untraced);
  expect_everything(trace_storm(options));
}

TEST(Storm, BothSidesCloseFirstInTurn) {
  TD_REQUIRE_KERNEL_TESTS();
  StormOptions options;
  options.connections = 20'000;
  options.alternating = true;
  expect_everything(trace_storm(options));
}

TEST(Storm, ResetsOfManyWorkers) {
  TD_REQUIRE_KERNEL_TESTS();
  StormOptions options;
  options.connections = 20'000;
  options.workers = 8;
  options.alternating = true;
  options.ending = Ending::Reset;
  expect_everything(trace_storm(options));
}

// A timer's softirq that interrupts the kernel program makes transitions the program is not run
// for.
TEST(Storm, WhatInterruptsTheProgramIsNotLost) {
  TD_REQUIRE_KERNEL_TESTS();
  StormOptions options;
  options.lag = 400;
  expect_everything(trace_storm(options));
}

std::uint64_t ends(const Counts& counts) {
  std::uint64_t total = 0;
  for (const auto& row : counts) total += row[static_cast<std::size_t>(State::Close)];
  return total;
}

/// Until the programs were run for so many: whoever sent a FIN may have gone on before the kernel
/// has delivered it, in its thread for softirqs.
void wait_for_transitions(const Tracer& tracer, std::uint64_t count) {
  const auto limit = std::chrono::steady_clock::now() + std::chrono::seconds(10);
  while (tracer.balance().value().handled < count && std::chrono::steady_clock::now() < limit)
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
}

// A reader that sleeps loses lines; it must be told, to the line. Last lines wait for it.
TEST(Storm, AFullRingIsCounted) {
  TD_REQUIRE_KERNEL_TESTS();
  Netns netns;
  TracerOptions small;
  small.filter.netns = netns.inode();
  small.ring_bytes = 64 << 10;
  small.minisockets = Minisockets::Off;
  auto tracer = Tracer::start(small);
  ASSERT_TRUE(tracer.ok()) << tracer.error().message;
  StormOptions options;
  options.connections = 2'000;
  const StormResult result = Storm(netns, options).result();
  const Counts expected = expected_counts(result, options.ending);
  wait_for_transitions(**tracer, sum(expected));
  Tally tally;
  finish(**tracer, tally);
  const LossCounts lost = (*tracer)->lost().value();
  const std::uint64_t ring = lost[static_cast<std::size_t>(LossPlace::Ring)];
  EXPECT_GT(ring, 0U);
  EXPECT_EQ(tally.total() + ring, sum(expected));
  std::uint64_t ended = 0;
  for (const State from : kLifeOrder) ended += tally.count(from, State::Close);
  EXPECT_EQ(ended, ends(expected));
  EXPECT_EQ(tally.open(), 0U);
  EXPECT_EQ((*tracer)->balance().value().handled, (*tracer)->balance().value().fired);
}

}  // namespace
}  // namespace tcpdwell::test
