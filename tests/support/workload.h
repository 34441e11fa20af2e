// SPDX-License-Identifier: BSD-2-Clause
/// Scripted TCP connections over loopback that know their own truth.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>

#include "model/state.h"
#include "support/actor.h"

namespace tcpdwell::test {

enum class Net { V4, V6, Mapped };  ///< Mapped: ::ffff:127.0.0.1 to a dual-stack listener
enum class Side { Client, Server };
/// The listener's, known beforehand so that a filter can name it.
constexpr std::uint16_t server_port(Net net) {
  return static_cast<std::uint16_t>(7000 + static_cast<int>(net));
}
enum class Ending {
  Close,      ///< close() on one side, then on the other
  HalfClose,  ///< shutdown(SHUT_WR), the other side's close(), then close()
  Reset,      ///< close() with SO_LINGER 0
};
constexpr Side other(Side side) { return side == Side::Client ? Side::Server : Side::Client; }

struct Script {
  Net net = Net::V4;
  Side first = Side::Client;  ///< who ends it
  Ending ending = Ending::Close;
  unsigned established_ms = 0;                       ///< hold before the first side's close
  unsigned between_ms = 0;                           ///< hold before the other side's close
  std::uint32_t client_bytes = 0, server_bytes = 0;  ///< payload sent by each, at most 64 KiB
};
std::string describe(const Script& script);

/// What one side of a connection was and when it did what.
struct SideTruth {
  pid_t pid = 0;
  std::string comm;
  SocketFacts socket;
  Stamp established;  ///< entered ESTABLISHED
  Stamp left;         ///< left ESTABLISHED: by its own call, or as the peer's FIN or RST came in
  Stamp closed;       ///< its close()
};

struct Connection {
  Script script;
  Stamp connect;  ///< the client's connect(): from the SYN to ESTABLISHED
  SideTruth client, server;

  const SideTruth& side(Side side) const { return side == Side::Client ? client : server; }
  SideTruth& side(Side side) { return side == Side::Client ? client : server; }
  /// How long `side` was in `state`, where the script knows.
  std::optional<Span> dwell(Side side, State state) const;
};

/// Two processes, td-client and td-server, and a listening socket per Net, opened when first used.
/// Make it in the network namespace it is to work in, one at a time there; before or after the
/// tracer.
class Workload {
 public:
  Workload();
  ~Workload();

  Connection run(const Script& script);
  /// A connect() whose first SYN is lost because the listener's queue is full: SYN_SENT lasts until
  /// the SYN is sent again, about a second. Only `connect` and `client` are filled.
  Connection run_slow_connect();

  /// Opens the listener now, if it is not open yet.
  const SocketFacts& listener(Net net);
  /// Number of listeners opened so far, each two lines when closed.
  unsigned listeners() const;
  void close_listeners();

  const Actor& client() const { return client_; }
  const Actor& server() const { return server_; }

 private:
  struct Listener {
    int fd = -1;
    SocketFacts socket;
  };
  struct Ends {
    int client = -1, server = -1;
  };
  Ends open(Connection& connection);
  void exchange(const Connection& connection, Ends ends);
  void finish(Connection& connection, Ends ends);
  Actor& actor(Side side) { return side == Side::Client ? client_ : server_; }

  Actor client_, server_;
  std::array<Listener, 3> listeners_;
};

}  // namespace tcpdwell::test
