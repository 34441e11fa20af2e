// SPDX-License-Identifier: BSD-2-Clause
#include "model/totals.h"

#include <algorithm>

namespace tcpdwell {

void DwellTotals::add(const Dwell& dwell) {
  constexpr std::uint64_t kSecond = 1'000'000'000;
  if (dwell.bound == Bound::AtLeast) ++at_least;
  if (dwell.bound == Bound::Unknown) ++unknown;
  if (dwell.bound != Bound::Exact) return;
  const auto bound = std::lower_bound(kBucketBounds.begin(), kBucketBounds.end(), dwell.ns);
  ++buckets[static_cast<std::size_t>(bound - kBucketBounds.begin())];
  sum_ns += dwell.ns % kSecond;
  sum_s += dwell.ns / kSecond + sum_ns / kSecond;
  sum_ns %= kSecond;
  exact.add(dwell.ns);
}

}  // namespace tcpdwell
