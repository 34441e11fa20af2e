// SPDX-License-Identifier: BSD-2-Clause
/// What is open now, gathered by what it has in common: the rows of a live table.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "model/event.h"
#include "model/summary.h"

namespace tcpdwell {

/// What connections are gathered by.
struct Grouping {
  /// Keys of open connections: all but Key::End and Key::Path. Empty: by the service, which is the
  /// local port of a connection that was accepted, and the remote port of one that was made here.
  std::vector<Key> by;
  friend bool operator==(const Grouping&, const Grouping&) = default;
};

struct Group {
  /// A text per key, as in Row; of a service its port, and "served" or "called".
  std::vector<std::string> keys;
  std::array<std::uint64_t, kStateCount> open{};  ///< sockets now, by state
  /// The one longest in a state that is meant to pass: any but LISTEN and ESTABLISHED.
  /// State::Unknown where there is none.
  State stuck_state = State::Unknown;
  Dwell stuck;
  std::uint64_t began = 0, ended = 0;  ///< connections, since the counting began

  /// Connections of all states: listeners are none.
  std::uint64_t connections() const {
    std::uint64_t sum = 0;
    for (std::size_t state = 0; state < kStateCount; ++state)
      if (state != static_cast<std::size_t>(State::Listen)) sum += open[state];
    return sum;
  }
};

/// By what a list of open connections is ordered; where it matters, the largest or longest first.
enum class OpenOrder : std::uint8_t { State, Age, Life, Owner, Local, Remote };

}  // namespace tcpdwell
