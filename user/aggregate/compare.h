// SPDX-License-Identifier: BSD-2-Clause
/// From the summaries of two traces to what differs. Pure.
#pragma once

#include <vector>

#include "model/comparison.h"

namespace tcpdwell {

/// The `percent` quantile and its 95 % interval; no interval where there are too few values for it.
Quantile quantile_of(const Histogram& histogram, double percent);
/// Fewer values than that have intervals in which a doubling could hide.
inline constexpr std::uint64_t kFewestForNoDifference = 30;
/// A difference is one that the intervals, and what a histogram rounds, leave between them.
Shift compare_quantile(const Histogram& before, const Histogram& after, double percent);

/// Rows by the same keys, matched; those of one side alone are there too, with a count of 0.
std::vector<ComparedRow> compare_rows(const Summary& before, const Summary& after);
/// Of rows that hold counts alone.
std::vector<ComparedOpens> compare_opens(const std::vector<Row>& opened_before,
                                         const std::vector<Row>& opened_after,
                                         const std::vector<Row>& accepted_before,
                                         const std::vector<Row>& accepted_after);
std::vector<ComparedCount> compare_counts(const Summary& before, const Summary& after);

}  // namespace tcpdwell
