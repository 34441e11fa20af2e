// SPDX-License-Identifier: BSD-2-Clause
/// What the host hides from BPF programs (support/shadow.h), for tests of the binary: records from
/// the line "ready" until standard input ends, then prints a line for each event: its time by
/// CLOCK_MONOTONIC in nanoseconds, both ports, both states, the task. A timer does not say whose it
/// is, so there are none.
#include <fmt/format.h>

#include <cstdio>

#include "support/shadow.h"

int main() {
  tcpdwell::test::Shadow shadow;
  fmt::print("ready\n");
  std::fflush(stdout);
  while (std::getchar() != EOF) continue;
  for (const auto& event : shadow.hidden_of_all()) {
    if (!event.timer.empty()) continue;
    fmt::print("{} {} {} {} {} {}\n", event.mono_ns, event.local_port, event.remote_port,
               tcpdwell::name_of(event.from), tcpdwell::name_of(event.to), event.task);
  }
}
