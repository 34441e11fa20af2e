// SPDX-License-Identifier: BSD-2-Clause
/// How long a server's connections wait for accept(): through fentry what a script measured, any
/// other way nothing.
#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <sys/socket.h>

#include <algorithm>
#include <chrono>
#include <optional>
#include <thread>
#include <utility>
#include <vector>

#include "aggregate/aggregator.h"
#include "model/survey.h"
#include "model/tally.h"
#include "support/collect.h"
#include "support/counters.h"
#include "support/netns.h"
#include "support/sys.h"
#include "support/truth.h"

namespace tcpdwell::test {
namespace {

constexpr std::uint64_t kTolerance = 2 * kMillisecond;

/// Keeps lines of connections and what was counted, too.
class Keeper : public Collector {
 public:
  Status connection(const tcpdwell::Connection& one) override {
    if (!one.open()) connections.push_back(one);
    return Ok;
  }
  Status tally(const tcpdwell::Tally& tally) override {
    counted += tally.not_accepted.exact.count();
    return Ok;
  }
  std::vector<tcpdwell::Connection> connections;
  std::uint64_t counted = 0;
};

std::uint64_t cookie_of(int fd) {
  std::uint64_t cookie = 0;
  socklen_t length = sizeof cookie;
  sys(getsockopt(fd, SOL_SOCKET, SO_COOKIE, &cookie, &length), "getsockopt");
  return cookie;
}

void hold(unsigned milliseconds) {
  std::this_thread::sleep_for(std::chrono::milliseconds(milliseconds));
}

/// A connection of the server's, whose last ACK comes while its client is in connect().
struct Waiter {
  Fd client, server;
  Stamp established, accepted;
  std::uint64_t cookie = 0;
  Span wait() const { return between(established, accepted); }
};

class Server {
 public:
  explicit Server(int backlog = 16) : listener_(sys(socket(AF_INET, SOCK_STREAM, 0), "socket")) {
    at_.sin_family = AF_INET;
    at_.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    sys(bind(fd(), address(), sizeof at_), "bind");
    socklen_t length = sizeof at_;
    sys(getsockname(fd(), address(), &length), "getsockname");
    sys(listen(fd(), backlog), "listen");
  }
  int fd() const { return listener_.get(); }
  Waiter connect() {
    Waiter one;
    one.client = Fd(sys(socket(AF_INET, SOCK_STREAM, 0), "socket"));
    one.established.before = monotonic_ns();
    sys(::connect(one.client.get(), address(), sizeof at_), "connect");
    one.established.after = monotonic_ns();
    return one;
  }
  /// SYNs that the kernel is to drop: nobody waits for what becomes of them.
  std::vector<Fd> knock(int times) {
    std::vector<Fd> clients;
    for (int i = 0; i < times; ++i) {
      clients.emplace_back(sys(socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0), "socket"));
      ::connect(clients.back().get(), address(), sizeof at_);
    }
    return clients;
  }
  void accept(Waiter& one) {
    one.accepted.before = monotonic_ns();
    one.server = Fd(sys(::accept(fd(), nullptr, nullptr), "accept"));
    one.accepted.after = monotonic_ns();
    one.cookie = cookie_of(one.server.get());
  }
  void close() { listener_.reset(); }

