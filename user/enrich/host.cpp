// SPDX-License-Identifier: BSD-2-Clause
#include "enrich/host.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <linux/magic.h>
#include <mntent.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <memory>

#include "util/clock.h"
#include "util/host_clock.h"

namespace tcpdwell {
namespace {

std::string first_line_of(const char* path) {
  std::unique_ptr<std::FILE, int (*)(std::FILE*)> file(std::fopen(path, "re"), std::fclose);
  char line[128] = "";
  if (!file || std::fgets(line, sizeof line, file.get()) == nullptr) return "";
  return std::string(line, std::strcspn(line, "\n"));
}

bool all_digits(const std::string& text) {
  return !text.empty() &&
         std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; });
}

std::optional<EphemeralPorts> ephemeral_ports() {
  unsigned first = 0, last = 0;
  const std::string line = first_line_of("/proc/sys/net/ipv4/ip_local_port_range");
  if (std::sscanf(line.c_str(), "%u %u", &first, &last) != 2 || first == 0 || first > last ||
      last > UINT16_MAX)
    return std::nullopt;
  return EphemeralPorts{static_cast<std::uint16_t>(first), static_cast<std::uint16_t>(last)};
}

/// The least of some tries: whatever comes between the two readings makes it more. And a constant
/// that a time namespace may add to either clock.
std::int64_t suspended_since_boot_ns() {
  std::int64_t least = INT64_MAX;
  for (int tries = 0; tries < 5; ++tries) {
    const std::int64_t awake = clock_ns(CLOCK_MONOTONIC);
    least = std::min(least, clock_ns(CLOCK_BOOTTIME) - awake);
  }
  return least;
}

}  // namespace

Header describe_host() {
  Header header;
  utsname name{};
  uname(&name);
  header.host = name.nodename;
  header.kernel = name.release;
  header.arch = name.machine;
  header.boot_id = first_line_of("/proc/sys/kernel/random/boot_id");
  header.start_wall_ns = clock_ns(CLOCK_REALTIME);
  header.ports = ephemeral_ports();
  return header;
}

WallClock::WallClock()
    : offset_ns_(clock_ns(CLOCK_REALTIME) - static_cast<std::int64_t>(host_clock_ns())) {}

std::int64_t WallClock::now() const { return at(host_clock_ns()); }

Suspension::Suspension() : before_ns_(suspended_since_boot_ns()) {}

std::uint64_t Suspension::ns() const {
  constexpr std::int64_t kUnsure = 1'000'000;
  const std::int64_t passed = suspended_since_boot_ns() - before_ns_;
  return passed < kUnsure ? 0 : static_cast<std::uint64_t>(passed);
}

Result<std::uint32_t> netns_inode(const std::string& pid_or_path) {
  const std::string path =
      all_digits(pid_or_path) ? "/proc/" + pid_or_path + "/ns/net" : pid_or_path;
  struct stat st {};
  struct statfs fs {};
  if (stat(path.c_str(), &st) != 0 || statfs(path.c_str(), &fs) != 0)
    return os_error(Fault::Usage, errno, fmt::format("--netns {}: {}", pid_or_path, path));
  if (fs.f_type != NSFS_MAGIC)
    return Error{Fault::Usage,
                 fmt::format("--netns {}: not a network namespace; give a pid, a path such as "
                             "/run/netns/NAME, or 'all'",
                             pid_or_path)};
  return static_cast<std::uint32_t>(st.st_ino);
}

std::uint32_t own_pid_namespace() {
  constexpr ino_t kInitial = 0xEFFFFFFC;  // PROC_PID_INIT_INO, include/linux/proc_ns.h
  struct stat st {};
  if (stat("/proc/self/ns/pid", &st) != 0 || st.st_ino == kInitial) return 0;
  return static_cast<std::uint32_t>(st.st_ino);
}

namespace {

/// The first mount of a file system of this type; "" where there is none.
std::string mounted_at(const char* type) {
  std::unique_ptr<std::FILE, int (*)(std::FILE*)> mounts(setmntent("/proc/self/mounts", "re"),
                                                         endmntent);
  if (!mounts) return "";
  while (const mntent* entry = getmntent(mounts.get()))
    if (std::strcmp(entry->mnt_type, type) == 0) return entry->mnt_dir;
  return "";
}

}  // namespace

std::string cgroup_mount() { return mounted_at("cgroup2"); }

std::string cgroup_v1_mount() { return mounted_at("cgroup"); }

}  // namespace tcpdwell
