// SPDX-License-Identifier: BSD-2-Clause
/// A host at one moment of a run that goes on: what `serve` answers from. Nothing in it changes any
/// more, so threads may share it.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "model/analysis.h"
#include "model/survey.h"
#include "model/totals.h"

namespace tcpdwell {

/// Attempts to connect that came to nothing.
struct FailedConnects {
  Family family = Family::V4;
  Endpoint remote;
  Reason reason = Reason::None;
  std::uint64_t count = 0;
};

/// Sockets of a container; of all beyond those with most together, as "other".
struct ContainerRow {
  std::string pod_namespace, pod, container;
  std::array<std::uint64_t, kStateCount> sockets{}, oldest_ns{};
};

/// What was open at a moment of the last minutes, and how many connections there had been until
/// then.
struct PastPoint {
  std::int64_t wall_ns = 0;
  std::uint64_t opened = 0, ended = 0;  ///< since the start of the run
  /// In the state; absent where it is not known.
  std::array<std::optional<std::uint64_t>, kStateCount> sockets;
};

struct LiveState {
  std::uint64_t mono_ns = 0;  ///< CLOCK_MONOTONIC of the moment
  std::int64_t wall_ns = 0;
  std::int64_t start_wall_ns = 0;   ///< of the run
  std::int64_t window_wall_ns = 0;  ///< `recent` is of what happened since then
  std::string minisockets;          ///< as in the header of a trace
  Totals totals;                    ///< since the start of the run
  /// Of connections that ended, but for `stuck` and `ports`, which are of what is open.
  Analysis recent;
  std::vector<FailedConnects> failed_connects;  ///< since the start; those with most, these first
  std::vector<PastPoint>
      past;             ///< the last ten minutes, the oldest first; a gap where nobody counted
  PortRow other_ports;  ///< those of all destinations beyond recent.ports: live, time_wait
  /// What was open a moment ago: after `survey.mono_ns`. Of `owners` the largest come first, the
  /// others last; `ports` and `held` are in `recent`.
  Survey survey;
  SurveyWish wish;  ///< what `survey` lists

  bool observed(State state) const { return minisockets != "off" || !of_minisockets(state); }
  /// Sockets in a state, of `survey.population` or of an owner; absent where they are not observed.
  std::optional<std::uint64_t> count_of(
      State state, const std::array<std::uint64_t, kStateCount>& sockets) const {
    return observed(state) ? std::optional(sockets[static_cast<std::size_t>(state)]) : std::nullopt;
  }
};

}  // namespace tcpdwell
