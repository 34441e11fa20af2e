// SPDX-License-Identifier: BSD-2-Clause
#include "model/listing.h"

#include <algorithm>
#include <tuple>

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
  std::sort(sockets.begin(), sockets.end(), [&](const Listed& a, const Listed& b) { return rank(a) < rank(b); });
}

}  // namespace tcpdwell
