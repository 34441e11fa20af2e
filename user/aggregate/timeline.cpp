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
  std::int64_t number = floor_div(wall_ns, width_ns_);
  while (!intervals_.empty() && std::max(number, intervals_.rbegin()->first) -
                                        std::min(number, intervals_.begin()->first) >=
                                    kMostIntervals) {
    widen();
    number = floor_div(wall_ns, width_ns_);
  }
  last_ = &intervals_[number];
  last_begin_ns_ = begin_of(number);
  last_end_ns_ = begin_of(number + 1);
  return *last_;
}

std::int64_t Timeline::begin_of(std::int64_t number) const {
  using Limits = std::numeric_limits<std::int64_t>;
  if (number < Limits::min() / width_ns_) return Limits::min();
  if (number > Limits::max() / width_ns_) return Limits::max();
  return number * width_ns_;
}

void Timeline::widen() {
  width_ns_ *= 2;
  std::map<std::int64_t, Interval> wider;
  for (const auto& [number, interval] : intervals_) {
    Interval& into = wider[floor_div(number, 2)];
    into.opens += interval.opens;
    into.closes += interval.closes;
    for (std::size_t i = 0; i < kStateCount; ++i) into.change[i] += interval.change[i];
  }
  intervals_ = std::move(wider);
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
  const std::int64_t first = intervals_.begin()->first;
  series.start_wall_ns = begin_of(first);
  series.width_ns = static_cast<std::uint64_t>(width_ns_);
  std::array<std::int64_t, kStateCount> now{};
  for (const auto& [number, interval] : intervals_) {
    while (static_cast<std::int64_t>(series.points.size()) < number - first) {
      SeriesPoint quiet;
      if (!series.points.empty()) quiet.population = series.points.back().population;
      series.points.push_back(quiet);
    }
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
