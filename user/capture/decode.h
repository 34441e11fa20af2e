// SPDX-License-Identifier: BSD-2-Clause
/// Ring-buffer bytes to model events; checks every length, version and range. Knows no libbpf.
#pragma once

#include <cstddef>
#include <string_view>
#include <variant>
#include <vector>

#include "model/event.h"

namespace tcpdwell {

using DecodedEvent = std::variant<Transition, Seed, Connection>;

/// What this kernel calls its reasons to send a RST, by their numbers.
using ResetNames = std::vector<KernelWord>;

/// Error (Fault::Runtime) says which check failed; the record is then to be counted, not used.
/// Wall times are the caller's to set: they are 0, and those of a Connection on CLOCK_MONOTONIC.
Result<DecodedEvent> decode_event(const void* data, std::size_t size,
                                  const ResetNames& resets = {});

}  // namespace tcpdwell
