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
  std::vector<std::pair<decltype(rank(sockets.front())), std::size_t>> order;
  order.reserve(sockets.size());
  for (std::size_t i = 0; i < sockets.size(); ++i) order.emplace_back(rank(sockets[i]), i);
  std::sort(order.begin(), order.end());
  // A socket is large: each is moved once, and memory for all of them again would cost more than
  // that.
  for (std::size_t begin = 0; begin < order.size(); ++begin) {
    if (order[begin].second == begin) continue;
    Listed first = std::move(sockets[begin]);
    std::size_t at = begin;
    for (std::size_t from; (from = order[at].second) != begin; at = from) {
      sockets[at] = std::move(sockets[from]);
      order[at].second = at;
    }
    sockets[at] = std::move(first);
    order[at].second = at;
  }
}

}  // namespace tcpdwell
