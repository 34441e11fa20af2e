// SPDX-License-Identifier: BSD-2-Clause
/// Which of the kernel side's programs are loaded and attached for each way in, and in which order.
#pragma once

#include <array>
#include <vector>

#include "capture/minisockets.h"
#include "tcpdwell/config.h"
#include "util/result.h"

struct bpf_program;
struct tcpdwell_bpf;

namespace tcpdwell {

/// A program that does again what the first one may have missed.
struct Spare {
  bpf_program* program;
  td_program counts_as;
};
/// In the order of attachment.
std::array<Spare, 5> spares_of(const tcpdwell_bpf& skeleton);

/// To be changed until the skeleton is loaded.
td_config& config_of(tcpdwell_bpf& skeleton);

/// Whether a way in is there: Fault::Unsupported says what this kernel lacks, Fault::Permission
/// which privilege is missing. Tells the programs what they need to know of the kernel.
Status prepare(tcpdwell_bpf& skeleton, Minisockets way);

/// Before loading, after prepare(): no other programs are verified than those of this way.
void load_only_chosen(tcpdwell_bpf& skeleton, Minisockets way);

/// Those that load_only_chosen() has chosen. Detach them from the last to the first.
std::vector<bpf_program*> to_attach(const tcpdwell_bpf& skeleton, Minisockets way);

}  // namespace tcpdwell
