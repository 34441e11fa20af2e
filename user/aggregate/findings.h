// SPDX-License-Identifier: BSD-2-Clause
/// Evidence for what a person should look at, and the rules that make sentences of it. The rules'
/// thresholds are in docs/report.md.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "aggregate/followed.h"
#include "aggregate/waiting.h"

namespace tcpdwell {

class Findings {
 public:
  Findings() = default;
  Findings(Findings&&) = default;
  Findings& operator=(Findings&&) = default;
  Findings(const Findings&) = delete;
  Findings& operator=(const Findings&) = delete;
  /// `followed` is as it was before the line.
  void moved(const Followed& followed, const Transition& t);
  Waiting& waiting() { return waiting_; }
  const Waiting& waiting() const { return waiting_; }
  /// `waiting` is waiting(), or a copy of it that knows more.
  std::vector<Finding> take(const std::vector<PortRow>& ports,
                            const std::vector<NamespacePorts>& namespaces,
                            const Waiting& waiting) const;

 private:
  /// A remote address and port that this host connects to.
  struct Destination {
    std::string name;
    std::uint64_t tried = 0, refused = 0, timed_out = 0, ended = 0, closed_by_peer = 0;
    std::uint64_t unreachable = 0, without_port = 0, connected = 0, slow = 0, slowest_ns = 0;
    std::uint32_t without_port_in = 0;  ///< network namespace of the last one
    std::uint32_t netns = 0;
    Family family = Family::V4;
    Endpoint remote;
    Histogram open_until_peer_closed, idle_until_dropped;
  };
  /// A local port that this host serves.
  struct Service {
    std::string name;
    std::uint64_t requests = 0, answered_late = 0, never_answered = 0, ended = 0, closed_here = 0;
  };

  void add_ports_that_ran_out(const std::vector<PortRow>& ports,
                              const std::vector<NamespacePorts>& namespaces, const Waiting& waiting,
                              std::vector<Finding>& found) const;
  void add_failures_to_connect(const Waiting& waiting, std::vector<Finding>& found) const;
  void add_slow_handshakes(const Waiting& waiting, std::vector<Finding>& found) const;
  void add_dropped_while_idle(std::vector<Finding>& found) const;
  void add_keep_alive_mismatches(std::vector<Finding>& found) const;
  void add_late_handshakes(std::vector<Finding>& found) const;
  void add_time_wait_on_servers(std::vector<Finding>& found) const;
  void towards(const Followed& followed, const Transition& t);
  static void add_failure(Destination& to, const Transition& t);
  static void add_handshake(Destination& to, const Dwell& dwell);
  void served(const Transition& t);
  Destination* destination(const Socket& socket);
  Service* service(const Socket& socket);

  Subjects<Destination> destinations_;
  Subjects<Service> services_;
  /// The one asked for last, which the next lines of a connection ask for again. Nothing was added
  /// since, so it is where it was.
  struct {
    Family family = Family::V4;
    Endpoint remote;
    Comm iface;
    Destination* found = nullptr;
  } last_destination_;
  struct {
    std::uint32_t netns = 0;
    std::uint16_t port = 0;
    Service* found = nullptr;
  } last_service_;
  Waiting waiting_;
};

}  // namespace tcpdwell
