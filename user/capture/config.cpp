// SPDX-License-Identifier: BSD-2-Clause
#include "capture/config.h"

#include <algorithm>
#include <cstring>

namespace tcpdwell {
namespace {

void set_ports(std::array<std::uint64_t, TD_PORT_WORDS>& bitmap,
               const std::vector<PortRange>& ranges) {
  for (const PortRange& range : ranges)
    for (unsigned port = range.first; port <= range.last; ++port)
      bitmap[port / 64] |= std::uint64_t{1} << (port % 64);
}

td_cidr kernel_cidr(const Cidr& cidr) {
  std::array<std::uint8_t, 16> addr{}, mask{};
  unsigned bits = cidr.prefix_bits;
  if (cidr.family == Family::V4) {
    addr[10] = addr[11] = 0xff;
    std::copy_n(cidr.addr.begin(), 4, addr.begin() + 12);
    bits += 96;
  } else {
    addr = cidr.addr;
  }
  for (unsigned i = 0; i < 16; ++i) {
    const unsigned here = std::min(8U, bits > i * 8 ? bits - i * 8 : 0U);
    mask[i] = static_cast<std::uint8_t>(0xff00U >> here);
  }
  td_cidr out{};
  std::memcpy(out.addr, addr.data(), sizeof out.addr);
  std::memcpy(out.mask, mask.data(), sizeof out.mask);
  return out;
}

/// The kernel side holds a socket's IPv4 address against a block as the mapped one, whatever the
/// block's family (filter.bpf.h); Filter does so with blocks of IPv4 alone.
bool same_in_kernel(const std::vector<Cidr>& blocks) {
  constexpr std::array<std::uint8_t, 16> kMapped = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
  return blocks.size() <= TD_MAX_CIDRS &&
         std::none_of(blocks.begin(), blocks.end(), [&](Cidr block) {
           block.prefix_bits = std::min(block.prefix_bits, 96U);
           return block.family == Family::V6 && block.contains(Family::V6, kMapped);
         });
}

/// Copies a list that fits; one that does not is left to the user side.
template <class From, class To, std::size_t N, class Convert>
std::uint8_t set_list(const std::vector<From>& from, To (&to)[N], Convert convert) {
  if (from.size() > N) return 0;
  std::transform(from.begin(), from.end(), to, convert);
  return static_cast<std::uint8_t>(from.size());
}

}  // namespace

KernelFilter kernel_filter(const Filter& filter) {
  KernelFilter k;
  td_config& c = k.config;
  c.min_dwell_ns = filter.min_dwell_ns;
  c.netns = filter.netns.value_or(0);
  c.states = filter.states;
  c.family = filter.family ? static_cast<std::uint8_t>(*filter.family) : 0;
  c.filter_lports = !filter.local_ports.empty();
  c.filter_rports = !filter.remote_ports.empty();
  set_ports(k.local_ports, filter.local_ports);
  set_ports(k.remote_ports, filter.remote_ports);
  c.filter_pids = !filter.pids.empty();
  c.filter_comms = !filter.comms.empty();
  c.n_local = set_list(filter.local, c.local, kernel_cidr);
  c.n_remote = set_list(filter.remote, c.remote, kernel_cidr);
  return k;
}

bool needs_states_alone(const td_config& c) {
  return c.netns == 0 && c.family == 0 && c.cgroup_id == 0 && c.of_command == 0 &&
         c.filter_lports == 0 && c.filter_rports == 0 && c.filter_pids == 0 &&
         c.filter_comms == 0 && c.n_local == 0 && c.n_remote == 0;
}

bool decided_in_kernel(const Filter& filter) {
  return same_in_kernel(filter.local) && same_in_kernel(filter.remote);
}

}  // namespace tcpdwell
