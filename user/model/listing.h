// SPDX-License-Identifier: BSD-2-Clause
/// The sockets that exist at one moment, with the names of what owns them: what `stuck` and `serve`
/// show.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "model/event.h"

namespace tcpdwell {

/// What a cgroup is, as far as its path and what the host has on disk tell; empty where they do
/// not. Hostile bytes: a cgroup may be named by anyone who may make one.
struct CgroupName {
  std::string path;       ///< below the mount of the hierarchy, "/" the root; "" when it is gone
  std::string container;  ///< id, 64 hexadecimal digits with every common runtime
  std::string pod;        ///< Kubernetes' uid
  std::string unit;       ///< of systemd: a service or a scope that is no container
  std::string machine;    ///< systemd's name of a container or virtual machine
  std::string pod_namespace, pod_name;  ///< Kubernetes' names
  std::string container_name;           ///< as its runtime calls it

  /// What a person calls it: "namespace/pod/container", as much of that as is known, the
  /// container's name, "container:" and 12 digits as docker and crictl print them, the machine, the
  /// unit, else the path.
  std::string label() const;
  friend bool operator==(const CgroupName&, const CgroupName&) = default;
};
/// Of a hundred thousand sockets most have the same. Never null.
using CgroupRef = std::shared_ptr<const CgroupName>;

/// `type` `name`: what a cgroup is called, told when it is first seen.
struct NamedCgroup {
  std::int64_t wall_ns = 0;
  std::uint64_t id = 0;
  CgroupName name;
  friend bool operator==(const NamedCgroup&, const NamedCgroup&) = default;
};

/// A process that has a socket open.
struct Holder {
  std::uint32_t pid = 0;  ///< in the host's pid namespace
  Comm comm;
  std::uint32_t own_pid =
      0;  ///< in the pid namespace that tcpdwell runs in; 0 if it is not in there
  friend bool operator==(const Holder&, const Holder&) = default;
};
struct HolderList {
  std::vector<Holder> all;
  bool known = false;  ///< an empty one is of a socket that nobody has open
};

struct Holders {
  static constexpr std::size_t kMost = 8;
  Held held = Held::Unknown;
  HolderList first;        ///< kMost at most, each process once
  std::uint32_t more = 0;  ///< beyond these
};

/// Who has which socket open: gathered by a walk over all open files, then asked.
class HolderTable {
 public:
  void add(std::uint64_t cookie, const Holder& holder) { all_.emplace_back(cookie, holder); }
  /// A socket that a second walk found still open.
  void add_open(std::uint64_t cookie) { open_.push_back(cookie); }
  void sort();  ///< after the last add()
  bool knows(std::uint64_t cookie) const;
  /// `all`: every process was walked over.
  Holders holders_of(const Live& live, bool all) const;
  /// Calls `visit` with each holder of a socket, as long as it says no.
  template <class Visit>
  bool any_holder(std::uint64_t cookie, const Visit& visit) const {
    for (auto at = begin_of(cookie); at != all_.end() && at->first == cookie; ++at)
      if (visit(at->second)) return true;
    return false;
  }

 private:
  using Entries = std::vector<std::pair<std::uint64_t, Holder>>;
  Entries::const_iterator begin_of(std::uint64_t cookie) const;
  Entries all_;  ///< sorted: by cookie, then by pid
  std::vector<std::uint64_t> open_;
};

/// One socket of a listing.
struct Listed {
  Seed seed;
  CgroupRef cgroup;
  Holders holders = {};
};

/// Oldest in its state first; unknown ages last.
void sort_oldest_first(std::vector<Listed>& sockets);

}  // namespace tcpdwell
