// SPDX-License-Identifier: BSD-2-Clause
#include "routes/state_exchange.h"

#include <gtest/gtest.h>

#include <memory>

namespace tcpdwell {
namespace {

constexpr std::uint64_t kMillisecond = 1'000'000, kSecond = 1000 * kMillisecond;

class Exchange : public testing::Test {
 protected:
  /// The tracing thread at `seconds`: whether it has surveyed, which took `cost_ns`.
  bool surveys_at(std::uint64_t seconds, std::uint64_t cost_ns) {
    const StateExchange::Task task = exchange_.next(seconds * kSecond);
    if (task.make) {
      auto state = std::make_shared<LiveState>();
      state->mono_ns = seconds * kSecond;
      exchange_.put(std::move(state));
    }
    if (!task.wish) return false;
    Survey survey;
    survey.mono_ns = seconds * kSecond;
    survey.cost_ns = cost_ns;
    exchange_.surveyed(survey, false);
    return true;
  }
  void ask_at(std::uint64_t seconds) { exchange_.get(seconds * kSecond, SurveyWish{}); }

  StateExchange exchange_;
};

TEST_F(Exchange, TheFirstSurveyIsMadeBeforeAnybodyAsks) {
  EXPECT_TRUE(surveys_at(1, 200 * kMillisecond));
  EXPECT_FALSE(surveys_at(2, 0));
  EXPECT_FALSE(surveys_at(100, 0)) << "nobody has asked";
}

TEST_F(Exchange, ADearOneIsMadeBeforeWhoAsksNowAndThenAsksAgain) {
  ASSERT_TRUE(surveys_at(1, 200 * kMillisecond));
  ask_at(2);
  EXPECT_TRUE(surveys_at(2, 200 * kMillisecond));
  EXPECT_FALSE(surveys_at(7, 0));
  EXPECT_TRUE(surveys_at(13, 200 * kMillisecond));
  EXPECT_TRUE(surveys_at(24, 200 * kMillisecond));
  EXPECT_FALSE(surveys_at(183, 0)) << "nobody has asked for three minutes";
}

TEST_F(Exchange, NobodyWaitsForADearOne) {
  ASSERT_TRUE(surveys_at(1, 200 * kMillisecond));
  ask_at(2);
  ASSERT_TRUE(surveys_at(2, 200 * kMillisecond));
  ASSERT_TRUE(exchange_.next(13 * kSecond).wish) << "begun, and not over";
  const auto meanwhile = exchange_.get(14 * kSecond, SurveyWish{});
  ASSERT_TRUE(meanwhile);
  EXPECT_EQ(meanwhile->mono_ns, 2 * kSecond);
  Survey survey;
  survey.mono_ns = 13 * kSecond;
  exchange_.surveyed(survey, false);
  EXPECT_FALSE(exchange_.get(15 * kSecond, SurveyWish{}));
}

TEST_F(Exchange, WhoAsksAgainAndAgainIsToldAnOldOneWhereTheTimeIsSpent) {
  ASSERT_TRUE(surveys_at(1, 3 * kSecond));
  for (std::uint64_t s = 2; s < 90; s += 5) {
    ask_at(s);
    EXPECT_FALSE(surveys_at(s, 0)) << s;
    ASSERT_TRUE(exchange_.get(s * kSecond, SurveyWish{})) << "after " << s << " s nobody is told";
  }
  EXPECT_TRUE(surveys_at(93, 3 * kSecond)) << "nobody has to ask for that one";
}

TEST_F(Exchange, WhoHasNotAskedForLongWaitsForOne) {
  ASSERT_TRUE(surveys_at(1, 500 * kMillisecond));
  ask_at(300);
  const StateExchange::Task task = exchange_.next(300 * kSecond);
  EXPECT_TRUE(task.make && task.wish && !task.later);
}

TEST_F(Exchange, ACheapOneIsMadeWhenSomebodyAsks) {
  ASSERT_TRUE(surveys_at(1, 5 * kMillisecond));
  ask_at(2);
  EXPECT_TRUE(surveys_at(2, 5 * kMillisecond));
  EXPECT_FALSE(surveys_at(13, 0));
}

}  // namespace
}  // namespace tcpdwell
