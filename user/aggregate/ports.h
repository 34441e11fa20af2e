// SPDX-License-Identifier: BSD-2-Clause
/// How many local ports are taken towards each destination, of those that connect() could get.
#pragma once

#include <tsl/robin_map.h>

#include <cstdint>
#include <string>
#include <vector>

#include "aggregate/row_table.h"
#include "model/analysis.h"

namespace tcpdwell {

/// Between which addresses, of which network namespace and device, the ports of a row are.
PackedKey key_of(const PortRow& row);

/// A port is taken from the line on which its connection begins until it is closed, TIME_WAIT
/// included. Connections of this host's own making count; who opened a connection older than the
/// trace is concluded from its ports. One that connect() chose is taken towards its destination
/// alone, one that bind() took towards all: those are in a row of their own for each local address.
class Ports {
 public:
  using Index = std::uint32_t;
  static constexpr Index kNoRow = UINT32_MAX;
  static constexpr Index kNoRoom = UINT32_MAX - 1;  ///< it takes a port, and the table is full
  static constexpr std::size_t kMostRows = 16384;
  static constexpr std::size_t kMostNamespaces = 4096;  ///< beyond, the host's range is supposed

  /// A new host: what follows is its.
  void begin_host(const std::string& host, std::optional<EphemeralPorts> ports);
  /// What a namespace gives to connect() from now on.
  void local_ports(const LocalPorts& ports);
  /// The row in which the connection takes a port, kNoRow if it takes none, or none is known yet.
  /// kNoRoom is told once a connection: it is counted in left_out().
  Index take_port(const Socket& socket, const PortChoice& choice, Role role, State state,
                  std::int64_t wall_ns);
  /// `port` is that of take_port().
  void to_time_wait(Index row, std::uint16_t port, std::int64_t wall_ns);
  void release(Index row, std::uint16_t port, bool time_wait);
  /// It found none after all.
  void take_back(Index row, std::uint16_t port, std::int64_t begin_wall_ns);
  /// All ports of the host are free again: its trace goes on elsewhere.
  void release_all();
  /// Peaks are those from now on; rows of which no port is taken are forgotten.
  void begin_window(std::int64_t wall_ns);

  std::vector<PortRow> take(std::size_t most) const;
  /// As each namespace was when most of its ports were bound.
  std::vector<NamespacePorts> namespaces() const;
  /// Connections that took a port towards a destination there was no row for.
  std::uint64_t left_out() const { return left_out_; }

 private:
  struct Namespace {
    LocalPorts now, worst;
    bool known = false;
    std::string host;
    std::uint64_t bound = 0;  ///< different ports of connections that bind() gave theirs
  };
  struct Row {
    PortRow shown;
    std::uint32_t ns = 0;
    std::uint32_t own = 0;  ///< ports of the socket's own range; 0 if it has none
    PortRow before;         ///< what was shown before the peak
  };
  /// Of a port that several connections may have.
  struct Users {
    std::uint32_t live = 0, time_wait = 0;
  };

  std::uint32_t namespace_of(std::uint32_t netns, const Comm& vrf, bool make);
  Index row_of(const PackedKey& key, const Row& fresh);
  void use_bound(Row& row, Index index, std::uint16_t port, int live, int time_wait);
  Users change(std::uint32_t of, std::uint16_t port, int live, int time_wait);
  void note_peak(Row& row, std::uint64_t others, std::int64_t wall_ns);
  void note_peak(Row& row, std::int64_t wall_ns);

  std::string host_;
  std::uint16_t host_number_ = 0;
  EphemeralPorts ports_;
  bool ports_known_ = false;
  std::vector<Namespace> namespaces_;
  std::vector<Row> rows_;  ///< one without a peak is free
  std::vector<Index> free_;
  std::size_t first_of_host_ = 0, first_namespace_of_host_ = 0;
  std::uint64_t left_out_ = 0;
  tsl::robin_map<PackedKey, Index, PackedKeyHash> index_;
  tsl::robin_map<PackedKey, std::uint32_t, PackedKeyHash> namespace_index_;
  tsl::robin_map<PackedKey, Users, PackedKeyHash> users_;
};

}  // namespace tcpdwell
