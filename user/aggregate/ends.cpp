// SPDX-License-Identifier: BSD-2-Clause
#include "aggregate/ends.h"

#include <algorithm>
#include <tuple>

namespace tcpdwell {

void Ends::add(const Transition& t) {
  if (!t.last() || t.from == State::Listen) return;
  const Closer closer = closer_of(t.path, t.reason);
  auto& row =
      rows_[static_cast<std::size_t>(t.reason) * kClosers + static_cast<std::size_t>(closer)];
  if (!row) row = std::make_unique<EndRow>(EndRow{t.reason, closer, 0, {}, false});
  ++row->count;
  if (t.life_ns) row->life.add(*t.life_ns);
}

std::vector<EndRow> Ends::take(const TimeWaits& waits) const {
  std::vector<EndRow> rows;
  for (const auto& row : rows_)
    if (row) rows.push_back(*row);
  for (std::size_t closer = 0; closer < kClosers; ++closer)
    if (waits[closer] > 0)
      rows.push_back({Reason::None, static_cast<Closer>(closer), waits[closer], {}, true});
  std::stable_sort(rows.begin(), rows.end(),
                   [](const EndRow& a, const EndRow& b) { return a.count > b.count; });
  return rows;
}

void Edges::add(const Transition& t) {
  auto& edge =
      edges_[static_cast<std::size_t>(t.from) * kStateCount + static_cast<std::size_t>(t.to)];
  if (!edge) edge = std::make_unique<Edge>(Edge{t.from, t.to, 0, {}});
  ++edge->count;
  if (t.ends_a_dwell() && t.dwell.bound == Bound::Exact) edge->dwell.add(t.dwell.ns);
}

std::vector<Edge> Edges::take() const {
  std::vector<Edge> edges;
  for (const State from : kLifeOrder)
    for (const State to : kLifeOrder)
      if (const auto& edge =
              edges_[static_cast<std::size_t>(from) * kStateCount + static_cast<std::size_t>(to)])
        edges.push_back(*edge);
  return edges;
}

}  // namespace tcpdwell
