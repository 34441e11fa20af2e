// SPDX-License-Identifier: BSD-2-Clause
/// Clients and servers on loopback that exchange a request and a response a connection, as HTTP
/// without keep-alive does: beside the storm, which exchanges nothing.
#pragma once

#include <cstdint>
#include <vector>

#include "support/netns.h"
#include "support/workload.h"

namespace tcpdwell::test {

struct ExchangeOptions {
  std::uint32_t connections = 50'000;
  unsigned pairs = 1;  ///< each a client thread and a server thread, one connection at a time
};

struct ExchangeResult {
  std::uint64_t connections = 0;
  double seconds = 0;
  double p50_us = 0, p99_us = 0;  ///< from connect() to the server's FIN
  double rate() const { return static_cast<double>(connections) / seconds; }
};

/// Runs in `netns`, whose port range and time-wait limit it raises. The server closes first.
ExchangeResult exchange(Netns& netns, const ExchangeOptions& options);

/// Both ends of `connections` established connections.
std::vector<Fd> open_pairs(Netns& netns, std::uint32_t connections);

}  // namespace tcpdwell::test
