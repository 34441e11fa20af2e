// SPDX-License-Identifier: BSD-2-Clause
/// What is remembered of a connection while it lasts.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "model/analysis.h"

namespace tcpdwell {

struct Followed {
  static constexpr std::size_t kSegments = 9;
  static constexpr std::uint64_t kNotKnown = UINT64_MAX;

  Socket socket;
  Role role = Role::Unknown;
  State state = State::Unknown;
  std::optional<std::int64_t> begin_wall_ns;
  std::int64_t since_wall_ns = 0;          ///< when it was first seen in `state`
  Dwell since_before = {Bound::Exact, 0};  ///< how long it had been in it by then
  std::uint32_t port_row = UINT32_MAX;
  std::optional<Closer> closer;  ///< known of one in TIME_WAIT that was seen to enter it
  std::uint8_t segments = 0;     ///< finished stays, of which the last kSegments are kept
  std::array<std::uint64_t, kSegments> packed{};
  std::uint64_t accept_wait = kNotKnown;  ///< ns

  /// As it was made, but for its socket; what is beyond `segments` means nothing.
  void begin_anew() {
    role = Role::Unknown;
    state = State::Unknown;
    begin_wall_ns.reset();
    since_wall_ns = 0;
    since_before = {Bound::Exact, 0};
    port_row = UINT32_MAX;
    closer.reset();
    accept_wait = kNotKnown;
    segments = 0;
  }
  void add_segment(State state, const Dwell& dwell);
  /// How long it has been in `state` at `wall_ns`.
  Dwell age(std::int64_t wall_ns) const;
  std::vector<Segment> finished_segments() const;
};

/// Who opened a connection, as far as its owner or its path shows.
Role role_of(OwnerSource source);
Role role_of(const Connection& connection);

/// As a row of a table: after its last line, or where it is open when its trace ends.
ConnectionRow finished_row(const std::string& host, const Followed& followed,
                           const Transition& last);
/// Of a line of an open connection.
ConnectionRow open_row(const std::string& host, const Connection& open);
ConnectionRow open_row(const std::string& host, const Followed& followed, std::int64_t end_wall_ns);

}  // namespace tcpdwell
