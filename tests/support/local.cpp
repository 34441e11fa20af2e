// SPDX-License-Identifier: BSD-2-Clause
#include "support/local.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>

#include <cstring>
#include <stdexcept>

#include "support/shadow.h"

namespace tcpdwell::test {
namespace {

struct SocketAddress {
  sockaddr_storage bytes{};
  socklen_t size = 0;
  const sockaddr* get() const { return reinterpret_cast<const sockaddr*>(&bytes); }
};

SocketAddress socket_address(Net net, const Endpoint& endpoint) {
  SocketAddress result;
  if (net == Net::V4) {
    sockaddr_in v4{};
    v4.sin_family = AF_INET;
    v4.sin_port = htons(endpoint.port);
    std::memcpy(&v4.sin_addr, endpoint.addr.data(), sizeof v4.sin_addr);
    std::memcpy(&result.bytes, &v4, result.size = sizeof v4);
  } else {
    sockaddr_in6 v6{};
    v6.sin6_family = AF_INET6;
    v6.sin6_port = htons(endpoint.port);
    std::memcpy(&v6.sin6_addr, endpoint.addr.data(), sizeof v6.sin6_addr);
    std::memcpy(&result.bytes, &v6, result.size = sizeof v6);
  }
  return result;
}

template <class Call>
Stamp stamped(const char* what, Call call) {
  Stamp when;
  when.before = monotonic_ns();
  sys(call(), what);
  when.after = monotonic_ns();
  return when;
}

void bind_to(const Local& socket, Net net, const Endpoint& endpoint) {
  const SocketAddress address = socket_address(net, endpoint);
  sys(bind(socket.fd(), address.get(), address.size), "bind");
}

/// A listener for IPv4 peers on an IPv6 socket is bound to no address.
Endpoint listening_endpoint(Net net, std::uint16_t port) {
  if (net != Net::Mapped) return host_endpoint(net, kKernelHost, port);
  Endpoint any;
  any.port = port;
  return any;
}

Fd new_socket(Net net) {
  const int family = net == Net::V4 ? AF_INET : AF_INET6;
  return Fd(sys(socket(family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), "socket"));
}

}  // namespace

Local::Local(Net net) : fd_(new_socket(net)), net_(net) {}

Local::Local(Net net, std::uint16_t port) : Local(net) {
  set_option(SOL_SOCKET, SO_REUSEADDR, 1);
  bind_to(*this, net, host_endpoint(net, kKernelHost, port));
}

Stamp Local::connect(std::uint16_t remote_port) {
  const auto address = socket_address(net_, host_endpoint(net_, kPeerHost, remote_port));
  return stamped("connect", [&] {
    const int result = ::connect(fd_.get(), address.get(), address.size);
    return result < 0 && errno == EINPROGRESS ? 0 : result;
  });
}

Stamp Local::disconnect() {
  const sockaddr nobody{AF_UNSPEC, {}};
  return stamped("disconnect", [&] { return ::connect(fd_.get(), &nobody, sizeof nobody); });
}

Stamp Local::shutdown_write() {
  return stamped("shutdown", [&] { return shutdown(fd_.get(), SHUT_WR); });
}

Stamp Local::close() {
  const Stamp closed = stamped("close", [&] { return fd_.reset(), 0; });
  // In FIN_WAIT2 it starts the timer of an orphan, of which no line tells.
  told_in_test().happened(closed.after);
  return closed;
}

Stamp Local::abort() {
  const linger at_once{1, 0};
  sys(setsockopt(fd_.get(), SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once), "SO_LINGER");
  return close();
}

Stamp Local::write(std::string_view payload) {
  return stamped("send",
                 [&] { return send(fd_.get(), payload.data(), payload.size(), MSG_NOSIGNAL); });
}

std::uint64_t Local::cookie() const {
  std::uint64_t cookie = 0;
  socklen_t size = sizeof cookie;
  sys(getsockopt(fd_.get(), SOL_SOCKET, SO_COOKIE, &cookie, &size), "SO_COOKIE");
  return cookie;
}

void Local::set_option(int level, int name, int value) {
  sys(setsockopt(fd_.get(), level, name, &value, sizeof value), "setsockopt");
}

Listener::Listener(Net net, std::uint16_t port) : socket_(new_socket(net), net), net_(net) {
  socket_.set_option(SOL_SOCKET, SO_REUSEADDR, 1);
  if (net == Net::V6) socket_.set_option(IPPROTO_IPV6, IPV6_V6ONLY, 1);
  bind_to(socket_, net, listening_endpoint(net, port));
  sys(listen(socket_.fd(), 64), "listen");
}

Local Listener::accept() {
  pollfd ready{socket_.fd(), POLLIN, 0};
  if (sys(poll(&ready, 1, 3000), "poll listener") == 0) {
    throw std::runtime_error("nothing to accept");
  }
  return Local(
      Fd(sys(accept4(socket_.fd(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK), "accept")),
      net_);
}

}  // namespace tcpdwell::test
