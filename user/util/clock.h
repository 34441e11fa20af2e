// SPDX-License-Identifier: BSD-2-Clause
/// The one reader of clocks.
#pragma once

#include <time.h>

#include <cstdint>

namespace tcpdwell {

/// CLOCK_MONOTONIC and its kin, in nanoseconds. Not for anything held against an event's time where
/// a time namespace may have its own.
inline std::int64_t clock_ns(clockid_t clock) {
  timespec t{};
  clock_gettime(clock, &t);
  return std::int64_t{t.tv_sec} * 1'000'000'000 + t.tv_nsec;
}

}  // namespace tcpdwell
