// SPDX-License-Identifier: BSD-2-Clause
#include "views/top_states.h"

#include <gtest/gtest.h>

namespace tcpdwell {
namespace {

constexpr std::int64_t kSecond = 1'000'000'000;

Row row(State state, std::optional<std::uint64_t> open, std::uint64_t finished = 0,
        std::uint64_t ns = 1000) {
  Row row;
  row.keys = {std::string(name_of(state))};
  row.open = open;
  if (finished != 0) row.exact.add(ns, finished);
  return row;
}

Summary summary(std::int64_t from_s, std::int64_t to_s, std::vector<Row> rows) {
  Summary summary;
  summary.start_wall_ns = from_s * kSecond;
  summary.end_wall_ns = to_s * kSecond;
  summary.by = {Key::State};
  summary.rows = std::move(rows);
  return summary;
}

StateFigures of(const StateHistory& history, State state) {
  for (StateFigures& figures : history.figures())
    if (figures.state == state) return figures;
  ADD_FAILURE();
  return {};
}

TEST(StateHistory, TheFirstTellsWhereThingsStandAndNoRate) {
  StateHistory history;
  history.add(summary(100, 100, {row(State::Established, 5)}));
  EXPECT_EQ(of(history, State::Established).now, 5U);
  EXPECT_FALSE(of(history, State::Established).entries_per_s);
  EXPECT_EQ(of(history, State::TimeWait).now, 0U);
}

TEST(StateHistory, WhoHasLeftAndWhoIsThereHaveComeIn) {
  StateHistory history;
  history.add(summary(100, 100, {row(State::Established, 5)}));
  history.add(summary(100, 102, {row(State::Established, 9, 16)}));
  EXPECT_DOUBLE_EQ(of(history, State::Established).entries_per_s.value(),
                   10);  // 4 more, 16 gone: 20 in 2 s
  history.add(summary(102, 103, {}));
  EXPECT_DOUBLE_EQ(of(history, State::Established).entries_per_s.value(), 0)
      << "never less than none";
}

TEST(StateHistory, WhatIsNotKnownIsAbsent) {
  StateHistory history;
  history.add(summary(100, 100, {row(State::Established, 5)}));
  history.add(summary(100, 101, {row(State::Established, std::nullopt, 3)}));
  EXPECT_FALSE(of(history, State::Established).now);
  EXPECT_FALSE(of(history, State::Established).entries_per_s);
  EXPECT_FALSE(of(history, State::TimeWait).now) << "no row, where numbers are not known, is no 0";
}

TEST(StateHistory, WhatIsNotObservedIsAbsent) {
  StateHistory history;
  for (const std::int64_t second : {100, 101}) {
    Summary off = summary(second, second + 1,
                          {row(State::Established, 5), row(State::SynRecv, std::nullopt, 2)});
    off.minisockets_off = true;
    history.add(off);
  }
  for (const State state : {State::TimeWait, State::SynRecv}) {
    EXPECT_FALSE(of(history, state).now);
    EXPECT_FALSE(of(history, state).entries_per_s);
    EXPECT_TRUE(of(history, state).minute.empty());
  }
  EXPECT_EQ(of(history, State::Established).now, 5U);
  EXPECT_EQ(of(history, State::FinWait2).now, 0U);
}

TEST(StateHistory, DwellsOfAMinuteAreRemembered) {
  StateHistory history;
  history.add(summary(100, 100, {}));
  history.add(summary(100, 101, {row(State::CloseWait, 0, 10, 7)}));
  for (std::int64_t second = 101; second < 150; ++second)
    history.add(summary(second, second + 1, {}));
  EXPECT_EQ(of(history, State::CloseWait).dwells.count(), 10U);
  EXPECT_EQ(of(history, State::CloseWait).dwells.percentile(50), 7U);
  for (std::int64_t second = 150; second < 165; ++second)
    history.add(summary(second, second + 1, {}));
  EXPECT_EQ(of(history, State::CloseWait).dwells.count(), 0U);
}

TEST(StateHistory, AMinuteOfPopulation) {
  StateHistory history;
  for (std::int64_t second = 0; second < 200; ++second)
    history.add(
        summary(second, second + 1, {row(State::Established, static_cast<std::uint64_t>(second))}));
  const auto minute = of(history, State::Established).minute;
  ASSERT_EQ(minute.size(), 60U);
  EXPECT_EQ(minute.front(), 140U);
  EXPECT_EQ(minute.back(), 199U);
}

TEST(StateHistory, SlowAndFastSamplesFillTheSameMinute) {
  StateHistory slow, fast;
  for (std::int64_t at = 0; at <= 60; at += 5)
    slow.add(summary(at, at, {row(State::Established, static_cast<std::uint64_t>(at))}));
  EXPECT_EQ(of(slow, State::Established).minute.size(), 60U);
  for (int tenth = 0; tenth < 30; ++tenth) {
    Summary sample = summary(0, 0, {row(State::Established, static_cast<std::uint64_t>(tenth))});
    sample.end_wall_ns = tenth * kSecond / 10;
    fast.add(sample);
  }
  EXPECT_EQ(of(fast, State::Established).minute, (std::vector<std::uint64_t>{9, 19, 29}));
}

TEST(StateHistory, LossesAddUp) {
  StateHistory history;
  Summary some = summary(0, 1, {});
  some.lost[static_cast<std::size_t>(LossPlace::Ring)] = 3;
  history.add(some);
  history.add(some);
  EXPECT_EQ(history.lost()[static_cast<std::size_t>(LossPlace::Ring)], 6U);
}

}  // namespace
}  // namespace tcpdwell
