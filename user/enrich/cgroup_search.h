// SPDX-License-Identifier: BSD-2-Clause
/// Which cgroup somebody means by a word.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "enrich/containers.h"
#include "util/result.h"

namespace tcpdwell {

/// A cgroup v2 directory: its id (inode number) and its depth below the root of the hierarchy.
struct Cgroup {
  std::uint64_t id = 0;
  unsigned level = 0;
};

/// From an absolute path below a cgroup2 mount, or one relative to the mount
/// ("system.slice/nginx.service"); from an id; or from a name: a unit ("nginx.service", "nginx"), a
/// container's id or the first 8 digits of it at least, as tables show it
/// ("container:0123456789ab") or not, a pod's uid; or what the files below `host_root` call it, as
/// ContainerNames: "namespace/pod/container", "namespace/pod", a pod's or a container's name.
/// Fault::Usage where there is none, or a name is of several.
Result<Cgroup> find_cgroup(const std::string& word, const std::string& host_root = "");

/// Those of `paths`, of directories below the mount, that are called `word`; a path and an id are
/// no names.
std::vector<std::string> cgroups_called(std::string_view word,
                                        const std::vector<std::string>& paths,
                                        ContainerNames& names);

}  // namespace tcpdwell
