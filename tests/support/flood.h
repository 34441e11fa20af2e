// SPDX-License-Identifier: BSD-2-Clause
/// What it costs a table to be given keys that somebody chose.
#pragma once

#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstddef>
#include <cstdint>
#include <exception>

namespace tcpdwell::flood {

inline constexpr std::size_t kKeys = 20'000;

struct Cost {
  bool ended = false;  ///< false: it took more memory or time than it may, or crashed
  double cpu_s = 0;
  std::int64_t peak_kib = 0;
};

/// Of `run` in a process of its own.
template <class Run>
Cost cost_of(Run run) {
  const pid_t child = fork();
  if (child == 0) {
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)  // whose shadow is large
    const rlimit memory{1U << 30, 1U << 30};
    if (setrlimit(RLIMIT_AS, &memory) != 0) _exit(2);
#endif
    const rlimit seconds{60, 60};
    if (setrlimit(RLIMIT_CPU, &seconds) != 0) _exit(2);
    try {
      run();
    } catch (const std::exception&) {
      _exit(1);
    }
    _exit(testing::Test::HasFailure() ? 1 : 0);
  }
  int status = -1;
  rusage used{};
  if (child < 0 || wait4(child, &status, 0, &used) != child) return {};
  const auto seconds = [](const timeval& t) {
    return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) / 1e6;
  };
  return {WIFEXITED(status) && WEXITSTATUS(status) == 0,
          seconds(used.ru_utime) + seconds(used.ru_stime), used.ru_maxrss};
}

/// Holds what play(keys) costs for keys that met to twice what it costs for as many random ones.
template <class Keys, class Play>
void expect_as_random(const Keys& colliding, const Keys& random, Play play) {
  Cost met, other;
  // The least of some tries is what it costs: whatever else runs here only adds.
  for (int i = 0; i < 3; ++i) {
    const Cost a = cost_of([&] { play(colliding); }), b = cost_of([&] { play(random); });
    ASSERT_TRUE(b.ended);
    ASSERT_TRUE(a.ended) << "it took more than 1 GiB or a minute, or failed";
    if (i == 0 || a.cpu_s < met.cpu_s) met = a;
    if (i == 0 || b.cpu_s < other.cpu_s) other = b;
  }
  const std::int64_t nothing_kib = cost_of([] {}).peak_kib;
  EXPECT_LE(met.cpu_s, 2 * other.cpu_s + 0.01);
  EXPECT_LE(met.peak_kib - nothing_kib, 2 * (other.peak_kib - nothing_kib) + 1024);
}

}  // namespace tcpdwell::flood
