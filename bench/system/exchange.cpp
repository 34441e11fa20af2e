// SPDX-License-Identifier: BSD-2-Clause
#include "exchange.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <future>
#include <vector>

#include "support/workload.h"

namespace tcpdwell::test {
namespace {

using Clock = std::chrono::steady_clock;
constexpr std::size_t kRequestBytes = 100, kResponseBytes = 1000;
/// As in the storm: an address is good for as many connections as there are ports.
constexpr std::uint32_t kConnectionsPerAddress = 10'000;

Fd tcp_socket() { return Fd(sys(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), "socket")); }

sockaddr_in address_of(std::uint32_t host, std::uint16_t port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(host);
  address.sin_port = htons(port);
  return address;
}

struct Listening {
  Fd fd = tcp_socket();
  std::uint16_t port = 0;

  Listening() {
    auto address = address_of(INADDR_ANY, 0);
    auto* generic = reinterpret_cast<sockaddr*>(&address);
    socklen_t size = sizeof address;
    sys(bind(fd.get(), generic, size), "bind");
    sys(listen(fd.get(), 16), "listen");
    sys(getsockname(fd.get(), generic, &size), "getsockname");
    port = ntohs(address.sin_port);
  }
};

Fd connect_to(std::uint32_t host, std::uint16_t port) {
  Fd client = tcp_socket();
  const auto address = address_of(host, port);
  sys(connect(client.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address), "connect");
  return client;
}

void make_room(Netns& netns) {
  netns.set_sysctl("net.ipv4.ip_local_port_range", "1024 65000");
  netns.set_sysctl("net.ipv4.tcp_max_tw_buckets", "1000000");
}

void serve(const Listening& listening, std::uint32_t connections) {
  std::array<char, kResponseBytes> buffer{};
  for (std::uint32_t i = 0; i < connections; ++i) {
    Fd server(sys(accept4(listening.fd.get(), nullptr, nullptr, SOCK_CLOEXEC), "accept"));
    sys(static_cast<int>(recv(server.get(), buffer.data(), kRequestBytes, MSG_WAITALL)), "recv");
    sys(static_cast<int>(send(server.get(), buffer.data(), buffer.size(), 0)), "send");
  }
}

void ask(std::uint16_t port, std::uint32_t connections, std::vector<float>& took_us) {
  std::array<char, kResponseBytes> buffer{};
  for (std::uint32_t i = 0; i < connections; ++i) {
    const auto start = Clock::now();
    const Fd client = connect_to(INADDR_LOOPBACK + i / kConnectionsPerAddress, port);
    sys(static_cast<int>(send(client.get(), buffer.data(), kRequestBytes, 0)), "send");
    while (sys(static_cast<int>(recv(client.get(), buffer.data(), buffer.size(), 0)), "recv") > 0) {
    }
    took_us.push_back(std::chrono::duration<float, std::micro>(Clock::now() - start).count());
  }
}

}  // namespace

ExchangeResult exchange(Netns& netns, const ExchangeOptions& options) {
  make_room(netns);
  std::vector<Listening> listeners(options.pairs);
  std::vector<std::vector<float>> took(options.pairs);
  std::vector<std::future<void>> threads;
  const std::uint32_t share = options.connections / options.pairs;
  const auto start = Clock::now();
  for (unsigned n = 0; n < options.pairs; ++n) {
    threads.push_back(std::async(std::launch::async, [&, n] { serve(listeners[n], share); }));
    threads.push_back(std::async(std::launch::async, [&, n] { ask(listeners[n].port, share, took[n]); }));
  }
  for (auto& thread : threads) thread.get();
  ExchangeResult result;
  result.seconds = std::chrono::duration<double>(Clock::now() - start).count();
  std::vector<float> all;
  for (const auto& part : took) all.insert(all.end(), part.begin(), part.end());
  std::sort(all.begin(), all.end());
  result.connections = all.size();
  result.p50_us = all[all.size() / 2];
  result.p99_us = all[all.size() * 99 / 100];
  return result;
}

std::vector<Fd> open_pairs(Netns& netns, std::uint32_t connections) {
  make_room(netns);
  const Listening listening;
  std::vector<Fd> fds;
  for (std::uint32_t i = 0; i < connections; ++i) {
    fds.push_back(connect_to(INADDR_LOOPBACK + i / kConnectionsPerAddress, listening.port));
    fds.emplace_back(sys(accept4(listening.fd.get(), nullptr, nullptr, SOCK_CLOEXEC), "accept"));
  }
  return fds;
}

}  // namespace tcpdwell::test
