// SPDX-License-Identifier: BSD-2-Clause
/// storm CONNECTIONS [WORKERS]: many quick connections in the network namespace it is started in,
/// for tests of the binary. Prints as JSON what it made: nothing else knows what a tracer must have
/// seen.
#include "support/storm.h"

#include <fmt/format.h>

#include <cstdlib>
#include <exception>

int main(int argc, char** argv) {
  using namespace tcpdwell::test;
  StormOptions options;
  options.connections = argc > 1 ? static_cast<std::uint32_t>(std::atoi(argv[1])) : 1000;
  if (argc > 2) options.workers = static_cast<unsigned>(std::atoi(argv[2]));
  try {
    const StormResult result = Storm(options).result();
    fmt::print("{{\"connections\":{},\"client_first\":{},\"listeners\":{},\"seconds\":{:.3f}}}\n",
               result.connections, result.client_first, result.listeners, result.seconds);
  } catch (const std::exception& failure) {
    fmt::print(stderr, "storm: {}\n", failure.what());
    return 1;
  }
  return 0;
}
