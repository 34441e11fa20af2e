// SPDX-License-Identifier: BSD-2-Clause
#include "routes/state_exchange.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "util/host_clock.h"

namespace tcpdwell {
namespace {

constexpr std::uint64_t kMillisecond = 1'000'000, kSecond = 1000 * kMillisecond;
constexpr std::uint64_t kBetweenNs = kSecond / 4;
/// A survey that costs no more is waited for.
constexpr std::int64_t kQuickNs = 80'000'000;
/// A dear one, so old, is made again without being asked for while somebody asks now and then: then
/// nobody waits, and the last one is told, with how old it is.
constexpr std::uint64_t kOldNs = 10 * kSecond;
constexpr std::uint64_t kAskedLatelyNs = 180 * kSecond;
/// And one so old is not told to who has not asked lately.
constexpr std::uint64_t kOldestToldNs = 20 * kSecond;
constexpr std::uint64_t kListKeptNs = 5 * kSecond;

bool lists(const SurveyWish& wish) { return wish.states != 0; }

}  // namespace

StateExchange::State StateExchange::get(std::uint64_t since_ns, const SurveyWish& wish) {
  const std::lock_guard lock(mutex_);
  if (since_ns > asked_ns_) asked_before_ns_ = std::exchange(asked_ns_, since_ns);
  if (!lists(wish)) {
    if (newest_ && (surveying_ || newest_->mono_ns >= since_ns)) return newest_;
    wanted_ = true;
    return nullptr;
  }
  const auto found = std::find_if(lists_.rbegin(), lists_.rend(), [&](const State& state) {
    return state->wish == wish && state->survey.mono_ns >= since_ns;
  });
  if (found != lists_.rend()) return *found;
  if (wishes_.size() < kMostLists &&
      std::find(wishes_.begin(), wishes_.end(), wish) == wishes_.end())
    wishes_.push_back(wish);
  return nullptr;
}

bool SurveyBudget::allows(std::uint64_t now_ns) {
  const std::uint64_t passed = now_ns - credited_ns_;
  credited_ns_ = now_ns;
  credit_ns_ = std::min<std::int64_t>(
      credit_ns_ + static_cast<std::int64_t>(std::min(passed, kOverNs) / share_), most_);
  return credit_ns_ > 0;
}

void SurveyBudget::spend(std::uint64_t cost_ns) {
  last_ns_ = static_cast<std::int64_t>(cost_ns);
  credit_ns_ -= last_ns_;
}

StateExchange::Task StateExchange::next(std::uint64_t now_ns) {
  const Task task = choose(now_ns);
  const std::lock_guard lock(mutex_);
  surveying_ = task.wish && of_numbers_.last_ns() > kQuickNs;
  return task;
}

StateExchange::Task StateExchange::choose(std::uint64_t now_ns) {
  std::vector<State> old;  // freed when the lock is not held any more
  const std::lock_guard lock(mutex_);
  while (!lists_.empty() && (now_ns - lists_.front()->mono_ns >= kListKeptNs ||
                             (!wishes_.empty() && lists_in_use() >= kMostLists))) {
    old.push_back(std::move(lists_.front()));
    lists_.pop_front();
  }
  if (!wishes_.empty() && now_ns - surveyed_ns_ >= kBetweenNs && lists_in_use() < kMostLists &&
      of_lists_.allows(now_ns))
    return {true, wishes_.front(), false};
  if (!std::exchange(begun_, true)) return {true, SurveyWish{}, false};
  if (!wanted_ && is_expected(now_ns) && of_numbers_.allows(now_ns))
    return {true, SurveyWish{}, true};
  if (!wanted_ || (newest_ && now_ns - newest_->mono_ns < kBetweenNs)) return {};
  const bool may = of_numbers_.allows(now_ns);
  if (may && (is_worth_a_wait(now_ns) || of_numbers_.last_ns() <= kQuickNs))
    return {true, SurveyWish{}, false};
  return {true, may ? std::optional(SurveyWish{}) : std::nullopt, true};
}

bool StateExchange::is_expected(std::uint64_t now_ns) const {
  return of_numbers_.last_ns() > kQuickNs && asked_ns_ != 0 &&
         now_ns - asked_ns_ < kAskedLatelyNs && now_ns - surveyed_ns_ >= kOldNs;
}

bool StateExchange::is_worth_a_wait(std::uint64_t now_ns) const {
  const bool asked_lately = asked_before_ns_ != 0 && asked_ns_ - asked_before_ns_ < kAskedLatelyNs;
  return !asked_lately && now_ns - surveyed_ns_ >= kOldestToldNs;
}

void StateExchange::surveyed(const Survey& survey, bool list) {
  surveyed_ns_ = survey.mono_ns + survey.took_ns;
  (list ? of_lists_ : of_numbers_).spend(survey.cost_ns);
  const std::lock_guard lock(mutex_);
  surveying_ = false;
}

void StateExchange::put(State state) {
  State old;
  const std::lock_guard lock(mutex_);
  if (!wishes_.empty() && lists(state->wish) && wishes_.front() == state->wish) {
    wishes_.pop_front();
    lists_.push_back(state);
    lists_made_.push_back(state);
  }
  wanted_ = false;
  old = std::exchange(newest_, std::move(state));
}

std::size_t StateExchange::lists_in_use() {
  std::erase_if(lists_made_, [](const auto& made) { return made.expired(); });
  return lists_made_.size();
}

}  // namespace tcpdwell
