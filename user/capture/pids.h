// SPDX-License-Identifier: BSD-2-Clause
/// Which processes are meant where tcpdwell runs in a pid namespace: the kernel side knows the
/// initial namespace's numbers alone.
#pragma once

#include <cstdint>
#include <vector>

#include "util/result.h"

struct bpf_program;

namespace tcpdwell {

/// The numbers in the initial pid namespace of the processes that have those of `own` in this one.
/// Fault::Usage names one that no process has. `walk` is the loaded program number_of_process.
Result<std::vector<std::uint32_t>> numbers_outside(const bpf_program* walk,
                                                   const std::vector<std::uint32_t>& own);

/// Has a program over tasks that writes nothing see all of the own pid namespace.
Status walk_processes(const bpf_program* walk);

}  // namespace tcpdwell
