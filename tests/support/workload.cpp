// SPDX-License-Identifier: BSD-2-Clause
#include "support/workload.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/time.h>

#include <algorithm>
#include <chrono>
#include <cstring>
#include <thread>

namespace tcpdwell::test {
namespace {

void hold(unsigned ms) {
  if (ms > 0) std::this_thread::sleep_for(std::chrono::milliseconds(ms));
}

// --- Actions: these run in the actors. ---

sockaddr_storage loopback(Net net, std::uint16_t port, bool listening, socklen_t& size) {
  sockaddr_storage storage{};
  if (net == Net::V4) {
    sockaddr_in v4{};
    v4.sin_family = AF_INET;
    v4.sin_port = htons(port);
    v4.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    std::memcpy(&storage, &v4, size = sizeof v4);
    return storage;
  }
  sockaddr_in6 v6{};
  v6.sin6_family = AF_INET6;
  v6.sin6_port = htons(port);
  const char* mapped = listening ? "::" : "::ffff:127.0.0.1";
  inet_pton(AF_INET6, net == Net::Mapped ? mapped : "::1", &v6.sin6_addr);
  std::memcpy(&storage, &v6, size = sizeof v6);
  return storage;
}

// No test hangs: every blocking call gives up after a while.
int give_up_late(int fd) {
  const timeval limit{10, 0};
  setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
  setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
  return fd;
}

int new_socket(Net net) {
  const int fd = socket(net == Net::V4 ? AF_INET : AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const int v6_only = net == Net::V6;
  if (net != Net::V4) setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &v6_only, sizeof v6_only);
  return give_up_late(fd);
}

template <int backlog>
long do_listen(long net, long port, SocketFacts& facts) {
  const int fd = new_socket(static_cast<Net>(net));
  const int on = 1;
  setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  socklen_t size = 0;
  const auto address =
      loopback(static_cast<Net>(net), static_cast<std::uint16_t>(port), true, size);
  if (bind(fd, reinterpret_cast<const sockaddr*>(&address), size) < 0) return -1;
  if (listen(fd, backlog) < 0) return -1;
  return describe_socket(fd, facts) < 0 ? -1 : fd;
}

long do_socket(long net, long, SocketFacts&) { return new_socket(static_cast<Net>(net)); }

template <Net net>
long do_connect(long fd, long port, SocketFacts&) {
  socklen_t size = 0;
  const auto address = loopback(net, static_cast<std::uint16_t>(port), false, size);
  return connect(static_cast<int>(fd), reinterpret_cast<const sockaddr*>(&address), size);
}

Action connect_to(Net net) {
  switch (net) {
    case Net::V4:
      return do_connect<Net::V4>;
    case Net::V6:
      return do_connect<Net::V6>;
    case Net::Mapped:
      break;
  }
  return do_connect<Net::Mapped>;
}

long do_accept(long fd, long, SocketFacts&) {
  const int accepted = accept4(static_cast<int>(fd), nullptr, nullptr, SOCK_CLOEXEC);
  return accepted < 0 ? -1 : give_up_late(accepted);
}

long do_describe(long fd, long, SocketFacts& facts) {
  return describe_socket(static_cast<int>(fd), facts);
}

std::array<char, 64 << 10> payload;

long do_send(long fd, long bytes, SocketFacts&) {
  return send(static_cast<int>(fd), payload.data(), static_cast<std::size_t>(bytes), MSG_NOSIGNAL);
}

long do_receive(long fd, long bytes, SocketFacts&) {
  return recv(static_cast<int>(fd), payload.data(), static_cast<std::size_t>(bytes), MSG_WAITALL);
}

/// Until the peer's FIN or RST is in.
long do_await_end(long fd, long, SocketFacts&) {
  char byte = 0;
  const auto got = recv(static_cast<int>(fd), &byte, 1, 0);
  if (got > 0) errno = EPROTO;
  return got == 0 || (got < 0 && errno == ECONNRESET) ? 0 : -1;
}

long do_shutdown(long fd, long, SocketFacts&) { return shutdown(static_cast<int>(fd), SHUT_WR); }

long do_close(long fd, long, SocketFacts&) { return close(static_cast<int>(fd)); }

long do_arm_reset(long fd, long, SocketFacts&) {
  const linger at_once{1, 0};
  return setsockopt(static_cast<int>(fd), SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
}

}  // namespace

std::string describe(const Script& script) {
  static constexpr const char* kNets[] = {"IPv4", "IPv6", "mapped"};
  static constexpr const char* kEndings[] = {"closes", "half-closes", "resets"};
  std::string text = kNets[static_cast<int>(script.net)];
  text += script.first == Side::Client ? ", client " : ", server ";
  text += kEndings[static_cast<int>(script.ending)];
  text += ", " + std::to_string(script.established_ms) + " ms established, ";
  return text + std::to_string(script.between_ms) + " ms between";
}

std::optional<Span> Connection::dwell(Side of, State state) const {
  const SideTruth& truth = side(of);
  const bool second = of != script.first && script.ending != Ending::Reset;
  if (state == State::SynSent && of == Side::Client) return Span{0, connect.after - connect.before};
  if (state == State::Established) return between(truth.established, truth.left);
  if (state == State::CloseWait && second) return between(truth.left, truth.closed);
  return std::nullopt;
}

Workload::Workload() : client_("td-client"), server_("td-server") {}

Workload::~Workload() = default;

const SocketFacts& Workload::listener(Net net) {
  Listener& listener = listeners_[static_cast<std::size_t>(net)];
  if (listener.fd < 0) {
    const Answer answer =
        server_.ask("listen", do_listen<128>, static_cast<long>(net), server_port(net));
    listener = {static_cast<int>(answer.value), answer.facts};
  }
  return listener.socket;
}

unsigned Workload::listeners() const {
  return static_cast<unsigned>(std::count_if(listeners_.begin(), listeners_.end(),
                                             [](const Listener& one) { return one.fd >= 0; }));
}

void Workload::close_listeners() {
  for (Listener& listener : listeners_) {
    if (listener.fd >= 0) server_.ask("close listener", do_close, listener.fd);
    listener = {};
  }
}

Connection Workload::run(const Script& script) {
  Connection connection;
  connection.script = script;
  const Ends ends = open(connection);
  exchange(connection, ends);
  hold(script.established_ms);
  finish(connection, ends);
  return connection;
}

Workload::Ends Workload::open(Connection& connection) {
  const Net net = connection.script.net;
  const long port = listener(net).local.port;
  const int listening = listeners_[static_cast<std::size_t>(net)].fd;
  Ends ends;
  ends.client = static_cast<int>(client_.ask("socket", do_socket, static_cast<long>(net)).value);
  connection.connect = client_.ask("connect", connect_to(net), ends.client, port).when;
  const Answer accepted = server_.ask("accept", do_accept, listening);
  ends.server = static_cast<int>(accepted.value);
  const Stamp& connect = connection.connect;
  connection.client = {client_.pid(), client_.name(), {}, connect, {}, {}};
  connection.server = {
      server_.pid(), server_.name(), {}, {connect.before, accepted.when.after}, {}, {}};
  connection.client.socket = client_.ask("describe", do_describe, ends.client).facts;
  connection.server.socket = server_.ask("describe", do_describe, ends.server).facts;
  return ends;
}

void Workload::exchange(const Connection& connection, Ends ends) {
  const auto pass = [](Actor& from, int from_fd, Actor& to, int to_fd, std::uint32_t bytes) {
    if (bytes == 0) return;
    from.ask("send", do_send, from_fd, bytes);
    to.ask("receive", do_receive, to_fd, bytes);
  };
  pass(client_, ends.client, server_, ends.server, connection.script.client_bytes);
  pass(server_, ends.server, client_, ends.client, connection.script.server_bytes);
}

void Workload::finish(Connection& connection, Ends ends) {
  const Script& script = connection.script;
  const bool client_first = script.first == Side::Client;
  const int first_fd = client_first ? ends.client : ends.server;
  const int second_fd = client_first ? ends.server : ends.client;
  Actor& first = actor(script.first);
  Actor& second = actor(other(script.first));
  SideTruth& truth = connection.side(script.first);
  SideTruth& peer = connection.side(other(script.first));

  const bool half = script.ending == Ending::HalfClose;
  if (script.ending == Ending::Reset) first.ask("linger", do_arm_reset, first_fd);
  truth.left = truth.closed = first.ask("end", half ? do_shutdown : do_close, first_fd).when;
  peer.left = {truth.left.before, second.ask("await end", do_await_end, second_fd).when.after};
  hold(script.between_ms);
  peer.closed = second.ask("close", do_close, second_fd).when;
  if (!half) return;
  first.ask("await end", do_await_end, first_fd);
  truth.closed = first.ask("close", do_close, first_fd).when;
}

// A listener of backlog 0 has room for one connection that waits to be accepted; the next SYN is
// dropped.
Connection Workload::run_slow_connect() {
  constexpr long kNet = static_cast<long>(Net::V4);
  const Answer listening = server_.ask("listen", do_listen<0>, kNet, 0);
  const long port = listening.facts.local.port;
  const long filler = client_.ask("socket", do_socket, kNet).value;
  const long fd = client_.ask("socket", do_socket, kNet).value;
  client_.ask("connect", do_connect<Net::V4>, filler, port);
  client_.tell(do_connect<Net::V4>, fd, port);
  hold(100);
  const long first = server_.ask("accept", do_accept, listening.value).value;
  Connection connection;
  connection.connect = client_.hear("slow connect").when;
  const long second = server_.ask("accept", do_accept, listening.value).value;
  const SocketFacts facts = client_.ask("describe", do_describe, fd).facts;
  connection.client = {client_.pid(), client_.name(), facts, connection.connect, {}, {}};
  for (const long one : {filler, fd}) client_.ask("close", do_close, one);
  for (const long one : {first, second, listening.value}) server_.ask("close", do_close, one);
  return connection;
}

}  // namespace tcpdwell::test
