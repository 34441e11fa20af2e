// SPDX-License-Identifier: BSD-2-Clause
/// Turns a Filter into what the kernel program can cut by itself.
#pragma once

#include <tcpdwell/config.h>

#include <array>
#include <cstdint>

#include "model/filter.h"

namespace tcpdwell {

/// The kernel's part of a filter: passes everything the filter passes, and perhaps more. The owners
/// asked for are no constants but maps, filled when there are any (Tracer).
struct KernelFilter {
  td_config config{};
  std::array<std::uint64_t, TD_PORT_WORDS> local_ports{}, remote_ports{};
};

KernelFilter kernel_filter(const Filter& filter);
/// Whether it passes exactly what the filter passes.
bool decided_in_kernel(const Filter& filter);
/// Whether states and durations are enough to decide.
bool needs_states_alone(const td_config& filter);

}  // namespace tcpdwell
