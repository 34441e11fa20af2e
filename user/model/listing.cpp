// SPDX-License-Identifier: BSD-2-Clause
#include "model/listing.h"

#include <algorithm>
#include <tuple>
#include <utility>

namespace tcpdwell {

std::string CgroupName::label() const {
  const std::string digits = container.substr(0, 12);
  if (!pod_name.empty()) {
    const std::string& of_pod = container_name.empty() ? digits : container_name;
    return pod_namespace + "/" + pod_name + (of_pod.empty() ? "" : "/" + of_pod);
  }
  if (!container_name.empty()) return container_name;
  if (!container.empty()) return "container:" + digits;
  if (!machine.empty()) return "machine:" + machine;
  if (!unit.empty()) return unit;
  return path;
}

void HolderTable::sort() {
  const auto key = [](const auto& entry) { return std::pair(entry.first, entry.second.pid); };
  std::stable_sort(all_.begin(), all_.end(),
                   [&](const auto& a, const auto& b) { return key(a) < key(b); });
  all_.erase(std::unique(all_.begin(), all_.end(),
                         [&](const auto& a, const auto& b) { return key(a) == key(b); }),
             all_.end());
  std::sort(open_.begin(), open_.end());
}

HolderTable::Entries::const_iterator HolderTable::begin_of(std::uint64_t cookie) const {
  return std::lower_bound(
      all_.begin(), all_.end(), cookie,
      [](const auto& entry, std::uint64_t wanted) { return entry.first < wanted; });
}

bool HolderTable::knows(std::uint64_t cookie) const {
  const auto at = begin_of(cookie);
  return at != all_.end() && at->first == cookie;
}

Holders HolderTable::holders_of(const Live& live, bool all) const {
  Holders holders;
  const std::uint64_t cookie = live.file_cookie;
  std::vector<Holder>& first = holders.first.all;
  for (auto at = begin_of(cookie); cookie != 0 && at != all_.end() && at->first == cookie; ++at) {
    if (first.size() < Holders::kMost)
      first.push_back(at->second);
    else
      ++holders.more;
  }
  holders.held = live.held;
  if (!first.empty())
    holders.held = Held::Process;
  else if (live.held == Held::Process)
    holders.held = all && std::binary_search(open_.begin(), open_.end(), cookie) ? Held::Nobody
                                                                                 : Held::Unknown;
  holders.first.known = holders.held != Held::Unknown;
  return holders;
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
