// SPDX-License-Identifier: BSD-2-Clause
/// What the kernel side knows of local ports and of devices (include/tcpdwell/ports.h).
#pragma once

#include <tcpdwell/ports.h>

#include <cstdint>
#include <map>
#include <set>
#include <utility>
#include <vector>

#include "model/event.h"
#include "util/result.h"

struct tcpdwell_bpf;

namespace tcpdwell {

class PortWatch {
 public:
  explicit PortWatch(tcpdwell_bpf& skeleton) : skeleton_(skeleton) {}

  /// What has changed since it was told last. Looks at the table of bound ports once in a while,
  /// soon where a connect() found none, and when `now` says so. Wall times are not set.
  Result<std::vector<LocalPorts>> changes(std::uint64_t now_ns, bool now);
  /// Sets the device of a socket whose record, a good one, has it as a number.
  void name_iface(const void* record, Socket& socket);
  /// The name of a device in a namespace; its number where that is not known.
  Comm iface(std::uint32_t netns, std::uint32_t ifindex, std::uint64_t now_ns);

 private:
  using Place = std::pair<std::uint32_t, std::uint32_t>;  ///< namespace, ifindex of the VRF or 0
  struct Bound {
    std::uint32_t ports = 0, unconnected = 0;
  };
  struct Name {
    Comm name;
    std::uint64_t looked_ns = 0;
  };

  bool is_due(std::uint64_t now_ns) const;
  Status read_nets();
  Status look_at_bound();
  Status add_bound(std::map<Place, Bound>& bound, std::uint32_t from, std::uint32_t& through);
  LocalPorts ports_of(const Place& place, const td_net& net) const;

  tcpdwell_bpf& skeleton_;
  std::map<std::uint32_t, td_net> nets_;
  std::map<Place, Bound> bound_;
  std::map<Place, LocalPorts> told_;
  std::map<Place, Name> names_;
  std::uint32_t changes_seen_ = 0, ran_out_seen_ = 0;
  std::uint64_t read_ns_ = 0, looked_ns_ = 0, cost_ns_ = 0, read_cost_ns_ = 0;
  std::set<std::uint32_t> looked_in_;  ///< namespaces that were there when it looked last
};

}  // namespace tcpdwell
