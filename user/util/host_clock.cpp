// SPDX-License-Identifier: BSD-2-Clause
#include "util/host_clock.h"

#include <sys/stat.h>
#include <time.h>

#include <cstdio>
#include <memory>
#include <optional>

#include "util/clock.h"

namespace tcpdwell {
namespace {

constexpr std::int64_t kSecond = 1'000'000'000;
constexpr ino_t kInitial = 0xEFFFFFFA;  // PROC_TIME_INIT_INO, include/linux/proc_ns.h

std::optional<ino_t> inode_of(const char* path) {
  struct stat st {};
  return stat(path, &st) == 0 ? std::optional(st.st_ino) : std::nullopt;
}

/// What the kernel adds to the host's CLOCK_MONOTONIC in the time namespace that this process'
/// children are in.
std::optional<std::int64_t> offset_of_children() {
  const std::unique_ptr<std::FILE, int (*)(std::FILE*)> file(
      std::fopen("/proc/self/timens_offsets", "re"), std::fclose);
  long long seconds = 0, nanoseconds = 0;
  if (!file || std::fscanf(file.get(), "monotonic %lld %lld", &seconds, &nanoseconds) != 2)
    return std::nullopt;
  return seconds * kSecond + nanoseconds;
}

/// Of this process: 0 in the host's own namespace, absent where it cannot be told.
std::optional<std::int64_t> own_offset() {
  const auto own = inode_of("/proc/self/ns/time");
  // A kernel without time namespaces has the directory; without /proc nothing is known.
  if (!own) return inode_of("/proc/self/ns") ? std::optional<std::int64_t>(0) : std::nullopt;
  if (*own == kInitial) return 0;
  // unshare(2) moves the children alone.
  return inode_of("/proc/self/ns/time_for_children") == own ? offset_of_children() : std::nullopt;
}

/// For good: a process of more than one thread cannot change its time namespace.
const std::optional<std::int64_t>& offset() {
  static const std::optional<std::int64_t> once = own_offset();
  return once;
}

}  // namespace

std::uint64_t host_clock_ns() {
  return static_cast<std::uint64_t>(clock_ns(CLOCK_MONOTONIC) - offset().value_or(0));
}

Status host_clock_known() {
  if (offset()) return Ok;
  return Error{
      Fault::Runtime,
      "this may be a time namespace, and how far its clock is from the host's is not known: "
      "/proc/self/timens_offsets cannot be read; run outside of it, or mount /proc"};
}

}  // namespace tcpdwell
