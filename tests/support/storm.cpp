// SPDX-License-Identifier: BSD-2-Clause
#include "support/storm.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include <algorithm>
#include <chrono>
#include <deque>

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

void end_first(Fd fd, Ending ending) {
  const linger at_once{1, 0};
  if (ending == Ending::Reset) {
    sys(setsockopt(fd.get(), SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once), "SO_LINGER");
  }
}

/// The second side closes only when the first one's FIN or RST is in: states never cross.
void end_second(Fd fd) {
  char byte = 0;
  if (recv(fd.get(), &byte, 1, 0) < 0 && errno != ECONNRESET) sys(-1, "recv");
}

/// Opens a connection and ends its first side; the second side is left.
Fd half_a_connection(const Listening& listening, std::uint32_t host, bool client_first,
                     Ending ending) {
  Fd client = tcp_socket();
  const auto address = address_of(host, listening.port);
  const auto* generic = reinterpret_cast<const sockaddr*>(&address);
  sys(connect(client.get(), generic, sizeof address), "connect");
  Fd server(sys(accept4(listening.fd.get(), nullptr, nullptr, SOCK_CLOEXEC), "accept"));
  end_first(std::move(client_first ? client : server), ending);
  return std::move(client_first ? server : client);
}

void end_all_but(std::deque<Fd>& waiting, std::size_t lag) {
  while (waiting.size() > lag) {
    end_second(std::move(waiting.front()));
    waiting.pop_front();
  }
}

StormResult work(const StormOptions& options, std::uint32_t connections) {
  using Clock = std::chrono::steady_clock;
  const auto start = Clock::now();
  const Listening listening;
  std::deque<Fd> waiting;
  StormResult result;
  result.listeners = 1;
  for (std::uint32_t i = 0; i < connections; ++i) {
    const bool client_first = !options.alternating || i % 2 == 0;
    const std::uint32_t host = INADDR_LOOPBACK + i / kConnectionsPerAddress;
    waiting.push_back(half_a_connection(listening, host, client_first, options.ending));
    end_all_but(waiting, options.lag);
    ++result.connections;
    result.client_first += client_first ? 1 : 0;
  }
  end_all_but(waiting, 0);
  result.seconds = std::chrono::duration<double>(Clock::now() - start).count();
  return result;
}

}  // namespace

namespace {

const StormOptions& with_room(Netns& netns, const StormOptions& options) {
  netns.set_sysctl("net.ipv4.ip_local_port_range", "1024 65000");
  netns.set_sysctl("net.ipv4.tcp_max_tw_buckets", "1000000");
  return options;
}

}  // namespace

Storm::Storm(Netns& netns, const StormOptions& options) : Storm(with_room(netns, options)) {}

Storm::Storm(const StormOptions& options) {
  sys(setpriority(PRIO_PROCESS, 0, -20), "setpriority");
  std::uint32_t left = options.connections;
  for (unsigned workers = options.workers; workers > 0; --workers) {
    const std::uint32_t share = left / workers;
    left -= share;
    workers_.push_back(std::async(std::launch::async, work, options, share));
  }
}

bool Storm::running() const {
  return std::any_of(workers_.begin(), workers_.end(), [](const auto& worker) {
    return worker.wait_for(std::chrono::seconds(0)) != std::future_status::ready;
  });
}

StormResult Storm::result() {
  StormResult sum;
  for (auto& worker : workers_) {
    const StormResult part = worker.get();
    sum.connections += part.connections;
    sum.client_first += part.client_first;
    sum.listeners += part.listeners;
    sum.seconds = std::max(sum.seconds, part.seconds);
  }
  return sum;
}

}  // namespace tcpdwell::test
