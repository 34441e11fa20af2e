// SPDX-License-Identifier: BSD-2-Clause
#include "aggregate/first_open.h"

#include <algorithm>
#include <compare>
#include <cstring>
#include <tuple>

#include "util/moments.h"

namespace tcpdwell {
namespace {

/// Longer comes first, unknown last.
std::strong_ordering longest_first(const Dwell& a, const Dwell& b) {
  const auto rank = [](const Dwell& d) {
    return d.bound == Bound::Unknown ? std::uint64_t{0} : saturating_add(d.ns, 1);
  };
  return rank(b) <=> rank(a);
}

std::strong_ordering by_endpoint(const Endpoint& a, const Endpoint& b) {
  if (const int order = std::memcmp(a.addr.data(), b.addr.data(), a.addr.size()); order != 0)
    return order <=> 0;
  return a.port <=> b.port;
}

std::strong_ordering by_owner(const Owner& a, const Owner& b) {
  if (const int order = a.comm.view().compare(b.comm.view()); order != 0) return order <=> 0;
  return a.pid.value_or(0) <=> b.pid.value_or(0);
}

std::size_t place_in_life(State state) {
  return static_cast<std::size_t>(std::find(kLifeOrder.begin(), kLifeOrder.end(), state) -
                                  kLifeOrder.begin());
}

std::strong_ordering first_begun_first(const Followed& a, const Followed& b) {
  // One that was there before the trace is older than any that was seen to begin.
  return a.begin_wall_ns.value_or(INT64_MIN) <=> b.begin_wall_ns.value_or(INT64_MIN);
}

}  // namespace

bool FirstOpen::before(const Candidate& a, const Candidate& b) const {
  std::strong_ordering order = std::strong_ordering::equal;
  switch (order_) {
    case OpenOrder::State:
      order = place_in_life(a.followed->state) <=> place_in_life(b.followed->state);
      break;
    case OpenOrder::Age:
      break;
    case OpenOrder::Life:
      order = first_begun_first(*a.followed, *b.followed);
      break;
    case OpenOrder::Owner:
      order = by_owner(a.followed->socket.owner, b.followed->socket.owner);
      break;
    case OpenOrder::Local:
      order = by_endpoint(a.followed->socket.local, b.followed->socket.local);
      break;
    case OpenOrder::Remote:
      order = by_endpoint(a.followed->socket.remote, b.followed->socket.remote);
      break;
  }
  if (std::is_eq(order)) order = longest_first(a.age, b.age);
  if (std::is_neq(order)) return reversed_ ? std::is_gt(order) : std::is_lt(order);
  const ConnId &left = a.followed->socket.id, &right = b.followed->socket.id;
  return std::tie(left.cookie, left.use) < std::tie(right.cookie, right.use);
}

void FirstOpen::add(const Followed& followed, const Dwell& age) {
  ++seen_;
  const auto order = [this](const Candidate& a, const Candidate& b) { return before(a, b); };
  const Candidate candidate{&followed, age};
  if (heap_.size() >= most_) {
    if (heap_.empty() || !before(candidate, heap_.front())) return;
    std::pop_heap(heap_.begin(), heap_.end(), order);
    heap_.pop_back();
  }
  heap_.push_back(candidate);
  std::push_heap(heap_.begin(), heap_.end(), order);
}

std::vector<ConnectionRow> FirstOpen::take(std::int64_t wall_ns) {
  std::sort_heap(heap_.begin(), heap_.end(),
                 [this](const Candidate& a, const Candidate& b) { return before(a, b); });
  std::vector<ConnectionRow> rows;
  for (const Candidate& candidate : heap_)
    rows.push_back(open_row({}, *candidate.followed, wall_ns));
  heap_.clear();
  return rows;
}

}  // namespace tcpdwell
