// SPDX-License-Identifier: BSD-2-Clause
/// A comparison in a sentence. Pure.
#pragma once

#include <string>

#include "model/comparison.h"

namespace tcpdwell {

/// Whether two counts differ in their rates by more than chance would make them (95 %).
bool rates_differ(std::uint64_t before, std::uint64_t before_ns, std::uint64_t after,
                  std::uint64_t after_ns);

/// "connections opened: 300/s in A, 0.3/s in B; ESTABLISHED lasts longer: median 1.20ms in A, 20.0s
/// in B".
/// What is not certain is not said; where nothing is, that.
std::string headline_of(const Comparison& comparison);

}  // namespace tcpdwell
