// SPDX-License-Identifier: BSD-2-Clause
#include "model/filter.h"

#include <algorithm>
#include <cstddef>

namespace tcpdwell {
namespace {

constexpr std::size_t kMappedPrefixBytes = 12;

bool is_v4_mapped(const std::array<std::uint8_t, 16>& address) {
  const auto zeros_end = address.begin() + 10;
  return std::all_of(address.begin(), zeros_end, [](std::uint8_t byte) { return byte == 0; }) &&
         address[10] == 0xff && address[11] == 0xff;
}

bool same_bits(const std::uint8_t* a, const std::uint8_t* b, unsigned bits) {
  const unsigned whole_bytes = bits / 8;
  if (!std::equal(a, a + whole_bytes, b)) return false;
  const unsigned rest = bits % 8;
  return rest == 0 || (a[whole_bytes] ^ b[whole_bytes]) >> (8 - rest) == 0;
}

template <class T>
bool allows(const std::vector<T>& wanted, const T& value) {
  return wanted.empty() || std::find(wanted.begin(), wanted.end(), value) != wanted.end();
}

bool allows(const std::vector<PortRange>& wanted, std::uint16_t port) {
  return wanted.empty() || std::any_of(wanted.begin(), wanted.end(), [port](PortRange range) {
           return range.first <= port && port <= range.last;
         });
}

bool allows(const std::vector<Cidr>& wanted, Family family, const Endpoint& endpoint) {
  return wanted.empty() || std::any_of(wanted.begin(), wanted.end(), [&](const Cidr& block) {
           return block.contains(family, endpoint.addr);
         });
}

bool allows_pid(const std::vector<std::uint32_t>& wanted, std::optional<std::uint32_t> pid) {
  return wanted.empty() || (pid && allows(wanted, *pid));
}

bool lasted(const Dwell& dwell, std::uint64_t at_least_ns) {
  return at_least_ns == 0 || (dwell.bound != Bound::Unknown && dwell.ns >= at_least_ns);
}

}  // namespace

bool Cidr::contains(Family of, const std::array<std::uint8_t, 16>& address) const {
  if (of == family) return same_bits(addr.data(), address.data(), prefix_bits);
  const bool mapped = family == Family::V4 && is_v4_mapped(address);
  return mapped && same_bits(addr.data(), address.data() + kMappedPrefixBytes, prefix_bits);
}

bool Filter::empty() const {
  return pids.empty() && comms.empty() && local_ports.empty() && remote_ports.empty() &&
         local.empty() && remote.empty() && !family && states == 0 && !netns && cgroups.empty() &&
         min_dwell_ns == 0;
}

bool Filter::matches(const Socket& socket) const {
  return (!family || *family == socket.family) && (!netns || *netns == socket.netns) &&
         allows(local_ports, socket.local.port) && allows(remote_ports, socket.remote.port) &&
         allows_pid(pids, socket.owner.pid) && allows(comms, socket.owner.comm) &&
         allows(cgroups, socket.cgroup_id) && allows(local, socket.family, socket.local) &&
         allows(remote, socket.family, socket.remote);
}

bool Filter::matches(const Transition& transition) const {
  const StateSet touched = bit(transition.from) | bit(transition.to);
  return (states == 0 || (states & touched) != 0) && lasted(transition.dwell, min_dwell_ns) &&
         matches(transition.socket);
}

bool Filter::matches(const Seed& seed) const {
  return (states == 0 || (states & bit(seed.state)) != 0) && lasted(seed.age, min_dwell_ns) &&
         matches(seed.socket);
}

bool Filter::matches(const Connection& connection) const {
  const Stays& stays = connection.stays;
  const auto was_there = [this](const Stay& stay) { return (states & bit(stay.state)) != 0; };
  const auto was_long = [this](const Stay& stay) { return lasted(stay.dwell, min_dwell_ns); };
  return (states == 0 || std::any_of(stays.begin(), stays.end(), was_there)) &&
         (min_dwell_ns == 0 || std::any_of(stays.begin(), stays.end(), was_long)) &&
         matches(connection.socket);
}

}  // namespace tcpdwell
