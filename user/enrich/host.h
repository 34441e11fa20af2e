// SPDX-License-Identifier: BSD-2-Clause
/// What the host says of itself and of the ids in the events.
#pragma once

#include <cstdint>
#include <string>

#include "model/event.h"

namespace tcpdwell {

/// Host name, kernel release, architecture, boot id; start_wall_ns is now. Version and minisockets
/// are left to the caller.
Header describe_host();

/// Turns the host's CLOCK_MONOTONIC (util/host_clock.h) into wall time with the offset measured
/// when it was made, so that time stamps of one trace are in order even when the wall clock steps.
class WallClock {
 public:
  WallClock();
  std::int64_t at(std::uint64_t mono_ns) const {
    return static_cast<std::int64_t>(mono_ns) + offset_ns_;
  }
  std::int64_t now() const;  ///< now, as wall time
  std::int64_t offset_ns() const { return offset_ns_; }

 private:
  std::int64_t offset_ns_;
};

/// How long the machine has been suspended since this was made: CLOCK_BOOTTIME goes on then,
/// CLOCK_MONOTONIC does not (Documentation/core-api/timekeeping.rst).
class Suspension {
 public:
  Suspension();
  std::uint64_t ns()
      const;  ///< 0 for less than a millisecond: the two clocks cannot be read at once

 private:
  std::int64_t before_ns_;
};

/// Inode number of a network namespace: a pid, or a path (/run/netns/x). Fault::Usage when there
/// is none such.
Result<std::uint32_t> netns_inode(const std::string& pid_or_path);

/// Inode number of the pid namespace that this process is in; 0 for the initial one, whose
/// processes are all there are.
std::uint32_t own_pid_namespace();
inline bool in_initial_pid_namespace() { return own_pid_namespace() == 0; }

/// Where cgroup v2 is mounted; empty if nowhere.
std::string cgroup_mount();
/// The first mount of cgroup v1; empty if there is none.
std::string cgroup_v1_mount();

}  // namespace tcpdwell
