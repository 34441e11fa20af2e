// SPDX-License-Identifier: BSD-2-Clause
/// The sockets that exist at one moment, with the names of what owns them: what `stuck` and `serve`
/// show.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "model/event.h"

namespace tcpdwell {

/// What a cgroup is, as far as its path tells; empty where it does not. Hostile bytes: a cgroup may
/// be named by anyone who may make one.
struct CgroupName {
  std::string path;       ///< below the mount of the hierarchy, "/" the root; "" when it is gone
  std::string container;  ///< id, 64 hexadecimal digits with every common runtime
  std::string pod;        ///< Kubernetes' uid
  std::string unit;       ///< of systemd: a service or a scope that is no container

  /// The shortest that names it: "unit", "container:" and 12 digits as docker and crictl print
  /// them, else the path.
  std::string label() const;
  friend bool operator==(const CgroupName&, const CgroupName&) = default;
};
/// Of a hundred thousand sockets most have the same. Never null.
using CgroupRef = std::shared_ptr<const CgroupName>;

/// One socket of a listing.
struct Listed {
  Seed seed;
  CgroupRef cgroup;
};

/// Oldest in its state first; unknown ages last.
void sort_oldest_first(std::vector<Listed>& sockets);

}  // namespace tcpdwell
