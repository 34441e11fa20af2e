// SPDX-License-Identifier: BSD-2-Clause
/// The clock that the kernel stamps events with. A process in a time namespace (time_namespaces(7))
/// reads another.
#pragma once

#include <cstdint>

#include "util/result.h"

namespace tcpdwell {

/// The host's CLOCK_MONOTONIC in nanoseconds, as bpf_ktime_get_ns() reads it. Whatever is held
/// against an event's time comes from here. Only where host_clock_known().
std::uint64_t host_clock_ns();

/// Whether it can be told how far this process' own clock is from it. Fault::Runtime where it
/// cannot.
Status host_clock_known();

}  // namespace tcpdwell
