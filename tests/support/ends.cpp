// SPDX-License-Identifier: BSD-2-Clause
#include "support/ends.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/time.h>

#include <algorithm>
#include <array>
#include <cstring>

namespace tcpdwell::test {
namespace {

void set_option(const Fd& fd, int level, int name, int value) {
  sys(setsockopt(fd.get(), level, name, &value, sizeof value), "setsockopt");
}

void set_blocking(const Fd& fd, bool blocking) {
  const int flags = sys(fcntl(fd.get(), F_GETFL), "F_GETFL");
  sys(fcntl(fd.get(), F_SETFL, blocking ? flags & ~O_NONBLOCK : flags | O_NONBLOCK), "F_SETFL");
}

void give_up_late(const Fd& fd) {
  const timeval limit{3, 0};
  sys(setsockopt(fd.get(), SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit), "SO_RCVTIMEO");
  sys(setsockopt(fd.get(), SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit), "SO_SNDTIMEO");
}

bool ready(const Fd& fd, short what, std::chrono::milliseconds limit) {
  pollfd one{fd.get(), what, 0};
  return sys(poll(&one, 1, static_cast<int>(limit.count())), "poll") > 0;
}

/// Ports lie at the same place in both.
std::uint16_t port_of(const sockaddr_storage& address) {
  sockaddr_in v4{};
  std::memcpy(&v4, &address, sizeof v4);
  return ntohs(v4.sin_port);
}

thread_local std::array<char, 32 << 10> payload;

}  // namespace

Address address_of(const Route& route, Side side, Net net, std::uint16_t port) {
  const bool client = side == Side::Client;
  const std::string& v4 = client ? route.client_v4 : route.server_v4;
  const std::string& v6 = client ? route.client_v6 : route.server_v6;
  Address result;
  if (net == Net::V4) {
    sockaddr_in one{};
    one.sin_family = AF_INET;
    one.sin_port = htons(port);
    inet_pton(AF_INET, v4.c_str(), &one.sin_addr);
    std::memcpy(&result.bytes, &one, result.size = sizeof one);
  } else {
    sockaddr_in6 one{};
    one.sin6_family = AF_INET6;
    one.sin6_port = htons(port);
    const std::string text = net == Net::Mapped ? "::ffff:" + v4 : v6;
    inet_pton(AF_INET6, text.c_str(), &one.sin6_addr);
    std::memcpy(&result.bytes, &one, result.size = sizeof one);
  }
  return result;
}

Fd socket_in(const Netns& netns, Net net) {
  netns.enter();
  Fd fd(sys(socket(net == Net::V4 ? AF_INET : AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0), "socket"));
  if (net != Net::V4) set_option(fd, IPPROTO_IPV6, IPV6_V6ONLY, net == Net::V6);
  set_option(fd, SOL_SOCKET, SO_REUSEADDR, 1);
  give_up_late(fd);
  return fd;
}

Fd listen_in(const Netns& netns, Net net, std::uint16_t port) {
  Fd fd = socket_in(netns, net);
  sockaddr_storage any{};
  any.ss_family = net == Net::V4 ? AF_INET : AF_INET6;
  sockaddr_in port_only{};
  std::memcpy(&port_only, &any, sizeof port_only);
  port_only.sin_port = htons(port);
  std::memcpy(&any, &port_only, sizeof port_only);
  const socklen_t size = net == Net::V4 ? sizeof(sockaddr_in) : sizeof(sockaddr_in6);
  sys(bind(fd.get(), reinterpret_cast<const sockaddr*>(&any), size), "bind");
  sys(listen(fd.get(), 64), "listen");
  return fd;
}

std::uint16_t local_port(const Fd& fd) {
  sockaddr_storage address{};
  socklen_t size = sizeof address;
  getsockname(fd.get(), reinterpret_cast<sockaddr*>(&address), &size);
  return port_of(address);
}

std::uint16_t remote_port(const Fd& fd) {
  sockaddr_storage address{};
  socklen_t size = sizeof address;
  getpeername(fd.get(), reinterpret_cast<sockaddr*>(&address), &size);
  return port_of(address);
}

std::uint64_t cookie_of(const Fd& fd) {
  std::uint64_t cookie = 0;
  socklen_t size = sizeof cookie;
  sys(getsockopt(fd.get(), SOL_SOCKET, SO_COOKIE, &cookie, &size), "SO_COOKIE");
  return cookie;
}

int begin_connect(const Fd& fd, const Address& to) {
  set_blocking(fd, false);
  const int result = connect(fd.get(), to.get(), to.size);
  const int error = result < 0 && errno != EINPROGRESS ? errno : 0;
  set_blocking(fd, true);
  return error;
}

bool connected_within(const Fd& fd, std::chrono::milliseconds limit) {
  if (!ready(fd, POLLOUT, limit)) return false;
  int error = 0;
  socklen_t size = sizeof error;
  getsockopt(fd.get(), SOL_SOCKET, SO_ERROR, &error, &size);
  return error == 0;
}

std::optional<Fd> accept_within(const Fd& listener, std::chrono::milliseconds limit) {
  if (!ready(listener, POLLIN, limit)) return std::nullopt;
  Fd fd(accept4(listener.get(), nullptr, nullptr, SOCK_CLOEXEC));
  if (fd.get() < 0) return std::nullopt;
  give_up_late(fd);
  return fd;
}

bool pass(const Fd& from, const Fd& to, std::size_t bytes) {
  bytes = std::min(bytes, payload.size());
  if (bytes == 0) return true;
  if (send(from.get(), payload.data(), bytes, MSG_NOSIGNAL) != static_cast<ssize_t>(bytes)) {
    return false;
  }
  return recv(to.get(), payload.data(), bytes, MSG_WAITALL) == static_cast<ssize_t>(bytes);
}

int await_end(const Fd& fd) {
  while (true) {
    const ssize_t got = recv(fd.get(), payload.data(), payload.size(), 0);
    if (got <= 0) return got == 0 ? 0 : errno;
  }
}

void shut_down(const Fd& fd) { shutdown(fd.get(), SHUT_WR); }

void abort_close(Fd fd) {
  const linger at_once{1, 0};
  setsockopt(fd.get(), SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
}

void disconnect(const Fd& fd) {
  const sockaddr nobody{AF_UNSPEC, {}};
  connect(fd.get(), &nobody, sizeof nobody);
}

}  // namespace tcpdwell::test
