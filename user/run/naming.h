// SPDX-License-Identifier: BSD-2-Clause
/// Puts a `name` line before the first line that has a cgroup, so that whoever reads the trace
/// elsewhere, when the container is gone, has what it was called.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>

#include "enrich/cgroups.h"
#include "model/event.h"
#include "model/listing.h"

namespace tcpdwell {

class NamingStage : public Consumer {
 public:
  NamingStage(CgroupNames& names, Consumer& next) : names_(names), next_(next) {}
  Status header(const Header& e) override { return next_.header(e); }
  Status transition(const Transition& e) override {
    return named(e.socket, e.wall_ns, &Consumer::transition, e);
  }
  Status seed(const Seed& e) override { return named(e.socket, e.wall_ns, &Consumer::seed, e); }
  Status connection(const Connection& e) override {
    return named(e.socket, e.wall_ns(), &Consumer::connection, e);
  }
  Status socket(const Listed& e) override {
    return named(e.seed.socket, e.seed.wall_ns, &Consumer::socket, e);
  }
  Status tally(const Tally& e) override { return next_.tally(e); }
  Status local_ports(const LocalPorts& e) override { return next_.local_ports(e); }
  Status cgroup_name(const NamedCgroup& e) override { return next_.cgroup_name(e); }
  Status loss(const Loss& e) override { return next_.loss(e); }
  /// What was named in part, or not at all, is looked up once more.
  Status end(const TraceEnd& e) override;

 private:
  template <class Event>
  Status named(const Socket& socket, std::int64_t wall_ns, Status (Consumer::*take)(const Event&),
               const Event& event) {
    for (const std::uint64_t id : {socket.cgroup_id, socket.owner_cgroup_id})
      if (Status told = name(id, wall_ns); !told) return told;
    return (next_.*take)(event);
  }
  Status name(std::uint64_t id, std::int64_t wall_ns);
  struct Told {
    CgroupRef name;  ///< as it was told; its path is empty where it was not found
    int tries = 0;
    std::int64_t tried_wall_ns = 0;
  };
  Status look_up(std::uint64_t id, Told& told, std::int64_t wall_ns);

  static constexpr std::size_t kMost = 65536;  ///< cgroups; more are not named
  static constexpr int kTries = 5;
  static constexpr std::int64_t kTryEveryNs = 1'000'000'000;
  CgroupNames& names_;
  Consumer& next_;
  std::uint64_t last_ = 0;  ///< told, and most lines have the one of the line before
  std::map<std::uint64_t, Told> told_;
};

}  // namespace tcpdwell
