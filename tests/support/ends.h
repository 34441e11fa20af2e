// SPDX-License-Identifier: BSD-2-Clause
/// The two ends of a connection over a route, both in this process.
#pragma once

#include <sys/socket.h>

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>

#include "support/routes.h"
#include "support/sys.h"

namespace tcpdwell::test {

struct Address {
  sockaddr_storage bytes{};
  socklen_t size = 0;
  const sockaddr* get() const { return reinterpret_cast<const sockaddr*>(&bytes); }
};

/// Of the client's or the server's end of `route`.
Address address_of(const Route& route, Side side, Net net, std::uint16_t port);

/// A socket in `netns`, where the calling thread is from then on. No call on it blocks for longer
/// than some seconds.
Fd socket_in(const Netns& netns, Net net);

/// One that listens on all addresses; port 0 is any.
Fd listen_in(const Netns& netns, Net net, std::uint16_t port = 0);

std::uint16_t local_port(const Fd& fd);
std::uint16_t remote_port(const Fd& fd);
std::uint64_t cookie_of(const Fd& fd);

/// Starts connecting: 0, or what is wrong. EINPROGRESS is not.
int begin_connect(const Fd& fd, const Address& to);
/// True when the connection is there within `limit`.
bool connected_within(const Fd& fd, std::chrono::milliseconds limit);
/// The next connection, if one comes within `limit`.
std::optional<Fd> accept_within(const Fd& listener, std::chrono::milliseconds limit);

/// Sends and receives the same number of bytes; false if it cannot.
bool pass(const Fd& from, const Fd& to, std::size_t bytes);
/// Until the other end's FIN or RST is in, or some seconds have passed: 0, ECONNRESET, EAGAIN.
int await_end(const Fd& fd);
void shut_down(const Fd& fd);  ///< for writing
/// Closed with a RST.
void abort_close(Fd fd);
/// connect(AF_UNSPEC): resets what there is; the socket can connect again.
void disconnect(const Fd& fd);

}  // namespace tcpdwell::test
