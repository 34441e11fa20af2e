// SPDX-License-Identifier: BSD-2-Clause
/// Two traces side by side: before and after a change.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "model/summary.h"
#include "util/names.h"

namespace tcpdwell {

/// What can be said of a quantile before and after.
enum class Verdict : std::uint8_t {
  TooFew,        ///< of one side or both, for an interval, or for no difference to mean something
  NoDifference,  ///< the intervals overlap
  Longer,
  Shorter,
};
constexpr std::string_view text_of(Verdict verdict) {
  constexpr Names<4> kTexts = {"too few to tell", "no difference seen", "longer", "shorter"};
  return entry_of(kTexts, verdict);
}

/// A quantile with its 95 % interval, by order statistics: true of any distribution.
struct Quantile {
  std::optional<std::uint64_t> ns, low, high;
};

struct Shift {
  Quantile before, after;
  Verdict verdict = Verdict::TooFew;
};

struct ComparedRow {
  std::vector<std::string> keys;
  std::uint64_t count_before = 0, count_after = 0;  ///< finished dwells
  std::uint64_t fewest = 0;                         ///< exact dwells of the side that has fewer
  Shift p50, p99;
};

/// How often something happened.
struct ComparedCount {
  std::string what;
  std::uint64_t before = 0, after = 0;
};

struct ComparedSide {
  std::string name;
  std::int64_t start_wall_ns = 0, end_wall_ns = 0;
  std::uint64_t connections = 0;
  LossCounts lost{};
  /// Connections that began within the trace, by this host and towards it; and those that were
  /// there before, which are in no row.
  std::uint64_t opened = 0, accepted = 0, older = 0;
  std::uint64_t duration_ns() const {
    return end_wall_ns > start_wall_ns
               ? static_cast<std::uint64_t>(end_wall_ns) - static_cast<std::uint64_t>(start_wall_ns)
               : 0;
  }
};

/// How many connections began, of those with the same keys.
struct ComparedOpens {
  std::vector<std::string> keys;
  std::uint64_t opened_before = 0, opened_after = 0;
  std::uint64_t accepted_before = 0, accepted_after = 0;
};

struct Comparison {
  ComparedSide before, after;
  std::vector<Key> by;
  std::vector<ComparedRow> rows;    ///< the largest differences first
  std::vector<ComparedCount> ends;  ///< all, the most frequent first
  std::vector<ComparedCount> new_paths, gone_paths;
  std::vector<Key> opens_by;         ///< `by` without what a connection has only later
  std::vector<ComparedOpens> opens;  ///< the most frequent first
  std::string headline;              ///< a sentence
};

}  // namespace tcpdwell
