// SPDX-License-Identifier: BSD-2-Clause
/// What a workload knows about its own timing. A system call is stamped before and after, so a
/// moment is a bracket and a duration is a shortest and a longest one: the kernel's own value lies
/// between, however busy the machine is.
#pragma once

#include <time.h>

#include <cstdint>

namespace tcpdwell::test {

inline std::uint64_t monotonic_ns() {
  timespec now{};
  clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<std::uint64_t>(now.tv_sec) * 1'000'000'000U +
         static_cast<std::uint64_t>(now.tv_nsec);
}

inline constexpr std::uint64_t kMillisecond = 1'000'000;
/// The kernel's lockless clock may step back a little against clock_gettime.
inline constexpr std::uint64_t kClockSlack = kMillisecond / 10;

/// A moment: it happened within.
struct Stamp {
  std::uint64_t before = 0, after = 0;
  bool holds(std::uint64_t mono_ns, std::uint64_t slack = kClockSlack) const {
    return mono_ns + slack >= before && mono_ns <= after + slack;
  }
};

/// A duration: at least `shortest`, at most `longest` nanoseconds.
struct Span {
  std::uint64_t shortest = 0, longest = 0;
  bool holds(std::uint64_t ns, std::uint64_t slack = kClockSlack) const {
    return ns + slack >= shortest && ns <= longest + slack;
  }
};

inline Span between(Stamp from, Stamp to) {
  return {to.before > from.after ? to.before - from.after : 0,
          to.after > from.before ? to.after - from.before : 0};
}

}  // namespace tcpdwell::test
