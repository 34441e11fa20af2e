// SPDX-License-Identifier: BSD-2-Clause
/// Names of cgroups: id -> path -> container, pod, systemd unit.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>

#include "model/listing.h"
#include "util/keyed_hash.h"

namespace tcpdwell {

/// What a path below the cgroup v2 mount tells: the layouts of systemd and cgroupfs drivers of
/// docker, podman, containerd, CRI-O and Kubernetes.
CgroupName name_of_cgroup_path(std::string_view path);

/// Looks names up and remembers them, so that a cgroup once named keeps its name when it is gone.
/// One lookup is two system calls (needs CAP_DAC_READ_SEARCH), without that capability one walk of
/// the hierarchy at most once a second. Not thread-safe, and not for the thread that reads the ring.
class CgroupNames {
 public:
  CgroupNames();
  ~CgroupNames();
  CgroupNames(const CgroupNames&) = delete;
  CgroupNames& operator=(const CgroupNames&) = delete;

  /// Empty for id 0 and for a cgroup that was gone before it was first asked for.
  CgroupRef find(std::uint64_t id);

 private:
  std::string path_by_handle(std::uint64_t id) const;
  void walk();
  void remember(std::uint64_t id, const std::string& path);

  static constexpr std::size_t kMost = 65536;  ///< names kept; then it begins anew
  std::string mount_;
  int mount_fd_ = -1;
  std::int64_t walked_ns_ = 0;
  std::unordered_map<std::uint64_t, CgroupRef, KeyedHash> names_;
};

}  // namespace tcpdwell
