// SPDX-License-Identifier: BSD-2-Clause
/// How the thread that answers gets a state of the host from the one that traces it.
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <vector>

#include "aggregate/host_activity.h"
#include "model/live_state.h"

namespace tcpdwell {

/// Between two threads: one asks for a state, the other makes it, at most a few times a second
/// however many ask. Neither waits for the other.
class StateExchange {
 public:
  using State = std::shared_ptr<const LiveState>;

  /// The newest made at `since_ns` (host_clock_ns()) or later; if there is none it is asked for.
  State get(std::uint64_t since_ns, bool all_sockets);
  /// Makes what is asked for, if it is time; true when it did.
  bool make(const HostActivity& watch, std::int64_t wall_offset_ns);

 private:
  /// Each holds all sockets of the host: those that answers are still made from are counted too.
  static constexpr std::size_t kMostWhole = 3;
  std::size_t whole_in_use();

  std::vector<std::weak_ptr<const LiveState>> whole_made_;  ///< of the thread that makes them
  std::mutex mutex_;  ///< held for as long as it takes to copy a pointer
  State newest_, newest_whole_;
  bool wanted_ = false, whole_wanted_ = false;
};

}  // namespace tcpdwell
