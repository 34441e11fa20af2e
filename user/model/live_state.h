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
#include "model/summary.h"
#include "model/totals.h"

namespace tcpdwell {

/// Sockets that a process name owns, by state.
struct OwnerRow {
  std::optional<Comm> comm;  ///< absent: all names beyond the largest
  std::array<std::uint64_t, kStateCount> sockets{};
};

struct OpenSocket {
  Socket socket;
  State state = State::Unknown;
  Dwell age;
};

struct LiveState {
  std::uint64_t mono_ns = 0;  ///< CLOCK_MONOTONIC of the moment
  std::int64_t wall_ns = 0;
  std::int64_t start_wall_ns = 0;   ///< of the run
  std::int64_t window_wall_ns = 0;  ///< `recent` is of what happened since then
  std::string minisockets;          ///< as in the header of a trace
  Totals totals;                    ///< since the start of the run
  Analysis recent;
  PortRow other_ports;  ///< those of all destinations beyond recent.ports: live, time_wait
  std::array<std::uint64_t, kStateCount> population{};   ///< see count_of()
  std::array<std::optional<Dwell>, kStateCount> oldest;  ///< of those whose age is known or bounded
  std::vector<OwnerRow> owners;                          ///< the largest first, the others last
  std::uint64_t not_followed = 0;
  bool all_sockets = false;  ///< `sockets` was asked for
  std::vector<OpenSocket> sockets;

  bool observed(State state) const { return minisockets != "off" || !of_minisockets(state); }
  /// Sockets in a state, of `population` or of an owner; absent where they are not observed.
  std::optional<std::uint64_t> count_of(
      State state, const std::array<std::uint64_t, kStateCount>& sockets) const {
    return observed(state) ? std::optional(sockets[static_cast<std::size_t>(state)]) : std::nullopt;
  }
};

}  // namespace tcpdwell
