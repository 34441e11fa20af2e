// SPDX-License-Identifier: BSD-2-Clause
/// Evidence for what a person should look at, and the rules that make sentences of it. The rules'
/// thresholds are in docs/report.md.
#pragma once

#include <tsl/robin_map.h>

#include <cstdint>
#include <string>
#include <vector>

#include "aggregate/followed.h"
#include "aggregate/row_table.h"
#include "model/survey.h"

namespace tcpdwell {

/// Of each kind of subject; those beyond are not watched.
inline constexpr std::size_t kMostSubjects = 2048;

template <class Subject>
using Subjects = tsl::robin_map<PackedKey, Subject, PackedKeyHash>;

/// Who lets others wait, which is known of open connections too: small, so that a copy can be told
/// of those that are open now.
class Waiting {
 public:
  struct Process {
    std::string name;
    std::uint64_t unclosed = 0, oldest_ns = 0;
  };
  struct Peer {
    std::string name;
    std::uint64_t held = 0, longest_ns = 0;
  };

  void held_open(const Socket& socket, const Dwell& dwell);
  void open_at_end(const Followed& followed, std::int64_t end_wall_ns);
  void open_now(const Survey& survey);
  const Subjects<Process>& processes() const { return processes_; }
  const Subjects<Peer>& peers() const { return peers_; }
  /// Connections to a destination that open_now() found.
  std::uint64_t open_to(const PackedKey& destination) const;

 private:
  Subjects<Process> processes_;
  Subjects<Peer> peers_;
  tsl::robin_map<PackedKey, std::uint64_t, PackedKeyHash> open_to_;
};

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
  std::vector<Finding> take(const std::vector<PortRow>& ports, const Waiting& waiting) const;

 private:
  /// A remote address and port that this host connects to.
  struct Destination {
    std::string name;
    std::uint64_t tried = 0, refused = 0, timed_out = 0, ended = 0, closed_by_peer = 0;
    std::uint64_t unreachable = 0, without_port = 0;
    Histogram open_until_peer_closed;
  };
  /// A local port that this host serves.
  struct Service {
    std::string name;
    std::uint64_t requests = 0, answered_late = 0, never_answered = 0, ended = 0, closed_here = 0;
  };

  void add_ports_that_ran_out(const std::vector<PortRow>& ports, const Waiting& waiting,
                              std::vector<Finding>& found) const;
  void add_failures_to_connect(const Waiting& waiting, std::vector<Finding>& found) const;
  void add_keep_alive_mismatches(std::vector<Finding>& found) const;
  void add_late_handshakes(std::vector<Finding>& found) const;
  void add_time_wait_on_servers(std::vector<Finding>& found) const;
  void towards(const Followed& followed, const Transition& t);
  static void add_failure(Destination& to, const Transition& t);
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
