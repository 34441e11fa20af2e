// SPDX-License-Identifier: BSD-2-Clause
/// What `serve` answers: from the newest state of the host that the tracing thread has handed over.
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "aggregate/watch.h"
#include "enrich/cgroups.h"
#include "model/event.h"
#include "model/live_state.h"
#include "serve/http.h"
#include "sinks/prometheus.h"

namespace tcpdwell {

/// Between two threads: one asks for a state, the other makes it, at most a few times a second
/// however many ask. Neither waits for the other.
class Desk {
 public:
  using State = std::shared_ptr<const LiveState>;

  /// The newest made at `since_ns` (CLOCK_MONOTONIC) or later; if there is none it is asked for.
  State get(std::uint64_t since_ns, bool all_sockets);
  /// Makes what is asked for, if it is time; true when it did.
  bool make(const Watch& watch, std::int64_t wall_offset_ns);

 private:
  /// Each holds all sockets of the host: those that answers are still made from are counted too.
  static constexpr std::size_t kMostWhole = 3;
  std::size_t whole_in_use();

  std::vector<std::weak_ptr<const LiveState>> whole_made_;  ///< of the thread that makes them
  std::mutex mutex_;  ///< held for as long as it takes to copy a pointer
  State newest_, newest_whole_;
  bool wanted_ = false, whole_wanted_ = false;
};

class Site {
 public:
  Site(Desk& desk, Header header, std::int64_t start_wall_ns);

  std::optional<HttpReply> answer(const HttpRequest& request);
  /// A second after the last one at the earliest.
  std::optional<std::string> event(std::uint64_t since_ns);

 private:
  HttpReply metrics(const LiveState& state, const HttpRequest& request) const;
  HttpReply stuck(const LiveState& state, const HttpRequest& request);
  HttpReply sockets(Desk::State state);

  Desk& desk_;
  Header header_;
  std::int64_t start_wall_ns_;
  CgroupNames names_;
  std::uint64_t last_made_ns_ = 0;
  std::string last_event_;
};

}  // namespace tcpdwell
