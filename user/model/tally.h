// SPDX-License-Identifier: BSD-2-Clause
/// What the kernel side counted itself, where no event tells of it.
#pragma once

#include <array>
#include <cstdint>

#include "model/histogram.h"
#include "model/state.h"

namespace tcpdwell {

/// Since the tally before it; indexed with State.
struct Tally {
  struct OfState {
    Histogram exact;
    std::uint64_t at_least = 0, unknown = 0;  ///< dwells that are a lower bound, or not known
    std::int64_t opened = 0;  ///< sockets that came into the state less those that left it
  };
  std::array<OfState, kStateCount> states;
};

}  // namespace tcpdwell
