// SPDX-License-Identifier: BSD-2-Clause
/// Which lines are shown. A filter never touches timing: it looks at finished events only.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "model/event.h"

namespace tcpdwell {

struct PortRange {
  std::uint16_t first = 0, last = 0;  ///< inclusive, host order
  friend bool operator==(const PortRange&, const PortRange&) = default;
};

/// An address block. An IPv4 block also holds the IPv4-mapped IPv6 addresses inside it.
struct Cidr {
  Family family = Family::V4;
  std::array<std::uint8_t, 16> addr{};  ///< network order, host bits zero
  unsigned prefix_bits = 0;
  bool contains(Family family, const std::array<std::uint8_t, 16>& address) const;
  friend bool operator==(const Cidr&, const Cidr&) = default;
};

/// An empty list or an absent value does not restrict.
struct Filter {
  std::vector<std::uint32_t> pids;
  std::vector<Comm> comms;
  std::vector<PortRange> local_ports, remote_ports;
  std::vector<Cidr> local, remote;
  std::optional<Family> family;
  StateSet states = 0;                 ///< 0 = all; a transition passes if `from` or `to` is in it
  std::optional<std::uint32_t> netns;  ///< inode number
  std::vector<std::uint64_t> cgroups;  ///< ids
  /// The program whose process tree alone is asked for. Which sockets those are the kernel side
  /// knows: nothing here is matched against it.
  std::string command;
  std::uint64_t min_dwell_ns = 0;  ///< passes exact and at_least dwells of at least this

  bool empty() const;
  bool matches(const Socket& socket) const;  ///< all but states and min_dwell
  bool matches(const Transition& transition) const;
  bool matches(const Seed& seed) const;  ///< min_dwell is held against the age
  /// Some stay is in one of `states`, and some as long as `min_dwell`.
  bool matches(const Connection& connection) const;
  /// The set restrictions as a JSON object, keyed with the long flag names; "{}" if none.
  std::string to_json() const;
};

/// Parsers for flag values; the error names the offending word and what is expected (Fault::Usage).
Result<std::vector<PortRange>> parse_ports(std::string_view text);  ///< "80,8000-8010"
Result<Cidr> parse_cidr(std::string_view text);                ///< "10.0.0.0/8", "::1", "10.1.2.3"
Result<std::vector<Cidr>> parse_cidrs(std::string_view text);  ///< comma list
Result<std::vector<std::uint32_t>> parse_pids(std::string_view text);  ///< "1,22"
Result<std::vector<Comm>> parse_comms(std::string_view text);          ///< "nginx,curl"
Result<StateSet> parse_states(std::string_view text);                  ///< "time-wait,CLOSE_WAIT"

}  // namespace tcpdwell
