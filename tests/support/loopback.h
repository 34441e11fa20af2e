// SPDX-License-Identifier: BSD-2-Clause
/// Connections over 127.0.0.1 whose ends the test itself has.
#pragma once

#include <netinet/in.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstdint>
#include <system_error>

#include "support/sys.h"

namespace tcpdwell::test {

inline sockaddr_in loopback(std::uint16_t port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons(port);
  return address;
}

/// One end of a connection over loopback.
class End {
 public:
  End() = default;
  explicit End(int fd) : fd_(fd) {
    if (fd < 0) throw std::system_error(errno, std::generic_category(), "socket");
  }
  /// From that port, also where it is in TIME_WAIT; 0: from any.
  static End to(std::uint16_t port, std::uint16_t from = 0) {
    End end(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    if (from != 0) end.take(from);
    const sockaddr_in address = loopback(port);
    if (::connect(end.fd(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0)
      throw std::system_error(errno, std::generic_category(), "connect");
    return end;
  }
  int fd() const { return fd_.get(); }
  void shutdown_write() { shutdown(fd(), SHUT_WR); }
  void close() { fd_ = Fd(); }
  void abort() {
    const linger none{1, 0};
    setsockopt(fd(), SOL_SOCKET, SO_LINGER, &none, sizeof none);
    close();
  }
  std::uint64_t cookie() const {
    std::uint64_t cookie = 0;
    socklen_t size = sizeof cookie;
    getsockopt(fd(), SOL_SOCKET, SO_COOKIE, &cookie, &size);
    return cookie;
  }

 private:
  void take(std::uint16_t port) {
    const int on = 1;
    const sockaddr_in here = loopback(port);
    sys(setsockopt(fd(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on), "SO_REUSEADDR");
    sys(bind(fd(), reinterpret_cast<const sockaddr*>(&here), sizeof here), "bind");
  }
  Fd fd_;
};

class LoopbackListener {
 public:
  explicit LoopbackListener(std::uint16_t port)
      : end_(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    const sockaddr_in address = loopback(port);
    if (bind(end_.fd(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0 ||
        listen(end_.fd(), 128) != 0)
      throw std::system_error(errno, std::generic_category(), "listen");
  }
  End accept() { return End(accept4(end_.fd(), nullptr, nullptr, SOCK_CLOEXEC)); }

 private:
  End end_;
};

}  // namespace tcpdwell::test
