// SPDX-License-Identifier: BSD-2-Clause
/// Names of cgroups: id -> path -> container, pod, machine, systemd unit -> what the host calls
/// those.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>

#include "enrich/containers.h"
#include "model/listing.h"
#include "util/descriptor.h"
#include "util/keyed_hash.h"

namespace tcpdwell {

/// Bytes of a path that are kept: any user may make them many, and each socket's line has them. A
/// longer one is cut and ends with "…".
inline constexpr std::size_t kMostPath = 1024;

/// What a path below the cgroup v2 mount tells: the layouts of systemd and cgroupfs drivers of
/// docker, podman, containerd, CRI-O and Kubernetes.
/// A longer path is cut (kMostPath), after all of it was looked at.
CgroupName name_of_cgroup_path(std::string_view path);

/// Looks names up and remembers them, so that a cgroup once named keeps its name when it is gone.
/// One lookup is two system calls (needs CAP_DAC_READ_SEARCH), without that capability one walk of
/// the hierarchy at most once a second. Not thread-safe, and not for the thread that reads the
/// ring.
class CgroupNames {
 public:
  /// As ContainerNames.
  explicit CgroupNames(std::string host_root = "", ContainerNames::Tell tell = {});

  /// Empty for id 0 and for a cgroup that was gone before it was first asked for.
  CgroupRef find(std::uint64_t id);

 private:
  std::string path_by_handle(std::uint64_t id) const;
  void walk();
  void remember(std::uint64_t id, const std::string& path);
  bool full() const { return names_.size() >= kMost || bytes_ >= kMostBytes; }

  static constexpr std::size_t kMost = 65536;           ///< names kept; then it begins anew
  static constexpr std::size_t kMostBytes = 16U << 20;  ///< of their paths
  std::string mount_;
  Descriptor mount_fd_;
  std::int64_t walked_ns_ = 0;
  ContainerNames containers_;
  std::unordered_map<std::uint64_t, CgroupRef, KeyedHash> names_;
  std::size_t bytes_ = 0;  ///< of the paths in it
};

}  // namespace tcpdwell
