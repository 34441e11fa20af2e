// SPDX-License-Identifier: BSD-2-Clause
/// What the kernel itself says about a connection, as `ss` asks it; the truth about states nobody
/// holds a descriptor of.
#pragma once

#include <cstdint>
#include <optional>

#include "model/event.h"
#include "support/sys.h"
#include "support/truth.h"

namespace tcpdwell::test {

/// Works in the network namespace it was made in, wherever it is called from.
class Diag {
 public:
  Diag();
  /// Of the connection with these ends, be it a request, a full or a time-wait socket; nullopt if
  /// there is none. Gives the socket a cookie if it has none yet.
  std::optional<State> state(Family family, const Endpoint& local, const Endpoint& remote);
  /// `ss -K`. Throws if there is no such connection.
  Stamp destroy(Family family, const Endpoint& local, const Endpoint& remote);

 private:
  struct Reply {
    int error = 0;
    int state = 0;
  };
  Reply ask(std::uint16_t type, Family family, const Endpoint& local, const Endpoint& remote);
  Fd netlink_;
};

}  // namespace tcpdwell::test
