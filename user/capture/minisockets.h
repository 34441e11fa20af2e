// SPDX-License-Identifier: BSD-2-Clause
/// How request and time-wait sockets can be followed on this kernel.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "util/result.h"

namespace tcpdwell {

enum class Minisockets { Auto, Fentry, Timer, Off };
/// "auto", "fentry", "timer", "off".
std::string_view name_of(Minisockets way);
std::optional<Minisockets> parse_minisockets(std::string_view text);

/// What the timer way needs to know of this kernel.
struct TimerFacts {
  std::uint64_t tw_timer_fn = 0, reqsk_timer_fn = 0;  ///< kernel addresses
};
/// Fault::Unsupported or Fault::Permission says what stands in the way.
Result<TimerFacts> timer_facts();

/// Length of a jiffy.
std::uint64_t jiffy_ns();

/// Entries for the maps of time-wait and of request sockets, from the host's own limits
/// (tcp_max_tw_buckets; tcp_max_syn_backlog and somaxconn).
std::uint32_t time_wait_limit();
std::uint32_t request_limit();

}  // namespace tcpdwell
