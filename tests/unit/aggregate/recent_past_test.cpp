// SPDX-License-Identifier: BSD-2-Clause
#include "aggregate/recent_past.h"

#include <gtest/gtest.h>

namespace tcpdwell {
namespace {

constexpr std::size_t kEstablished = static_cast<std::size_t>(State::Established);
constexpr std::uint64_t kEvery = RecentPast::kEveryNs;

class RecentPastTest : public testing::Test {
 protected:
  void counted(std::int64_t more) {
    Tally tally;
    tally.states[kEstablished].opened = more;
    past.tally(tally);
  }
  void surveyed(std::uint64_t sockets) {
    std::array<std::uint64_t, kStateCount> population{};
    population[kEstablished] = sockets;
    past.survey(population);
  }
  /// One interval later.
  void point() {
    now += kEvery;
    past.add_point(now, static_cast<std::int64_t>(now) + 7, totals);
  }
  std::vector<std::optional<std::uint64_t>> established() const {
    std::vector<std::optional<std::uint64_t>> all;
    for (const PastPoint& one : past.points()) all.push_back(one.sockets[kEstablished]);
    return all;
  }
  using Numbers = std::vector<std::optional<std::uint64_t>>;

  RecentPast past;
  Totals totals;
  std::uint64_t now = 100 * kEvery;
};

TEST_F(RecentPastTest, APointIsDueOnceInAnInterval) {
  EXPECT_TRUE(past.is_due(now));
  point();
  EXPECT_FALSE(past.is_due(now));
  EXPECT_FALSE(past.is_due(now + kEvery - 1));
  EXPECT_TRUE(past.is_due(now + kEvery));
}

TEST_F(RecentPastTest, WhatNobodyListedIsNotKnown) {
  counted(5);
  point();
  EXPECT_EQ(established(), (Numbers{std::nullopt}));
}

TEST_F(RecentPastTest, BetweenSurveysTheSumsAreCountedOn) {
  counted(5);
  surveyed(5);
  point();
  counted(2);
  point();
  counted(-4);
  point();
  EXPECT_EQ(established(), (Numbers{5, 7, 3}));
}

/// Four ends were hidden. Nobody knows when: each point goes by the survey next to it.
TEST_F(RecentPastTest, ASurveySetsRightWhatIsCounted) {
  counted(10);
  surveyed(10);
  for (int i = 0; i < 5; ++i) point();
  surveyed(6);
  EXPECT_EQ(established(), (Numbers{10, 10, 10, 6, 6}));
}

TEST_F(RecentPastTest, WhatWouldBeLessThanNoneIsNotKnown) {
  counted(10);
  surveyed(10);
  point();
  counted(-9);
  point();
  counted(9);
  surveyed(3);
  EXPECT_EQ(established(), (Numbers{10, std::nullopt}));
}

TEST_F(RecentPastTest, TheSurveyBeforeAllPointsHoldsAsLongAsThereIsNoOther) {
  surveyed(3);
  for (std::size_t i = 0; i < 3 * RecentPast::kPoints; ++i) point();
  EXPECT_EQ(established(), Numbers(RecentPast::kPoints, 3));
  surveyed(4);
  EXPECT_EQ(established(), Numbers(RecentPast::kPoints, 4)) << "that was long ago";
}

TEST_F(RecentPastTest, TenMinutesAreKeptAndNoMore) {
  for (std::size_t i = 0; i < 3 * RecentPast::kPoints; ++i) point();
  const auto points = past.points();
  ASSERT_EQ(points.size(), RecentPast::kPoints);
  EXPECT_EQ(points.back().wall_ns, static_cast<std::int64_t>(now) + 7);
  EXPECT_EQ(points.back().wall_ns - points.front().wall_ns, 595'000'000'000);
}

TEST_F(RecentPastTest, OfATimeInWhichNobodyCountedThereIsNoPoint) {
  point();
  now += 60 * kEvery;
  EXPECT_TRUE(past.is_due(now));
  point();
  const auto points = past.points();
  ASSERT_EQ(points.size(), 2U);
  EXPECT_EQ(points[1].wall_ns - points[0].wall_ns, static_cast<std::int64_t>(61 * kEvery));
}

TEST_F(RecentPastTest, ItTellsHowManyOpenedAndEndedUntilThen) {
  totals.transitions[static_cast<std::size_t>(State::Close)]
                    [static_cast<std::size_t>(State::SynSent)] = 4;
  totals.transitions[static_cast<std::size_t>(State::Listen)]
                    [static_cast<std::size_t>(State::SynRecv)] = 3;
  totals.ends[static_cast<std::size_t>(Reason::None)][1] = 2;
  totals.ends[static_cast<std::size_t>(Reason::Timeout)][0] = 1;
  point();
  EXPECT_EQ(past.points()[0].opened, 7U);
  EXPECT_EQ(past.points()[0].ended, 3U);
}

}  // namespace
}  // namespace tcpdwell
