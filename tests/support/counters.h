// SPDX-License-Identifier: BSD-2-Clause
/// The kernel's own counters of a network namespace, as `nstat` reads them.
#pragma once

#include <cstdint>
#include <map>
#include <string>

#include "support/netns.h"

namespace tcpdwell::test {

/// By name: those of /proc/net/snmp as "TcpActiveOpens", of /proc/net/netstat as "TW". Leaves the
/// calling thread in `netns`.
std::map<std::string, std::uint64_t> read_counters(const Netns& netns);

}  // namespace tcpdwell::test
