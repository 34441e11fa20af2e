// SPDX-License-Identifier: BSD-2-Clause
/// What the kernel side has counted, over all processors.
#pragma once

#include <cstdint>

#include "tcpdwell/config.h"

struct bpf_program;
struct tcpdwell_bpf;

namespace tcpdwell {

/// Of one kind of program (TD_PROGRAM_*).
td_counters count(const tcpdwell_bpf& skeleton, unsigned program);
/// Of all: transitions that entered the first program, were handled by it or a spare; losses of
/// every one.
td_counters count_all(const tcpdwell_bpf& skeleton);
/// Transitions that a program was to see and had no room for in the maps: by the first one and the
/// spares.
std::uint64_t transitions_without_room(const tcpdwell_bpf& skeleton);

/// What the kernel tells of a program; 0 where it does not.
std::uint64_t recursion_misses(const bpf_program* program);
std::uint32_t verified_instructions(const bpf_program* program);

}  // namespace tcpdwell
