// SPDX-License-Identifier: BSD-2-Clause
/// Many quick loopback connections, as fast as the machine makes them.
#pragma once

#include <cstdint>
#include <future>
#include <vector>

#include "support/netns.h"
#include "support/workload.h"

namespace tcpdwell::test {

struct StormOptions {
  std::uint32_t connections = 50'000;
  unsigned workers = 2;           ///< each a thread with its own listener, one connection at a time
  bool alternating = false;       ///< every second connection is closed by the server first
  Ending ending = Ending::Close;  ///< Close or Reset
  /// The second side closes this many connections later, a descriptor each. With some hundreds the
  /// delayed ACK (40 ms) comes from its timer, which interrupts whatever runs.
  std::uint32_t lag = 0;
};

struct StormResult {
  std::uint64_t connections = 0;
  std::uint64_t client_first = 0;  ///< of these; the others were ended by the server
  unsigned listeners = 0;          ///< opened and closed
  double seconds = 0;
  double rate() const { return static_cast<double>(connections) / seconds; }
};

/// Runs from construction on, in threads of this process, in `netns`, whose port range and
/// time-wait limit it raises. A connection's script is Script{V4, first, ending}.
class Storm {
 public:
  Storm(Netns& netns, const StormOptions& options);
  /// In the caller's namespace, as it is.
  explicit Storm(const StormOptions& options);
  bool running() const;
  /// Waits for the end; throws what went wrong in a worker.
  StormResult result();

 private:
  std::vector<std::future<StormResult>> workers_;
};

}  // namespace tcpdwell::test
