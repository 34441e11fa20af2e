// SPDX-License-Identifier: BSD-2-Clause
#include "aggregate/recent_past.h"

#include <utility>

namespace tcpdwell {

void RecentPast::tally(const Tally& tally) {
  for (std::size_t s = 0; s < kStateCount; ++s) counted_[s] += tally.states[s].opened;
}

void RecentPast::survey(const std::array<std::uint64_t, kStateCount>& population) {
  newer_.emplace();
  for (std::size_t s = 0; s < kStateCount; ++s)
    (*newer_)[s] = static_cast<std::int64_t>(population[s]) - counted_[s];
}

void RecentPast::add_point(std::uint64_t mono_ns, std::int64_t wall_ns, const Totals& totals) {
  last_ns_ = mono_ns;
  points_.push_back(
      {wall_ns, totals.opened(), totals.ended(), counted_, std::exchange(newer_, std::nullopt)});
  if (points_.size() <= kPoints) return;
  ++since_older_;
  if (points_.front().missed) {
    older_ = points_.front().missed;
    since_older_ = 0;
  }
  points_.pop_front();
}

PastPoint RecentPast::told(const Point& point, const std::optional<PerState>& missed) const {
  PastPoint one{point.wall_ns, point.opened, point.ended, {}};
  for (std::size_t s = 0; missed && s < kStateCount; ++s) {
    const std::int64_t sockets = point.counted[s] + (*missed)[s];
    if (sockets >= 0) one.sockets[s] = static_cast<std::uint64_t>(sockets);
  }
  return one;
}

std::vector<PastPoint> RecentPast::points() const {
  struct Survey {
    std::size_t distance;
    std::optional<PerState> missed;
  };
  // From both sides; of two that are as near the later one.
  std::vector<Survey> next(points_.size());
  Survey nearest{0, newer_};
  for (std::size_t i = points_.size(); i-- > 0;) {
    ++nearest.distance;
    if (points_[i].missed) nearest = {0, points_[i].missed};
    next[i] = nearest;
  }
  std::vector<PastPoint> told_points;
  told_points.reserve(points_.size());
  nearest = {since_older_, older_};
  for (std::size_t i = 0; i < points_.size(); ++i) {
    ++nearest.distance;
    if (points_[i].missed) nearest = {0, points_[i].missed};
    const bool before = nearest.missed && (!next[i].missed || nearest.distance < next[i].distance);
    told_points.push_back(told(points_[i], before ? nearest.missed : next[i].missed));
  }
  return told_points;
}

}  // namespace tcpdwell
