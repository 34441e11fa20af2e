// SPDX-License-Identifier: BSD-2-Clause
#include "support/busy_port.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

namespace tcpdwell::test {
namespace {

// A destination address is good for as many connections as there are ports; time-wait sockets keep
// theirs for a minute, so move on to the next address well before.
constexpr std::uint32_t kConnectionsPerAddress = 10'000;

Fd tcp_socket() { return Fd(sys(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), "socket")); }

sockaddr_in address_of(std::uint32_t host, std::uint16_t port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(host);
  address.sin_port = htons(port);
  return address;
}

}  // namespace

BusyPort::BusyPort() : listening_(tcp_socket()) {
  auto address = address_of(INADDR_ANY, 0);
  auto* generic = reinterpret_cast<sockaddr*>(&address);
  socklen_t size = sizeof address;
  sys(bind(listening_.get(), generic, size), "bind");
  sys(listen(listening_.get(), 16), "listen");
  sys(getsockname(listening_.get(), generic, &size), "getsockname");
  port_ = ntohs(address.sin_port);
}

Fd BusyPort::connect(std::uint32_t nth) const {
  Fd client = tcp_socket();
  const auto address = address_of(INADDR_LOOPBACK + nth / kConnectionsPerAddress, port_);
  sys(::connect(client.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address),
      "connect");
  return client;
}

Fd BusyPort::accept() const {
  return Fd(sys(accept4(listening_.get(), nullptr, nullptr, SOCK_CLOEXEC), "accept"));
}

void make_room_for_many(Netns& netns) {
  netns.set_sysctl("net.ipv4.ip_local_port_range", "1024 65000");
  netns.set_sysctl("net.ipv4.tcp_max_tw_buckets", "1000000");
}

}  // namespace tcpdwell::test
