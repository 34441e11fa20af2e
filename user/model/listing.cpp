// SPDX-License-Identifier: BSD-2-Clause
#include "model/listing.h"

#include <algorithm>
#include <tuple>
#include <utility>

namespace tcpdwell {

std::string CgroupName::label() const {
  if (!container.empty()) return "container:" + container.substr(0, 12);
  if (!unit.empty()) return unit;
  return path;
}

void sort_oldest_first(std::vector<Listed>& sockets) {
  const auto rank = [](const Listed& one) {
    const Dwell& age = one.seed.age;
    const bool known = age.bound != Bound::Unknown;
    return std::tuple(!known, known ? ~age.ns : 0, one.seed.socket.id.cookie);
  };
  // A socket is large: each is moved once.
  std::vector<std::pair<decltype(rank(sockets.front())), Listed*>> order;
  order.reserve(sockets.size());
  for (Listed& one : sockets) order.emplace_back(rank(one), &one);
  std::sort(order.begin(), order.end(), [](const auto& a, const auto& b) { return a.first < b.first; });
  std::vector<Listed> sorted;
  sorted.reserve(sockets.size());
  for (const auto& [by, one] : order) sorted.push_back(std::move(*one));
  sockets = std::move(sorted);
}

}  // namespace tcpdwell
