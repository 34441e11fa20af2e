// SPDX-License-Identifier: BSD-2-Clause
/// What `serve` answers: from the newest state of the host that the tracing thread has handed over.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "enrich/cgroups.h"
#include "model/event.h"
#include "model/live_state.h"
#include "routes/state_exchange.h"
#include "serve/http.h"
#include "sinks/prometheus.h"

namespace tcpdwell {

class Routes {
 public:
  Routes(StateExchange& exchange, Header header, std::int64_t start_wall_ns,
         CgroupNames names = CgroupNames(), std::size_t most_rows = kMostSeriesRows);

  std::optional<HttpReply> answer(const HttpRequest& request);
  /// A second after the last one at the earliest.
  std::optional<std::string> event(std::uint64_t since_ns);

 private:
  HttpReply metrics(const LiveState& state, const HttpRequest& request);
  std::vector<ContainerRow> containers(const Survey& survey);
  std::string label_of(std::uint64_t cgroup_id) { return names_.find(cgroup_id)->label(); }
  HttpReply stuck(StateExchange::State state);
  HttpReply sockets(StateExchange::State state);

  StateExchange& exchange_;
  Header header_;
  std::int64_t start_wall_ns_;
  CgroupNames names_;
  std::size_t most_rows_;  ///< containers and listeners with series of their own
  std::uint64_t last_made_ns_ = 0;
  std::uint64_t told_ns_ = 0;                  ///< when `last_event_` was first told
  std::optional<std::uint64_t> asked_ns_;      ///< since when the next one is waited for
  std::uint32_t turn_ = 0;                     ///< which list the next event brings
  std::vector<ConnectionRow> waiting_, idle_;  ///< the last of each
  std::string last_event_;
};

}  // namespace tcpdwell
