// SPDX-License-Identifier: BSD-2-Clause
/// A trace of a host that has been up for centuries: past 2^32 ms, and past what a double holds of
/// ns.
#include <gtest/gtest.h>

#include "unit/trace/events_for_tests.h"

namespace tcpdwell {
namespace {

constexpr std::uint64_t kFar = (std::uint64_t{1} << 62) + 1;  // no double is that odd number
constexpr std::uint64_t kDwell = (std::uint64_t{1} << 61) + 1;

TEST(LongRun, NumbersComeBackToTheNanosecond) {
  Transition t = sample_last();
  t.mono_ns = kFar;
  t.dwell = {Bound::Exact, kDwell};
  t.life_ns = kDwell + 2;
  ASSERT_TRUE(t.traffic.has_value());
  t.traffic->bytes_sent = UINT64_MAX;
  TraceEnd end = sample_end();
  end.transitions = kFar;
  end.duration_ns = kDwell;
  end.connections = kFar;
  end.lost[static_cast<std::size_t>(LossPlace::Ring)] = kFar;
  const std::string text =
      json_of(Event(sample_header())) + json_of(Event(t)) + json_of(Event(end));
  Kept kept;
  const auto input = open_trace_bytes(text);
  const auto read = read_trace(*input, "long", kept);
  ASSERT_TRUE(read.ok()) << read.error().message;
  EXPECT_EQ(read->skipped, 0U) << read->first_skipped_why;
  ASSERT_EQ(kept.events.size(), 3U);
  const auto& back = std::get<Transition>(kept.events[1]);
  EXPECT_EQ(back.mono_ns, kFar);
  EXPECT_EQ(back.dwell, t.dwell);
  EXPECT_EQ(back.life_ns, t.life_ns);
  EXPECT_EQ(back.traffic, t.traffic);
  const auto& last = std::get<TraceEnd>(kept.events[2]);
  EXPECT_EQ(last.transitions, kFar);
  EXPECT_EQ(last.duration_ns, kDwell);
  EXPECT_EQ(last.connections, kFar);
  EXPECT_EQ(last.lost, end.lost);
}

}  // namespace
}  // namespace tcpdwell
