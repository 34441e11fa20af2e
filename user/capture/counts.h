// SPDX-License-Identifier: BSD-2-Clause
/// What the kernel side has counted, over all processors.
#pragma once

#include <array>
#include <cstdint>
#include <optional>

#include "tcpdwell/config.h"
#include "util/result.h"

struct bpf_program;
struct tcpdwell_bpf;

namespace tcpdwell {

/// By kind of program (TD_PROGRAM_*).
using Counts = std::array<td_counters, TD_PROGRAMS>;
/// Fault::Runtime where the kernel does not let them be read.
Result<Counts> read_counts(const tcpdwell_bpf& skeleton);
/// Of all: transitions that entered the first program, were handled by it or a spare; losses of
/// every one.
td_counters sum_of(const Counts& counts);
/// Transitions that a program was to see and had no room for in the maps: by the first one and the
/// spares.
std::uint64_t transitions_without_room(const Counts& counts);

/// How often the kernel did not run a program; Fault::Runtime where it does not tell.
Result<std::uint64_t> recursion_misses(const bpf_program* program);
/// Since Linux 5.16 (aba64c7da983 "bpf: Add verified_insns to bpf_prog_info and fdinfo"); absent
/// before.
std::optional<std::uint32_t> verified_instructions(const bpf_program* program);

}  // namespace tcpdwell
