// SPDX-License-Identifier: BSD-2-Clause
/// How many local ports are taken towards each destination.
#pragma once

#include <tsl/robin_map.h>

#include <cstdint>
#include <string>
#include <vector>

#include "aggregate/rows.h"
#include "model/analysis.h"

namespace tcpdwell {

/// A port is taken from the first line that knows it until the connection is closed, TIME_WAIT
/// included. Connections of this host's own making count; who opened a connection older than the
/// trace is concluded from its ports.
class Ports {
 public:
  using Index = std::uint32_t;
  static constexpr Index kNoRow = UINT32_MAX;
  static constexpr Index kNoRoom = UINT32_MAX - 1;  ///< it takes a port, and the table is full
  static constexpr std::size_t kMostRows = 16384;

  /// A new host: what follows is its.
  void begin_host(const std::string& host, std::optional<EphemeralPorts> ports);
  /// The row in which the connection takes a port, kNoRow if it takes none, or none is known yet.
  /// kNoRoom is told once a connection: it is counted in left_out().
  Index take_port(const Socket& socket, Role role, bool time_wait, std::int64_t wall_ns);
  void to_time_wait(Index row, std::int64_t wall_ns);
  void release(Index row, bool time_wait);
  /// All ports of the host are free again: its trace goes on elsewhere.
  void release_all();
  /// Peaks are those from now on; rows of which no port is taken are forgotten.
  void begin_window(std::int64_t wall_ns);

  std::vector<PortRow> take(std::size_t most) const;
  /// Connections that took a port towards a destination there was no row for.
  std::uint64_t left_out() const { return left_out_; }

 private:
  bool is_ephemeral(std::uint16_t port) const {
    return port >= ports_.first && port <= ports_.last;
  }
  void note_peak(PortRow& row, std::int64_t wall_ns);

  std::string host_;
  std::uint16_t host_number_ = 0;
  EphemeralPorts ports_;
  bool ports_known_ = false;
  std::vector<PortRow> rows_;  ///< one without a peak is free
  std::vector<Index> free_;
  std::size_t first_of_host_ = 0;
  std::uint64_t left_out_ = 0;
  tsl::robin_map<PackedKey, Index, PackedKeyHash> index_;
};

}  // namespace tcpdwell
