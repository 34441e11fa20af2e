// SPDX-License-Identifier: BSD-2-Clause
#include "capture/port_watch.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <fmt/format.h>
#include <tcpdwell/config.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <string>

#include "capture/batches.h"
#include "tcpdwell_bpf.skel.h"
#include "util/host_clock.h"

namespace tcpdwell {
namespace {

constexpr std::uint64_t kSecond = 1'000'000'000;
/// The table of bound ports has 65,536 chains on most hosts: a look takes 2.5 ms, and 0.8 us for
/// each port that is bound. So much of the time it may take, and what is sought is worth more of
/// it.
constexpr std::uint64_t kShare = 300, kShareOfSought = 50;
constexpr std::uint64_t kShareOfReading = 20;
constexpr std::uint64_t kNameKeptNs = kSecond;
constexpr std::size_t kMostNames = 65536;

}  // namespace

bool PortWatch::is_due(std::uint64_t now_ns) const {
  const bool sought = skeleton_.bss->ports_ran_out != ran_out_seen_;
  return looked_ns_ == 0 ||
         now_ns - looked_ns_ >= std::max(kSecond, cost_ns_ * (sought ? kShareOfSought : kShare));
}

Result<std::vector<LocalPorts>> PortWatch::changes(std::uint64_t now_ns, bool now) {
  std::vector<LocalPorts> changed;
  const bool look = now || is_due(now_ns);
  const bool unread = skeleton_.bss->port_changes != changes_seen_ &&
                      now_ns - read_ns_ >= read_cost_ns_ * kShareOfReading;
  if (!look && !unread) return changed;
  if (look) {
    if (Status status = look_at_bound(); !status) return status.error();
    looked_ns_ = now_ns;
    cost_ns_ = host_clock_ns() - now_ns;
  }
  read_ns_ = host_clock_ns();
  if (Status status = read_nets(); !status) return status.error();
  read_cost_ns_ = host_clock_ns() - read_ns_;
  if (look)
    for (const auto& [netns, net] : nets_) looked_in_.insert(netns);
  const auto tell = [&](const Place& place, const td_net& net) {
    const LocalPorts ports = ports_of(place, net);
    const auto [told, fresh] = told_.try_emplace(place, ports);
    if (!fresh && told->second == ports) return;
    told->second = ports;
    changed.push_back(ports);
  };
  for (const auto& [netns, net] : nets_) tell({netns, 0}, net);
  for (const auto& [place, bound] : bound_)
    if (const auto net = nets_.find(place.first); place.second != 0 && net != nets_.end()) {
      iface(place.first, place.second, now_ns);
      tell(place, net->second);
    }
  return changed;
}

/// The whole map, as what is no longer in there is of a namespace that has not been used for long.
Status PortWatch::read_nets() {
  changes_seen_ = skeleton_.bss->port_changes;
  nets_.clear();
  Batches entries(skeleton_.maps.nets);
  for (;;) {
    const auto count = entries.next();
    if (!count) return count.error();
    if (*count == 0) break;
    for (std::size_t i = 0; i < *count; ++i)
      nets_[entries.key<std::uint32_t>(i)] = entries.value<td_net>(i);
  }
  std::erase_if(looked_in_, [this](std::uint32_t netns) { return !nets_.contains(netns); });
  std::erase_if(told_, [this](const auto& told) { return !nets_.contains(told.first.first); });
  return Ok;
}

Status PortWatch::look_at_bound() {
  ran_out_seen_ = skeleton_.bss->ports_ran_out;
  std::map<Place, Bound> bound;
  for (std::uint32_t from = 0, through = 1; through != 0; from += through)
    if (Status status = add_bound(bound, from, through); !status) return status;
  bound_ = std::move(bound);
  return Ok;
}

/// A chain of which some ports found no room is looked at anew in the next call.
Status PortWatch::add_bound(std::map<Place, Bound>& bound, std::uint32_t from,
                            std::uint32_t& through) {
  skeleton_.bss->bound_from = from;
  LIBBPF_OPTS(bpf_test_run_opts, run);
  const int error = bpf_prog_test_run_opts(bpf_program__fd(skeleton_.progs.look_at_bound), &run);
  if (error != 0)
    return Error{Fault::Runtime,
                 fmt::format("cannot look at bound ports: {}", std::strerror(-error)), -error};
  through = run.retval;
  const std::uint32_t found = std::min<std::uint32_t>(skeleton_.bss->bound_n, TD_BOUND_AT_ONCE);
  for (std::uint32_t i = 0; i < found; ++i) {
    td_bound port;
    std::memcpy(&port, &skeleton_.bss->bound[i], sizeof port);
    Bound& at = bound[{port.netns, port.l3mdev}];
    ++at.ports;
    at.unconnected += port.unconnected;
  }
  return Ok;
}

LocalPorts PortWatch::ports_of(const Place& place, const td_net& net) const {
  LocalPorts ports;
  ports.netns = place.first;
  ports.range = {net.first_port, net.last_port};
  ports.reserved = net.reserved;
  if (const auto vrf = names_.find(place); place.second != 0)
    ports.vrf = vrf != names_.end() ? vrf->second.name : Comm(std::to_string(place.second));
  if (!looked_in_.contains(place.first)) return ports;
  const auto found = bound_.find(place);
  ports.bound = found == bound_.end() ? 0 : found->second.ports;
  ports.unconnected = found == bound_.end() ? 0 : found->second.unconnected;
  return ports;
}

void PortWatch::name_iface(const void* record, Socket& socket) {
  std::uint32_t ifindex = 0;
  std::memcpy(&ifindex, static_cast<const char*>(record) + TD_OFFSETOF(td_event, ifindex),
              sizeof ifindex);
  if (ifindex != 0) socket.iface = iface(socket.netns, ifindex, host_clock_ns());
}

Comm PortWatch::iface(std::uint32_t netns, std::uint32_t ifindex, std::uint64_t now_ns) {
  if (names_.size() >= kMostNames) names_.clear();
  const auto [known, fresh] = names_.try_emplace({netns, ifindex});
  Name& at = known->second;
  if (!fresh && now_ns - at.looked_ns < kNameKeptNs) return at.name;
  const td_iface key{netns, ifindex};
  std::array<char, TD_COMM_LEN> name{};
  at.looked_ns = now_ns;
  if (bpf_map_lookup_elem(bpf_map__fd(skeleton_.maps.ifaces), &key, name.data()) == 0)
    at.name = Comm(std::string_view(name.data(), strnlen(name.data(), name.size())));
  else
    at.name = Comm(std::to_string(ifindex));
  return at.name;
}

}  // namespace tcpdwell
