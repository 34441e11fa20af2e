// SPDX-License-Identifier: BSD-2-Clause
/// The kernel's end of a scripted connection: a socket of this process, every call stamped.
#pragma once

#include <cstdint>

#include "support/peer.h"

namespace tcpdwell::test {

class Local {
 public:
  Local() = default;
  /// Bound to `port` on the kernel's side of the wire, not connected.
  Local(Net net, std::uint16_t port);
  /// connect() will choose the port.
  explicit Local(Net net);
  Local(Fd fd, Net net) : fd_(std::move(fd)), net_(net) {}

  int fd() const { return fd_.get(); }
  /// Returns when the SYN is sent.
  Stamp connect(std::uint16_t remote_port);
  /// connect(AF_UNSPEC): resets what there is; the socket can connect again.
  Stamp disconnect();
  Stamp shutdown_write();
  Stamp close();
  /// SO_LINGER 0, then close().
  Stamp abort();
  Stamp write(std::string_view payload);
  /// What getsockopt(SO_COOKIE) says.
  std::uint64_t cookie() const;
  void set_option(int level, int name, int value);

 private:
  Fd fd_;
  Net net_ = Net::V4;
};

class Listener {
 public:
  Listener(Net net, std::uint16_t port);
  /// Of a connection that is established; or, with Fast Open, has sent its SYN.
  Local accept();
  Local& socket() { return socket_; }

 private:
  Local socket_;
  Net net_;
};

}  // namespace tcpdwell::test
