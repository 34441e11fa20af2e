// SPDX-License-Identifier: BSD-2-Clause
/// Reads what the kernel program counts (include/tcpdwell/tally.h).
#pragma once

#include <tcpdwell/tally.h>

#include <array>
#include <cstdint>
#include <vector>

#include "model/tally.h"
#include "util/result.h"

struct tcpdwell_bpf;

namespace tcpdwell {

/// One reader for each program: it changes whose turn the extremes are. The counters keep their own
/// width, so take() is to be called before one of 32 bits has come round.
class TallyReader {
 public:
  explicit TallyReader(tcpdwell_bpf& skeleton) : skeleton_(skeleton) {}
  /// What was counted since the last call. Fault::Runtime where the kernel does not let it be read.
  Result<Tally> take();

 private:
  /// Sums over all CPUs at the last call.
  struct Before {
    std::vector<std::uint32_t> exact;
    std::array<std::uint32_t, TD_BOUNDS> within{};
    std::uint64_t total_ns = 0, at_least = 0, unknown = 0, entered = 0, left = 0;
  };
  Result<Before> read(std::uint32_t state);
  Status read_moves(Tally& tally);

  tcpdwell_bpf& skeleton_;
  std::array<Before, TD_TALLIES> before_;
};

}  // namespace tcpdwell
