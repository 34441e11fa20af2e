// SPDX-License-Identifier: BSD-2-Clause
/// A host at one moment as JSON documents, and the page that shows them.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "model/live_state.h"

namespace tcpdwell {

/// The contract's "summary" by state since the start of the run, with `sockets` beside it.
std::string states_json(const LiveState& state);
/// What a person should look at: findings, ends and ports of the last one to two windows.
std::string findings_json(const LiveState& state);
/// Single connections: the open ones that are longest in their state, and the slowest finished
/// ones.
/// What a cgroup is called, or "".
using CgroupNaming = std::function<std::string(std::uint64_t id)>;
std::string connections_json(const LiveState& state, std::size_t most, const CgroupNaming& naming);
/// What was open in the last ten minutes, for who was not there.
std::string history_json(const LiveState& state);

/// What the page gets once a second, in one line. `open` are the connections that it lists: their
/// ages are counted on to this moment.
std::string live_event(const LiveState& state, const std::vector<ConnectionRow>& open,
                       const std::string& host, const CgroupNaming& naming,
                       const std::vector<ContainerRow>& containers);
/// The page; its style and script carry `nonce`, so that a Content-Security-Policy allows them
/// alone.
std::string live_page(std::string_view nonce);

}  // namespace tcpdwell
