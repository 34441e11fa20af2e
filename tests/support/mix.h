// SPDX-License-Identifier: BSD-2-Clause
/// Connections of every kind, in random order, between the namespaces of Routes: what a busy host
/// with bad luck does in a day.
#pragma once

#include <chrono>
#include <cstdint>
#include <future>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "model/event.h"
#include "support/routes.h"
#include "support/sys.h"

namespace tcpdwell::test {

/// What the workload knows of what it did.
struct MixResult {
  /// How often each socket connected or listened; by cookie.
  std::map<std::uint64_t, std::uint32_t> opened;
  /// Cookies of accepted sockets.
  std::vector<std::uint64_t> accepted;
  /// Cookies of sockets that, if they came to FIN_WAIT2 and no further, had a process to the end.
  std::set<std::uint64_t> held;
  /// Cookies of sockets that got data after their FIN was acknowledged and nobody had them open.
  std::set<std::uint64_t> orphaned;
  /// connect() failed at once, no SYN was sent; by namespace.
  std::map<std::uint32_t, std::uint64_t> never_sent;
  std::map<std::string, std::uint64_t> kinds;  ///< how often each was played
  /// Listeners, and connections left open on purpose.
  std::vector<Fd> still_open;

  void add(MixResult&& part);
};

struct MixOptions {
  std::uint64_t seed = 1;
  std::chrono::seconds time{60};
  unsigned workers = 12;  ///< threads of this process
};

class Mix {
 public:
  Mix(const Routes& routes, const MixOptions& options);
  bool running() const;
  /// Waits for the end; throws what went wrong in a worker.
  MixResult result();

 private:
  std::vector<std::future<MixResult>> workers_;
};

}  // namespace tcpdwell::test
