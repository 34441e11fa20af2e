// SPDX-License-Identifier: BSD-2-Clause
#include "aggregate/connections.h"

#include <algorithm>
#include <functional>

namespace tcpdwell {
namespace {

bool ranks_higher(const std::pair<std::uint64_t, ConnectionRow>& a,
                  const std::pair<std::uint64_t, ConnectionRow>& b) {
  return a.first > b.first;
}

/// Of the connection alone, so that a trace always has the same sample: it finds nothing in a
/// table.
std::uint64_t lot(const std::string& host, const ConnId& id) {
  std::uint64_t hash = std::hash<std::string>()(host) ^ id.cookie ^ std::uint64_t{id.use} << 48;
  for (const std::uint64_t factor : {0x9e3779b97f4a7c15U, 0xbf58476d1ce4e5b9U}) {
    hash *= factor;
    hash ^= hash >> 31;
  }
  return hash;
}

std::int64_t began(const ConnectionRow& row) { return row.begin_wall_ns.value_or(INT64_MIN); }

}  // namespace

void TopRows::add(std::uint64_t rank, ConnectionRow row) {
  rows_.emplace_back(rank, std::move(row));
  std::push_heap(rows_.begin(), rows_.end(), ranks_higher);
  if (rows_.size() <= most_) return;
  std::pop_heap(rows_.begin(), rows_.end(), ranks_higher);
  rows_.pop_back();
}

std::vector<ConnectionRow> TopRows::take() const {
  auto ranked = rows_;
  std::sort(ranked.begin(), ranked.end(), ranks_higher);
  std::vector<ConnectionRow> rows;
  rows.reserve(ranked.size());
  for (auto& [rank, row] : ranked) rows.push_back(std::move(row));
  return rows;
}

Connections::Connections(ConnectionLimits limits)
    : sampling_(limits.sample > 0),
      slowest_(limits.slowest),
      stuck_(limits.stuck),
      sample_(limits.sample) {}

void Connections::finished(const std::string& host, const Followed& followed,
                           const Transition& last) {
  ++seen_;
  const bool slow = last.life_ns && slowest_.wants(*last.life_ns);
  const std::uint64_t rank = sampling_ ? lot(host, last.socket.id) : 0;
  const bool sampled = sampling_ && sample_.wants(rank);
  if (!slow && !sampled) return;
  ConnectionRow row = finished_row(host, followed, last);
  if (slow) slowest_.add(*last.life_ns, row);
  if (sampled) sample_.add(rank, std::move(row));
}

void Connections::open_at_end(const std::string& host, const Followed& followed,
                              std::int64_t end_wall_ns) {
  if (followed.state == State::Listen) return;
  ++seen_;
  const std::uint64_t age = followed.age(end_wall_ns).ns;
  // TIME_WAIT passes by itself; nobody waits for it.
  const bool stuck = followed.state != State::TimeWait && stuck_.wants(age);
  const std::uint64_t rank = sampling_ ? lot(host, followed.socket.id) : 0;
  const bool sampled = sampling_ && sample_.wants(rank);
  if (!stuck && !sampled) return;
  ConnectionRow row = open_row(host, followed, end_wall_ns);
  if (stuck) stuck_.add(age, row);
  if (sampled) sample_.add(rank, std::move(row));
}

void Connections::take(Analysis& into) const {
  into.slowest = slowest_.take();
  into.stuck = stuck_.take();
  into.sample = sample_.take();
  std::stable_sort(
      into.sample.begin(), into.sample.end(),
      [](const ConnectionRow& a, const ConnectionRow& b) { return began(a) < began(b); });
  into.connections = seen_;
}

}  // namespace tcpdwell
