// SPDX-License-Identifier: BSD-2-Clause
/// What the host hides from BPF programs (support/shadow.h), for tests of the binary: records from
/// the line "ready" until standard input ends, then prints a line for each event: its time by
/// CLOCK_MONOTONIC in nanoseconds, both ports, both states, the task. A timer of a time-wait or
/// request socket does not say whose it is: its ports are 0, its states "timer" and which one.
#include <fmt/format.h>

#include <cstdio>

#include "support/shadow.h"

int main() {
  tcpdwell::test::Shadow shadow;
  fmt::print("ready\n");
  std::fflush(stdout);
  while (std::getchar() != EOF) continue;
  for (const auto& event : shadow.hidden_of_all()) {
    const bool timer = !event.timer.empty();
    fmt::print("{} {} {} {} {} {}\n", event.mono_ns, event.local_port, event.remote_port,
               timer ? "timer" : tcpdwell::name_of(event.from),
               timer ? event.timer : tcpdwell::name_of(event.to), event.task);
  }
}
