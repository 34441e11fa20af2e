// SPDX-License-Identifier: BSD-2-Clause
#include "model/totals.h"

#include <algorithm>

namespace tcpdwell {
namespace {

void add_ns(std::uint64_t& sum_s, std::uint64_t& sum_ns, std::uint64_t more_ns) {
  constexpr std::uint64_t kSecond = 1'000'000'000;
  sum_ns += more_ns % kSecond;
  sum_s += more_ns / kSecond + sum_ns / kSecond;
  sum_ns %= kSecond;
}

}  // namespace

void DwellTotals::add(const Tally::OfState& since) {
  for (std::size_t i = 0; i < buckets.size(); ++i) buckets[i] += since.within[i];
  add_ns(sum_s, sum_ns, since.exact.total().value_or(0));
  at_least += since.at_least;
  unknown += since.unknown;
  exact.merge(since.exact);
}

void LifeTotals::add(const Dwell& life) {
  if (life.bound != Bound::Exact) {
    ++unknown;
    return;
  }
  const auto bucket = std::lower_bound(kBucketBounds.begin(), kBucketBounds.end(), life.ns);
  ++buckets[static_cast<std::size_t>(bucket - kBucketBounds.begin())];
  add_ns(sum_s, sum_ns, life.ns);
}

void Totals::add(const Tally& tally) {
  for (std::size_t state = 0; state < kStateCount; ++state) dwells[state].add(tally.states[state]);
  not_accepted.add(tally.not_accepted);
  transitions = tally.transitions;
  ends = tally.ends;
}

}  // namespace tcpdwell
