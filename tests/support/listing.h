// SPDX-License-Identifier: BSD-2-Clause
/// All TCP sockets of a network namespace, as `ss -tan` lists them: request, full and time-wait.
#pragma once

#include <cstdint>
#include <vector>

#include "model/state.h"
#include "support/netns.h"

namespace tcpdwell::test {

struct Listed {
  std::uint64_t cookie = 0;
  State state = State::Unknown;
};

/// Leaves the calling thread in `netns`.
std::vector<Listed> list_sockets(const Netns& netns);

/// How many of them are in `state`.
std::size_t count_in(const std::vector<Listed>& sockets, State state);

}  // namespace tcpdwell::test