 private:
  sockaddr* address() { return reinterpret_cast<sockaddr*>(&at_); }
  Fd listener_;
  sockaddr_in at_{};
};

std::optional<std::uint64_t> wait_of(const Collector& collected, std::uint64_t cookie) {
  std::optional<std::uint64_t> wait;
  for (const Transition& line : collected.chain(cookie)) {
    if (line.from == State::Established) {
      wait = line.accept_wait_ns;
    } else {
      EXPECT_FALSE(line.accept_wait_ns) << name_of(line.from);
    }
  }
  return wait;
}

/// Within 2 ms of what the script saw, however long its own calls took.
void expect_wait(const std::optional<std::uint64_t>& wait, const Span& truth) {
  ASSERT_TRUE(wait);
  EXPECT_TRUE(truth.holds(*wait, kTolerance))
      << *wait << " ns, and not " << truth.shortest << " to " << truth.longest;
}

std::vector<Waiter> accept_after(Server& server, const std::vector<unsigned>& milliseconds) {
  std::vector<Waiter> all;
  for (const unsigned ms : milliseconds) {
    Waiter one = server.connect();
    hold(ms);
    server.accept(one);
    all.push_back(std::move(one));
  }
  return all;
}

TracerOptions in(const Netns& netns) {
  TracerOptions options;
  options.filter.netns = netns.inode();
  options.counted = true;
  return options;
}

TEST(AcceptWait, OfEachAcceptedConnectionIsTheScripts) {
  TD_REQUIRE_KERNEL_TESTS();
  Netns netns;
  const auto tracer = start_tracer(in(netns));
  Server server;
  std::vector<Waiter> all = accept_after(server, {0, 20, 60, 120});
  // accept() is there first.
  Waiter late;
  std::thread client([&] {
    netns.enter();
    hold(30);
    late = server.connect();
  });
  Waiter early;
  server.accept(early);
  client.join();
  std::vector<std::uint64_t> clients;
  for (Waiter& one : all) {
    clients.push_back(cookie_of(one.client.get()));
    one.client.reset();
    one.server.reset();
  }
  late.client.reset();
  early.server.reset();
  Keeper kept;
  ASSERT_TRUE(drain_until(
      *tracer, kept, [&] { return kept.closed(all.back().cookie) && kept.closed(early.cookie); }));
  finish(*tracer, kept);
  ASSERT_TRUE(tracer->tally(kept).ok());
  for (const std::uint64_t cookie : clients) EXPECT_FALSE(wait_of(kept, cookie));
  if (tracer->minisockets() != Minisockets::Fentry) {
    for (const Waiter& one : all) EXPECT_FALSE(wait_of(kept, one.cookie));
    EXPECT_EQ(kept.counted, 0U);
    return;
  }
  for (const Waiter& one : all) expect_wait(wait_of(kept, one.cookie), one.wait());
  expect_wait(wait_of(kept, early.cookie), between(late.established, early.accepted));
  EXPECT_EQ(kept.counted, all.size() + 1);
}

/// All the time in ESTABLISHED was waiting, whoever ended it, and accept() comes too late to it.
TEST(AcceptWait, OfOneThatNobodyAcceptedIsAllOfEstablished) {
  TD_REQUIRE_KERNEL_TESTS();
  Netns netns;
  const auto tracer = start_tracer(in(netns));
  Server server, closed;
  Waiter half = server.connect(), never = closed.connect();
  hold(50);
  half.client.reset();  // CLOSE_WAIT in the queue
  closed.close();       // reset by it
  hold(30);
  server.accept(half);
  half.server.reset();
  Keeper kept;
  const auto left = [&] {
    std::vector<Transition> lines;
    for (const Transition& line : kept.transitions)
      if (line.from == State::Established && line.socket.owner.source != OwnerSource::Connect &&
          line.socket.local.port != 0)
        lines.push_back(line);
    return lines;
  };
  ASSERT_TRUE(drain_until(*tracer, kept, [&] {
    return kept.closed(half.cookie) && kept.closed(cookie_of(never.client.get()));
  }));
  finish(*tracer, kept);
  int waits = 0;
  for (const Transition& line : left()) {
    if (!line.accept_wait_ns) continue;
    ++waits;
    EXPECT_EQ(line.accept_wait_ns, line.dwell.ns);
    EXPECT_GE(line.dwell.ns, 50 * kMillisecond);
  }
  EXPECT_EQ(waits, tracer->minisockets() == Minisockets::Fentry ? 2 : 0);
}

/// Of `serve`: a record a connection, what was counted when accept() came, and what found no room.
TEST(AcceptWait, OfConnectionsAndOverflows) {
  TD_REQUIRE_KERNEL_TESTS();
  Netns netns;
  TracerOptions options = in(netns);
  options.detail = Detail::Connections;
  options.counted = false;
  options.surveys = true;
  const auto tracer = start_tracer(options);
  const bool known = tracer->minisockets() == Minisockets::Fentry;
  Server server(1);
  Keeper kept;
  std::vector<Waiter> all = accept_after(server, {0, 40});
  ASSERT_TRUE(tracer->tally(kept).ok());
  EXPECT_EQ(kept.counted, known ? 2U : 0U) << "both are open";
  Waiter first = server.connect(), second = server.connect();  // the queue of 1 is full
  const auto drops = [&] { return read_counters(netns).at("ListenDrops"); };
  const std::uint64_t earlier = drops();
  const auto dropped = server.knock(3);
  while (drops() < earlier + 3) hold(1);
  // They knock again after a second, which a slow machine's survey may see.
  const std::uint64_t least = drops() - earlier;
  const auto survey = tracer->survey({}, kept);
  const std::uint64_t most = drops() - earlier;
  ASSERT_TRUE(survey.ok());
  ASSERT_EQ(survey->listeners.size(), 1U);
  EXPECT_EQ(survey->listeners[0].waiting, 2U);
  EXPECT_GE(survey->listeners[0].drops, least);
  EXPECT_LE(survey->listeners[0].drops, most);
  if (survey->listeners[0].overflows) {
    EXPECT_GE(survey->listeners[0].overflows, least);
    EXPECT_LE(survey->listeners[0].overflows, most);
  }
  if (!known) {
    EXPECT_FALSE(survey->listeners[0].overflows);
  }
  ASSERT_EQ(survey->listen_ports.size(), 1U);
  const auto& sockets = survey->listen_ports[0].sockets;
  EXPECT_EQ(sockets[static_cast<std::size_t>(State::Listen)], 1U);
  EXPECT_EQ(sockets[static_cast<std::size_t>(State::Established)], 4U);
  EXPECT_EQ(sockets[static_cast<std::size_t>(State::SynSent)], 0U);
  for (Waiter& one : all) {
    one.client.reset();
    one.server.reset();
  }
  const auto told = [&](const Waiter& one) {
    return std::any_of(kept.connections.begin(), kept.connections.end(),
                       [&](const auto& line) { return line.socket.id.cookie == one.cookie; });
  };
  ASSERT_TRUE(
      drain_until(*tracer, kept, [&] { return std::all_of(all.begin(), all.end(), told); }));
  for (const tcpdwell::Connection& connection : kept.connections)
    for (const Waiter& one : all) {
      if (connection.socket.id.cookie != one.cookie) continue;
      if (known) {
        expect_wait(connection.accept_wait_ns, one.wait());
      } else {
        EXPECT_FALSE(connection.accept_wait_ns);
      }
    }
  server.close();
  ASSERT_TRUE(tracer->tally(kept).ok());
  EXPECT_EQ(kept.counted, known ? 4U : 0U) << "two were never accepted";
}

}  // namespace
}  // namespace tcpdwell::test
