// SPDX-License-Identifier: BSD-2-Clause
#include "aggregate/timeline.h"

#include <algorithm>
#include <limits>

namespace tcpdwell {
namespace {

constexpr std::int64_t kMostIntervals = 480;

std::int64_t floor_div(std::int64_t a, std::int64_t b) { return a / b - (a % b < 0); }

}  // namespace

Timeline::Interval& Timeline::at(std::int64_t wall_ns) {
  if (last_ != nullptr && wall_ns >= last_begin_ns_ && wall_ns < last_end_ns_) return *last_;
  const auto number = [&] { return floor_div(wall_ns, width_ns_); };
  while (!intervals_.empty() &&
         std::max(number(), newest()) - std::min(number(), first_) >= kMostIntervals)
    widen();
  last_ = &interval(number());
  last_begin_ns_ = begin_of(number());
  last_end_ns_ = begin_of(number() + 1);
  return *last_;
}

std::int64_t Timeline::newest() const {
  return first_ + static_cast<std::int64_t>(intervals_.size()) - 1;
}

Timeline::Interval& Timeline::interval(std::int64_t number) {
  if (intervals_.empty()) first_ = number;
  if (number < first_) {
    intervals_.insert(intervals_.begin(), static_cast<std::size_t>(first_ - number), {});
    first_ = number;
  }
  if (number > newest()) intervals_.resize(static_cast<std::size_t>(number - first_) + 1);
  return intervals_[static_cast<std::size_t>(number - first_)];
}

std::int64_t Timeline::begin_of(std::int64_t number) const {
  using Limits = std::numeric_limits<std::int64_t>;
  std::int64_t begin = 0;
  if (!__builtin_mul_overflow(number, width_ns_, &begin)) return begin;
  return number < 0 ? Limits::min() : Limits::max();
}

void Timeline::widen() {
  width_ns_ *= 2;
  const std::int64_t first = floor_div(first_, 2);
  std::vector<Interval> wider(static_cast<std::size_t>(floor_div(newest(), 2) - first) + 1);
  for (std::size_t at = 0; at < intervals_.size(); ++at) {
    const std::int64_t number = floor_div(first_ + static_cast<std::int64_t>(at), 2);
    Interval& into = wider[static_cast<std::size_t>(number - first)];
    into.opens += intervals_[at].opens;
    into.closes += intervals_[at].closes;
    for (std::size_t i = 0; i < kStateCount; ++i) into.change[i] += intervals_[at].change[i];
  }
  intervals_ = std::move(wider);
  first_ = first;
  last_ = nullptr;
}

void Timeline::move(std::int64_t wall_ns, std::optional<State> from, std::optional<State> to) {
  if (from == to) return;
  Interval& interval = at(wall_ns);
  if (from) --interval.change[static_cast<std::size_t>(*from)];
  if (to) ++interval.change[static_cast<std::size_t>(*to)];
}

Series Timeline::take() const {
  Series series;
  if (intervals_.empty()) return series;
  series.start_wall_ns = begin_of(first_);
  series.width_ns = static_cast<std::uint64_t>(width_ns_);
  std::array<std::int64_t, kStateCount> now{};
  for (const Interval& interval : intervals_) {
    SeriesPoint point{interval.opens, interval.closes, {}};
    for (std::size_t i = 0; i < kStateCount; ++i) {
      now[i] += interval.change[i];
      // Lines out of order by a quarter of a second may leave before they enter.
      point.population[i] = static_cast<std::uint64_t>(std::max<std::int64_t>(now[i], 0));
    }
    series.points.push_back(point);
  }
  return series;
}

}  // namespace tcpdwell
