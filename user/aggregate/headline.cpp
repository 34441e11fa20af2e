// SPDX-License-Identifier: BSD-2-Clause
#include "aggregate/headline.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "util/duration.h"

namespace tcpdwell {
namespace {

constexpr double kTwoSided95 = 1.96;
/// Below, the normal distribution is no guide to counts.
constexpr std::uint64_t kFewest = 10;

std::optional<double> rate_of(std::uint64_t count, std::uint64_t ns) {
  if (ns == 0) return std::nullopt;
  return static_cast<double>(count) * 1e9 / static_cast<double>(ns);
}

/// "connections opened: 300/s in A, 0.3/s in B".
std::string rates(const Comparison& c) {
  const auto differ = [&](std::uint64_t ComparedSide::*count) {
    return rates_differ(c.before.*count, c.before.duration_ns(), c.after.*count,
                        c.after.duration_ns());
  };
  const auto say = [&](const char* what, std::uint64_t ComparedSide::*count) {
    return fmt::format("{} {} in A, {} in B", what,
                       human_rate(c.before.*count, c.before.duration_ns()),
                       human_rate(c.after.*count, c.after.duration_ns()));
  };
  if (differ(&ComparedSide::opened)) return say("connections opened:", &ComparedSide::opened);
  if (differ(&ComparedSide::accepted)) return say("connections accepted:", &ComparedSide::accepted);
  return "";
}

/// The first row, whose difference is the largest.
std::string dwells(const Comparison& c) {
  if (c.rows.empty()) return "";
  const ComparedRow& row = c.rows.front();
  for (const auto& [name, shift] : {std::pair("median", &row.p50), std::pair("p99", &row.p99)}) {
    if (shift->verdict != Verdict::Longer && shift->verdict != Verdict::Shorter) continue;
    return fmt::format("{} lasts {}: {} {} in A, {} in B", fmt::join(row.keys, " "),
                       text_of(shift->verdict), name, human_duration(*shift->before.ns),
                       human_duration(*shift->after.ns));
  }
  return "";
}

}  // namespace

bool rates_differ(std::uint64_t before, std::uint64_t before_ns, std::uint64_t after,
                  std::uint64_t after_ns) {
  const auto a = rate_of(before, before_ns), b = rate_of(after, after_ns);
  if (!a || !b || std::max(before, after) < kFewest) return false;
  const auto variance = [](std::uint64_t count, std::uint64_t ns) {
    return static_cast<double>(std::max<std::uint64_t>(count, 1)) * 1e18 /
           (static_cast<double>(ns) * static_cast<double>(ns));
  };
  return std::abs(*a - *b) >
         kTwoSided95 * std::sqrt(variance(before, before_ns) + variance(after, after_ns));
}

std::string headline_of(const Comparison& c) {
  const std::string first = rates(c), second = dwells(c);
  if (first.empty() && second.empty()) return "no difference between A and B is certain";
  return first + (first.empty() || second.empty() ? "" : "; ") + second;
}

}  // namespace tcpdwell
