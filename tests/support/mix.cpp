// SPDX-License-Identifier: BSD-2-Clause
#include "support/mix.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>

#include <algorithm>
#include <array>
#include <optional>
#include <random>
#include <thread>

#include "support/actor.h"
#include "support/diag.h"
#include "support/ends.h"

namespace tcpdwell::test {
namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;

constexpr std::size_t kMayStayOpen = 12;  ///< ends a worker leaves open
constexpr std::size_t kMayWait = 200;     ///< ends a worker has yet to close

struct Pair {
  const Route* route = nullptr;
  Net net = Net::V4;
  Fd client, server;
  std::uint16_t client_port = 0, server_port = 0;
};

struct Later {
  Clock::time_point due;
  Fd fd;
};

class Worker {
 public:
  Worker(const Routes& routes, std::uint64_t seed);
  MixResult work(Clock::time_point until);

 private:
  struct Kind {
    const char* name;
    unsigned weight;
    void (Worker::*play)();
  };
  static const std::vector<Kind> kKinds;

  // Kinds: a connection and how it ends.
  void client_closes_first() { close_in_turn(Side::Client); }
  void server_closes_first() { close_in_turn(Side::Server); }
  void both_close_at_once();
  void client_half_closes() { half_close(Side::Client); }
  void server_half_closes() { half_close(Side::Server); }
  void client_resets() { reset(Side::Client); }
  void server_resets() { reset(Side::Server); }
  void half_close_then_reset();
  void close_with_unread_data();
  void data_for_an_orphan();
  void no_lingering_in_fin_wait2();
  void peer_closes_much_later();
  void stays_open();
  void disconnects_and_connects_again();
  void is_destroyed();
  void its_time_wait_is_reused();
  void its_time_wait_is_reopened();
  // Kinds: what comes to no connection.
  void is_refused();
  void is_dropped();
  void syn_ack_is_lost();
  void gives_up_at_once();
  void is_never_accepted();
  void opens_from_both_sides();

  void close_in_turn(Side first);
  void half_close(Side first);
  void reset(Side first);

  std::optional<Pair> open();
  std::optional<Pair> open_over(const Route& route, Net net, Fd client);
  bool connect(const Fd& fd, const Route& route, const Address& to);
  std::optional<Fd> accept(const Fd& listener, std::uint16_t from);
  Fd listener_in(const Netns& netns, Net net, std::uint16_t port = 0);
  const Fd& listener(const Route& route, Net net);
  Diag& diag(const Netns& netns);
  void destroy(const Netns& netns, const SocketFacts& facts);

  const Route& any_route();
  const Route& cable_route();
  Net any_net() { return static_cast<Net>(below(3)); }
  unsigned below(unsigned n) { return std::uniform_int_distribution<unsigned>(0, n - 1)(random_); }
  void pause();
  void close_later(Fd fd, unsigned within_ms);
  void close_due(Clock::time_point now);

