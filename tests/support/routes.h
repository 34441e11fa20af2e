// SPDX-License-Identifier: BSD-2-Clause
/// Four network namespaces, each with settings that make something happen there that does not
/// happen elsewhere, and the ways between them.
#pragma once

#include <array>
#include <optional>
#include <string>
#include <vector>

#include "support/cable.h"
#include "support/netns.h"
#include "support/workload.h"

namespace tcpdwell::test {

/// From clients to servers.
struct Route {
  std::string name;
  const Netns* client = nullptr;
  const Netns* server = nullptr;
  std::string client_v4, client_v6, server_v4, server_v6;
  bool cable = false;
};

class Routes {
 public:
  explicit Routes(std::uint64_t seed);

  const std::vector<Route>& all() const { return routes_; }
  std::array<const Netns*, 4> namespaces() const { return {&wide_, &narrow_, &brief_, &full_}; }
  std::string name(const Netns& netns) const;

 private:
  Netns wide_;    ///< as the kernel comes
  Netns narrow_;  ///< few ports: connect() reuses time-wait sockets, or finds none
  Netns brief_;   ///< an orphan's FIN_WAIT2 lasts two seconds; no TCP timestamps
  Netns full_;    ///< few time-wait sockets are allowed
  std::optional<Cable> cable_;
  std::vector<Route> routes_;
};

}  // namespace tcpdwell::test
