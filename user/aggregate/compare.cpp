// SPDX-License-Identifier: BSD-2-Clause
#include "aggregate/compare.h"

#include <algorithm>
#include <cmath>
#include <map>

namespace tcpdwell {
namespace {

constexpr double kTwoSided95 = 1.96;
/// A value read back from a histogram is within 1/128 of the truth.
constexpr double kRounding = 1.0 / 128;

/// The value of a rank, 1..count.
std::uint64_t at_rank(const Histogram& histogram, double rank) {
  // A half below the rank, so that no rounding makes it the next one.
  return *histogram.percentile((rank - 0.5) * 100.0 / static_cast<double>(histogram.count()));
}

struct Pair {
  const Row* before = nullptr;
  const Row* after = nullptr;
};

std::map<std::vector<std::string>, Pair> matched(const Summary& before, const Summary& after) {
  std::map<std::vector<std::string>, Pair> pairs;
  for (const Row& row : before.rows) pairs[row.keys].before = &row;
  for (const Row& row : after.rows) pairs[row.keys].after = &row;
  return pairs;
}

double change(const Shift& shift) {
  if (shift.verdict != Verdict::Longer && shift.verdict != Verdict::Shorter) return 0;
  const auto log = [](const Quantile& quantile) {
    return std::log(static_cast<double>(*quantile.ns) + 1);
  };
  return std::abs(log(shift.after) - log(shift.before));
}

}  // namespace

Quantile quantile_of(const Histogram& histogram, double percent) {
  Quantile quantile;
  quantile.ns = histogram.percentile(percent);
  const double n = static_cast<double>(histogram.count()), q = percent / 100;
  const double reach = kTwoSided95 * std::sqrt(n * q * (1 - q));
  const double low = std::floor(n * q - reach), high = std::ceil(n * q + reach) + 1;
  if (n == 0 || low < 1 || high > n) return quantile;
  quantile.low = at_rank(histogram, low);
  quantile.high = at_rank(histogram, high);
  return quantile;
}

Shift compare_quantile(const Histogram& before, const Histogram& after, double percent) {
  Shift shift{quantile_of(before, percent), quantile_of(after, percent), Verdict::TooFew};
  if (!shift.before.low || !shift.after.low) return shift;
  const auto below = [](std::uint64_t high, std::uint64_t low) {
    return static_cast<double>(high) * (1 + kRounding) < static_cast<double>(low) * (1 - kRounding);
  };
  if (std::min(before.count(), after.count()) >= kFewestForNoDifference)
    shift.verdict = Verdict::NoDifference;
  if (below(*shift.before.high, *shift.after.low)) shift.verdict = Verdict::Longer;
  if (below(*shift.after.high, *shift.before.low)) shift.verdict = Verdict::Shorter;
  return shift;
}

std::vector<ComparedRow> compare_rows(const Summary& before, const Summary& after) {
  static const Histogram kNone;
  std::vector<ComparedRow> rows;
  for (const auto& [keys, pair] : matched(before, after)) {
    const Histogram& a = pair.before ? pair.before->exact : kNone;
    const Histogram& b = pair.after ? pair.after->exact : kNone;
    ComparedRow row{keys,
                    pair.before ? pair.before->count() : 0,
                    pair.after ? pair.after->count() : 0,
                    std::min(a.count(), b.count()),
                    compare_quantile(a, b, 50),
                    compare_quantile(a, b, 99)};
    if (row.count_before + row.count_after > 0) rows.push_back(std::move(row));
  }
  const auto weight = [](const ComparedRow& row) {
    return std::max(change(row.p50), change(row.p99));
  };
  const auto waits_for_nobody = [](const ComparedRow& row) {
    return std::find(row.keys.begin(), row.keys.end(), name_of(State::TimeWait)) != row.keys.end();
  };
  std::stable_sort(rows.begin(), rows.end(), [&](const ComparedRow& a, const ComparedRow& b) {
    if (waits_for_nobody(a) != waits_for_nobody(b)) return waits_for_nobody(b);
    if (weight(a) != weight(b)) return weight(a) > weight(b);
    return a.count_before + a.count_after > b.count_before + b.count_after;
  });
  return rows;
}

std::vector<ComparedOpens> compare_opens(const std::vector<Row>& opened_before,
                                         const std::vector<Row>& opened_after,
                                         const std::vector<Row>& accepted_before,
                                         const std::vector<Row>& accepted_after) {
  std::map<std::vector<std::string>, ComparedOpens> by_keys;
  const auto add = [&](const std::vector<Row>& rows, std::uint64_t ComparedOpens::*to) {
    for (const Row& row : rows) by_keys[row.keys].*to += row.count();
  };
  add(opened_before, &ComparedOpens::opened_before);
  add(opened_after, &ComparedOpens::opened_after);
  add(accepted_before, &ComparedOpens::accepted_before);
  add(accepted_after, &ComparedOpens::accepted_after);
  std::vector<ComparedOpens> all;
  for (auto& [keys, opens] : by_keys) {
    opens.keys = keys;
    all.push_back(std::move(opens));
  }
  const auto sum = [](const ComparedOpens& opens) {
    return opens.opened_before + opens.opened_after + opens.accepted_before + opens.accepted_after;
  };
  std::stable_sort(all.begin(), all.end(),
                   [&](const ComparedOpens& a, const ComparedOpens& b) { return sum(a) > sum(b); });
  return all;
}

std::vector<ComparedCount> compare_counts(const Summary& before, const Summary& after) {
  std::vector<ComparedCount> counts;
  for (const auto& [keys, pair] : matched(before, after))
    counts.push_back({keys.front(), pair.before ? pair.before->count() : 0,
                      pair.after ? pair.after->count() : 0});
  std::stable_sort(counts.begin(), counts.end(),
                   [](const ComparedCount& a, const ComparedCount& b) {
                     return a.before + a.after > b.before + b.after;
                   });
  return counts;
}

}  // namespace tcpdwell