  const Routes& routes_;
  std::mt19937_64 random_;
  std::map<std::pair<const Netns*, Net>, Fd> listeners_;
  std::map<const Netns*, Diag> diags_;
  std::vector<Later> later_;
  std::size_t left_open_ = 0;
  MixResult result_;
};

const std::vector<Worker::Kind> Worker::kKinds = {
    {"client closes first", 20, &Worker::client_closes_first},
    {"server closes first", 12, &Worker::server_closes_first},
    {"both close at once", 10, &Worker::both_close_at_once},
    {"client half-closes", 6, &Worker::client_half_closes},
    {"server half-closes", 6, &Worker::server_half_closes},
    {"client resets", 6, &Worker::client_resets},
    {"server resets", 6, &Worker::server_resets},
    {"half-close, then reset", 3, &Worker::half_close_then_reset},
    {"closed with unread data", 3, &Worker::close_with_unread_data},
    {"data for an orphan", 3, &Worker::data_for_an_orphan},
    {"no lingering in FIN_WAIT2", 2, &Worker::no_lingering_in_fin_wait2},
    {"peer closes much later", 5, &Worker::peer_closes_much_later},
    {"stays open", 1, &Worker::stays_open},
    {"disconnects and connects again", 3, &Worker::disconnects_and_connects_again},
    {"destroyed", 3, &Worker::is_destroyed},
    {"TIME_WAIT reused", 4, &Worker::its_time_wait_is_reused},
    {"TIME_WAIT reopened", 4, &Worker::its_time_wait_is_reopened},
    {"refused", 5, &Worker::is_refused},
    {"dropped", 3, &Worker::is_dropped},
    {"SYN-ACK lost", 3, &Worker::syn_ack_is_lost},
    {"gives up at once", 4, &Worker::gives_up_at_once},
    {"never accepted", 3, &Worker::is_never_accepted},
    {"opened from both sides", 3, &Worker::opens_from_both_sides},
};

Worker::Worker(const Routes& routes, std::uint64_t seed) : routes_(routes), random_(seed) {}

MixResult Worker::work(Clock::time_point until) {
  std::vector<double> weights;
  for (const Kind& kind : kKinds) weights.push_back(kind.weight);
  std::discrete_distribution<std::size_t> choose(weights.begin(), weights.end());
  while (Clock::now() < until) {
    const Kind& kind = kKinds[choose(random_)];
    (this->*kind.play)();
    ++result_.kinds[kind.name];
    close_due(Clock::now());
  }
  later_.clear();
  for (auto& one : listeners_) result_.still_open.push_back(std::move(one.second));
  return std::move(result_);
}

void Worker::close_in_turn(Side first) {
  auto pair = open();
  if (!pair) return;
  pause();
  Fd& one = first == Side::Client ? pair->client : pair->server;
  Fd& other = first == Side::Client ? pair->server : pair->client;
  one.reset();
  pause();
  if (below(2) == 0) await_end(other);
}

// Over the cable the FINs cross.
void Worker::both_close_at_once() {
  auto pair = below(2) == 0 ? open() : open_over(cable_route(), any_net(), Fd());
  if (!pair) return;
  pause();
  pair->client.reset();
}

void Worker::half_close(Side first) {
  auto pair = open();
  if (!pair) return;
  const Fd& one = first == Side::Client ? pair->client : pair->server;
  Fd& other = first == Side::Client ? pair->server : pair->client;
  shut_down(one);
  await_end(other);
  pass(other, one, below(4000));
  pause();
  other.reset();
  await_end(one);
}

void Worker::reset(Side first) {
  auto pair = open();
  if (!pair) return;
  pause();
  abort_close(std::move(first == Side::Client ? pair->client : pair->server));
  pause();
}

void Worker::half_close_then_reset() {
  auto pair = open();
  if (!pair) return;
  shut_down(pair->client);
  await_end(pair->server);
  if (below(2) == 0) return abort_close(std::move(pair->client));
  abort_close(std::move(pair->server));
  if (await_end(pair->client) == ECONNRESET) result_.held.insert(cookie_of(pair->client));
}

void Worker::close_with_unread_data() {
  auto pair = open();
  if (!pair) return;
  send(pair->server.get(), "unread", 6, MSG_NOSIGNAL);
  pause();
  pair->client.reset();
  pause();
}

void Worker::data_for_an_orphan() {
  auto pair = open();
  if (!pair) return;
  result_.orphaned.insert(cookie_of(pair->client));
  pair->client.reset();
  // Later than the delayed ACK: data in the very segment that acknowledges the FIN makes no orphan.
  std::this_thread::sleep_for(milliseconds(60 + below(30)));
  send(pair->server.get(), "late", 4, MSG_NOSIGNAL);
  pause();
}

void Worker::no_lingering_in_fin_wait2() {
  auto pair = open();
  if (!pair) return;
  const int none = -1;
  sys(setsockopt(pair->client.get(), IPPROTO_TCP, TCP_LINGER2, &none, sizeof none), "TCP_LINGER2");
  shut_down(pair->client);
  await_end(pair->server);
  pause();
  pair->client.reset();
  pause();
}

void Worker::peer_closes_much_later() {
  auto pair = open();
  if (!pair) return;
  close_later(std::move(pair->server), 6000);
}

void Worker::stays_open() {
  if (left_open_ >= kMayStayOpen) return;
  auto pair = open();
  if (!pair) return;
  if (below(3) == 0) shut_down(pair->client);
  if (below(3) == 0) pair->client.reset();
  for (Fd* fd : {&pair->client, &pair->server}) {
    if (fd->get() < 0) continue;
    result_.held.insert(cookie_of(*fd));
    result_.still_open.push_back(std::move(*fd));
    ++left_open_;
  }
}

void Worker::disconnects_and_connects_again() {
  auto pair = open();
  if (!pair) return;
  disconnect(pair->client);
  pair->server.reset();
  open_over(*pair->route, pair->net, std::move(pair->client));
}

void Worker::is_destroyed() {
  auto pair = open();
  if (!pair) return;
  SocketFacts client, server;
  describe_socket(pair->client.get(), client);
  describe_socket(pair->server.get(), server);
  switch (below(4)) {
    case 0:
      return destroy(*pair->route->client, client);
    case 1:
      return destroy(*pair->route->server, server);
    case 2:
      pair->client.reset();
      pause();
      return destroy(*pair->route->client, client);  // FIN_WAIT1 or FIN_WAIT2
    default:
      pair->client.reset();
      await_end(pair->server);
      pair->server.reset();
      return destroy(*pair->route->client, client);  // TIME_WAIT
  }
}

void Worker::its_time_wait_is_reused() {
  auto pair = open();
  if (!pair) return;
  pair->client.reset();
  await_end(pair->server);
  pair->server.reset();
  pause();
  Fd again = socket_in(*pair->route->client, pair->net);
  const Address from = address_of(*pair->route, Side::Client, pair->net, pair->client_port);
  if (bind(again.get(), from.get(), from.size) != 0) return;
  open_over(*pair->route, pair->net, std::move(again));
}

void Worker::its_time_wait_is_reopened() {
  auto pair = open();
  if (!pair) return;
  pair->server.reset();
  await_end(pair->client);
  pair->client.reset();
  pause();
  Fd again = socket_in(*pair->route->client, pair->net);
  const Address from = address_of(*pair->route, Side::Client, pair->net, pair->client_port);
  if (bind(again.get(), from.get(), from.size) != 0) return;
  open_over(*pair->route, pair->net, std::move(again));
}

void Worker::is_refused() {
  const Route& route = any_route();
  const Net net = any_net();
  const Fd fd = socket_in(*route.client, net);
  constexpr std::uint16_t kNobodys = 9;
  if (connect(fd, route, address_of(route, Side::Server, net, kNobodys))) {
    connected_within(fd, milliseconds(2000));
  }
}

void Worker::is_dropped() {
  const Route& route = cable_route();
  const Net net = any_net();
  Fd fd = socket_in(*route.client, net);
  if (connect(fd, route, address_of(route, Side::Server, net, kDeadPort))) {
    close_later(std::move(fd), 8000);
  }
}

void Worker::syn_ack_is_lost() {
  const Route& route = cable_route();
  const Net net = any_net();
  Fd fd = socket_in(*route.client, net);
  // The listener is the first worker's that came; the others' clients ring there as well.
  try {
    result_.still_open.push_back(listener_in(*route.server, net, kMutePort));
  } catch (const std::system_error& error) {
    if (error.code().value() != EADDRINUSE) throw;
  }
  if (connect(fd, route, address_of(route, Side::Server, net, kMutePort))) {
    close_later(std::move(fd), 6000);
  }
}

// The server's SYN-ACK meets nobody: a RST.
void Worker::gives_up_at_once() {
  const Route& route = cable_route();
  const Net net = any_net();
  const std::uint16_t port = local_port(listener(route, net));
  Fd fd = socket_in(*route.client, net);
  connect(fd, route, address_of(route, Side::Server, net, port));
  if (below(2) == 0) abort_close(std::move(fd));
}

void Worker::is_never_accepted() {
  const Route& route = any_route();
  const Net net = any_net();
  const Fd listening = listener_in(*route.server, net);
  const Fd fd = socket_in(*route.client, net);
  const Address to = address_of(route, Side::Server, net, local_port(listening));
  if (!connect(fd, route, to)) return;
  // Closed only with the connection in its queue: a request would be dropped uncounted.
  const auto accepted = accept_within(listening, milliseconds(4000));
  if (!accepted) return;
  result_.accepted.push_back(cookie_of(*accepted));
  const Fd second = socket_in(*route.client, net);
  if (!connect(second, route, to)) return;
  pollfd queue{listening.get(), POLLIN, 0};
  poll(&queue, 1, 4000);
}

// RFC 9293 figure 8: both SYNs cross.
void Worker::opens_from_both_sides() {
  const Route& route = cable_route();
  const Net net = any_net();
  const Fd one = socket_in(*route.client, net);
  const Fd other = socket_in(*route.server, net);
  const Address from = address_of(route, Side::Client, net, 0);
  const Address to = address_of(route, Side::Server, net, 0);
  if (bind(one.get(), from.get(), from.size) != 0) return;
  if (bind(other.get(), to.get(), to.size) != 0) return;
  const Address there = address_of(route, Side::Server, net, local_port(other));
  const Address here = address_of(route, Side::Client, net, local_port(one));
  connect(one, route, there);
  result_.opened[cookie_of(other)] += 1;
  if (begin_connect(other, here) == EADDRNOTAVAIL) ++result_.never_sent[route.server->inode()];
  if (connected_within(one, milliseconds(2000))) pause();
}

std::optional<Pair> Worker::open() {
  const Route& route = any_route();
  return open_over(route, any_net(), Fd());
}

/// `client` may be a socket already, or is made.
std::optional<Pair> Worker::open_over(const Route& route, Net net, Fd client) {
  Pair pair{&route, net, std::move(client), Fd(), 0, 0};
  const Fd& listening = listener(route, net);
  pair.server_port = local_port(listening);
  if (pair.client.get() < 0) pair.client = socket_in(*route.client, net);
  if (!connect(pair.client, route, address_of(route, Side::Server, net, pair.server_port))) {
    return std::nullopt;
  }
  pair.client_port = local_port(pair.client);
  auto server = accept(listening, pair.client_port);
  if (!server || !connected_within(pair.client, milliseconds(3000))) return std::nullopt;
  pair.server = std::move(*server);
  if (!pass(pair.client, pair.server, below(3) == 0 ? 0 : below(8000))) return std::nullopt;
  if (!pass(pair.server, pair.client, below(3) == 0 ? 0 : below(20000))) return std::nullopt;
  return pair;
}

bool Worker::connect(const Fd& fd, const Route& route, const Address& to) {
  ++result_.opened[cookie_of(fd)];
  const int error = begin_connect(fd, to);
  if (error == EADDRNOTAVAIL) ++result_.never_sent[route.client->inode()];
  return error == 0;
}

/// Connections of clients that gave up waiting may come first.
std::optional<Fd> Worker::accept(const Fd& listening, std::uint16_t from) {
  while (auto fd = accept_within(listening, milliseconds(3500))) {
    result_.accepted.push_back(cookie_of(*fd));
    if (remote_port(*fd) == from) return fd;
  }
  return std::nullopt;
}

Fd Worker::listener_in(const Netns& netns, Net net, std::uint16_t port) {
  Fd fd = listen_in(netns, net, port);
  ++result_.opened[cookie_of(fd)];
  return fd;
}

const Fd& Worker::listener(const Route& route, Net net) {
  auto& fd = listeners_[{route.server, net}];
  if (fd.get() < 0) fd = listener_in(*route.server, net);
  return fd;
}

Diag& Worker::diag(const Netns& netns) {
  netns.enter();
  return diags_.try_emplace(&netns).first->second;
}

void Worker::destroy(const Netns& netns, const SocketFacts& facts) {
  try {
    diag(netns).destroy(facts.family, facts.local, facts.remote);
  } catch (const std::system_error& error) {
    if (error.code().value() != ENOENT) throw;  // over already
  }
}

const Route& Worker::any_route() {
  return routes_.all()[below(static_cast<unsigned>(routes_.all().size()))];
}

const Route& Worker::cable_route() {
  while (true) {
    const Route& route = any_route();
    if (route.cable) return route;
  }
}

void Worker::pause() {
  if (below(2) == 0) std::this_thread::sleep_for(milliseconds(below(25)));
}

void Worker::close_later(Fd fd, unsigned within_ms) {
  if (later_.size() >= kMayWait) return;
  later_.push_back({Clock::now() + milliseconds(below(within_ms)), std::move(fd)});
}

void Worker::close_due(Clock::time_point now) {
  std::erase_if(later_, [&](const Later& one) { return one.due <= now; });
}

MixResult run_worker(const Routes& routes, std::uint64_t seed, Clock::time_point until) {
  return Worker(routes, seed).work(until);
}

}  // namespace

void MixResult::add(MixResult&& part) {
  for (const auto& [cookie, times] : part.opened) opened[cookie] += times;
  accepted.insert(accepted.end(), part.accepted.begin(), part.accepted.end());
  held.merge(part.held);
  orphaned.merge(part.orphaned);
  for (const auto& [netns, times] : part.never_sent) never_sent[netns] += times;
  for (const auto& [kind, times] : part.kinds) kinds[kind] += times;
  std::move(part.still_open.begin(), part.still_open.end(), std::back_inserter(still_open));
}

Mix::Mix(const Routes& routes, const MixOptions& options) {
  const auto until = Clock::now() + options.time;
  for (unsigned i = 0; i < options.workers; ++i) {
    workers_.push_back(std::async(std::launch::async, run_worker, std::cref(routes),
                                  options.seed * 1000 + i, until));
  }
}

bool Mix::running() const {
  return std::any_of(workers_.begin(), workers_.end(), [](const auto& worker) {
    return worker.wait_for(std::chrono::seconds(0)) != std::future_status::ready;
  });
}

MixResult Mix::result() {
  MixResult sum;
  for (auto& worker : workers_) sum.add(worker.get());
  return sum;
}

}  // namespace tcpdwell::test
