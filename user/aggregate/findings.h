// SPDX-License-Identifier: BSD-2-Clause
/// Evidence for what a person should look at, and the rules that make sentences of it. The rules'
/// thresholds are in docs/report.md.
#pragma once

#include <tsl/robin_map.h>

#include <cstdint>
#include <string>
#include <vector>

#include "aggregate/followed.h"
#include "aggregate/rows.h"

namespace tcpdwell {

class Findings {
 public:
  static constexpr std::size_t kMostSubjects =
      2048;  ///< of each kind; those beyond are not watched

  /// `followed` is as it was before the line.
  void moved(const Followed& followed, const Transition& t);
  void open_at_end(const Followed& followed, std::int64_t end_wall_ns);
  std::vector<Finding> take(const std::vector<PortRow>& ports) const;

 private:
  /// A remote address and port that this host connects to.
  struct Destination {
    std::string name;
    std::uint64_t tried = 0, refused = 0, timed_out = 0, ended = 0, closed_by_peer = 0;
    Histogram open_until_peer_closed;
  };
  /// A local port that this host serves.
  struct Service {
    std::string name;
    std::uint64_t requests = 0, answered_late = 0, never_answered = 0, ended = 0, closed_here = 0;
  };
  struct Process {
    std::string name;
    std::uint64_t unclosed = 0, oldest_ns = 0;
  };
  struct Peer {
    std::string name;
    std::uint64_t held = 0, longest_ns = 0;
  };
  struct Hash {
    std::size_t operator()(const PackedKey& key) const { return key.hash(); }
  };
  template <class Subject>
  using Subjects = tsl::robin_map<PackedKey, Subject, Hash>;

  void towards(const Followed& followed, const Transition& t);
  void served(const Transition& t);
  void held_open(const Socket& socket, const Dwell& dwell);
  Destination* destination(const Socket& socket);
  Service* service(const Socket& socket);

  Subjects<Destination> destinations_;
  Subjects<Service> services_;
  Subjects<Process> processes_;
  Subjects<Peer> peers_;
};

}  // namespace tcpdwell
