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
/// Of a processor's time surveys take one part in so many, and those with a list, which are asked
/// for more rarely.
constexpr std::uint64_t kShare = 33, kListShare = 8;
/// A survey that takes no longer is waited for; else the last one is told, with how old it is, and
/// a new one made for whoever asks next.
constexpr std::uint64_t kQuickNs = 30 * kMillisecond;
constexpr std::uint64_t kOldestToldNs = 20 * kSecond;
constexpr std::uint64_t kListKeptNs = 5 * kSecond;

bool lists(const SurveyWish& wish) { return wish.states != 0; }

}  // namespace

StateExchange::State StateExchange::get(std::uint64_t since_ns, const SurveyWish& wish) {
  const std::lock_guard lock(mutex_);
  if (!lists(wish)) {
    if (newest_ && newest_->mono_ns >= since_ns) return newest_;
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

bool StateExchange::may_survey(std::uint64_t now_ns, bool list) const {
  const std::uint64_t rest = list ? list_cost_ns_ * kListShare : survey_cost_ns_ * kShare;
  return surveyed_ns_ == 0 || now_ns - surveyed_ns_ >= std::max(rest, kBetweenNs);
}

StateExchange::Task StateExchange::next(std::uint64_t now_ns) {
  std::vector<State> old;  // freed when the lock is not held any more
  const std::lock_guard lock(mutex_);
  while (!lists_.empty() && (now_ns - lists_.front()->mono_ns >= kListKeptNs ||
                             (!wishes_.empty() && lists_in_use() >= kMostLists))) {
    old.push_back(std::move(lists_.front()));
    lists_.pop_front();
  }
  if (!wishes_.empty() && may_survey(now_ns, true) && lists_in_use() < kMostLists)
    return {true, wishes_.front(), false};
  if (!wanted_ || (newest_ && now_ns - newest_->mono_ns < kBetweenNs)) return {};
  const bool may = may_survey(now_ns, false);
  if (survey_cost_ns_ <= kQuickNs || now_ns - surveyed_ns_ >= kOldestToldNs)
    return may ? Task{true, SurveyWish{}, false} : Task{};
  return {true, may ? std::optional(SurveyWish{}) : std::nullopt, true};
}

void StateExchange::surveyed(const Survey& survey, bool list) {
  surveyed_ns_ = survey.mono_ns + survey.took_ns;
  (list ? list_cost_ns_ : survey_cost_ns_) = survey.cost_ns;
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
