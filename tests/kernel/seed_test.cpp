// SPDX-License-Identifier: BSD-2-Clause
/// Sockets older than the tracer: every one of them, in every namespace, with state and owner.
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <fstream>
#include <map>
#include <memory>
#include <thread>
#include <unordered_map>
#include <vector>

#include "support/collect.h"
#include "support/netns.h"

namespace tcpdwell::test {
namespace {

/// What a process knows of one of its sockets.
struct Known {
  std::uint64_t cookie = 0;
  std::uint32_t state = 0;
  std::uint32_t netns = 0;
};

std::uint64_t cookie_of(int fd) {
  std::uint64_t cookie = 0;
  socklen_t size = sizeof cookie;
  getsockopt(fd, SOL_SOCKET, SO_COOKIE, &cookie, &size);
  return cookie;
}

std::uint32_t number(State state) { return static_cast<std::uint32_t>(state); }

/// Opens `pairs` connections to itself, each fourth half-closed by its client.
std::vector<Known> open_sockets(std::uint32_t netns, unsigned pairs) {
  std::vector<Known> known;
  const int listener = socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  bind(listener, reinterpret_cast<sockaddr*>(&address), size);
  listen(listener, 1024);
  getsockname(listener, reinterpret_cast<sockaddr*>(&address), &size);
  known.push_back({cookie_of(listener), number(State::Listen), netns});
  for (unsigned i = 0; i < pairs; ++i) {
    const int client = socket(AF_INET, SOCK_STREAM, 0);
    if (connect(client, reinterpret_cast<sockaddr*>(&address), size) != 0) _exit(3);
    const int server = accept(listener, nullptr, nullptr);
    const bool half = i % 4 == 0;
    if (half) shutdown(client, SHUT_WR);
    known.push_back(
        {cookie_of(client), number(half ? State::FinWait2 : State::Established), netns});
    known.push_back(
        {cookie_of(server), number(half ? State::CloseWait : State::Established), netns});
  }
  return known;
}

/// A process in a namespace of its own that holds sockets until it is destroyed.
class Holder {
 public:
  explicit Holder(unsigned pairs) {
    int ready[2], stop[2];
    if (pipe(ready) != 0 || pipe(stop) != 0) throw std::runtime_error("pipe");
    pid_ = fork();
    if (pid_ == 0) {
      close(stop[1]);
      hold(pairs, ready[1], stop[0]);
    }
    close(ready[1]);
    close(stop[0]);
    stop_ = stop[1];
    Known known;
    while (read(ready[0], &known, sizeof known) == sizeof known && known.cookie != 0)
      sockets.push_back(known);
    close(ready[0]);
  }
  ~Holder() {
    close(stop_);
    waitpid(pid_, nullptr, 0);
  }
  Holder(const Holder&) = delete;
  Holder& operator=(const Holder&) = delete;
  pid_t pid() const { return pid_; }

  std::vector<Known> sockets;

 private:
  [[noreturn]] static void hold(unsigned pairs, int ready, int stop) {
    rlimit files{};
    getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
    Netns netns;
    netns.set_sysctl("net.ipv4.ip_local_port_range", "1024 65000");
    for (const Known& known : open_sockets(netns.inode(), pairs))
      if (write(ready, &known, sizeof known) != sizeof known) _exit(2);
    // The last FINs are acknowledged by delayed ACKs (40 ms to 200 ms).
    std::this_thread::sleep_for(std::chrono::milliseconds(300));
    const Known end{};
    if (write(ready, &end, sizeof end) != sizeof end) _exit(2);
    close(ready);
    char byte = 0;
    while (read(stop, &byte, 1) > 0) continue;
    _exit(0);
  }

  pid_t pid_ = -1;
  int stop_ = -1;
};

/// The later ones hold the pipes of the earlier ones open, and so end first.
struct Holders {
  Holders(unsigned count, unsigned pairs) {
    for (unsigned i = 0; i < count; ++i) all.push_back(std::make_unique<Holder>(pairs));
  }
  ~Holders() {
    while (!all.empty()) all.pop_back();
  }
  std::vector<std::unique_ptr<Holder>> all;
};

TEST(Seeds, TenThousandSocketsInThreeNamespacesHaveStateAndOwner) {
  TD_REQUIRE_KERNEL_TESTS();
  Holder a(1667), b(1667), c(1666);
  auto tracer = Tracer::start({});
  ASSERT_TRUE(tracer.ok()) << tracer.error().message;
  Collector collector;
  const auto start = std::chrono::steady_clock::now();
  const auto report = (*tracer)->seed(collector);
  const auto took = std::chrono::steady_clock::now() - start;
  ASSERT_TRUE(report.ok()) << report.error().message;
  EXPECT_GE(report->namespaces, 3U);
  EXPECT_EQ(report->unreachable, 0U);
  std::map<std::uint64_t, Seed> seeds;
  for (const Seed& seed : collector.seeds)
    EXPECT_TRUE(seeds.emplace(seed.socket.id.cookie, seed).second);
  for (const Holder* holder : {&a, &b, &c}) {
    for (const Known& known : holder->sockets) {
      const auto found = seeds.find(known.cookie);
      ASSERT_NE(found, seeds.end()) << "no seed for a socket in state " << known.state;
      const Seed& seed = found->second;
      EXPECT_EQ(number(seed.state), known.state);
      EXPECT_EQ(seed.socket.netns, known.netns);
      EXPECT_EQ(seed.socket.owner.pid, static_cast<std::uint32_t>(holder->pid()));
      EXPECT_EQ(seed.socket.owner.source, OwnerSource::Seed);
    }
  }
  fmt::print("{} sockets seeded in {} ms\n", report->sockets,
             std::chrono::duration_cast<std::chrono::milliseconds>(took).count());
}

std::uint64_t available_memory_mb() {
  std::ifstream file("/proc/meminfo");
  std::string name, unit;
  std::uint64_t kb = 0;
  while (file >> name >> kb && name != "MemAvailable:") std::getline(file, unit);
  return kb / 1024;
}

// How long it takes is printed, not held against anything: it is the machine's business too.
TEST(Seeds, TwoHundredThousandSockets) {
  TD_REQUIRE_KERNEL_TESTS();
  // Few enough sockets a process for a hard limit of 20,000 descriptors.
  constexpr unsigned kHolders = 11, kPairs = 9'100;
  rlimit files{};
  getrlimit(RLIMIT_NOFILE, &files);
  if (files.rlim_max < 2 * kPairs + 100) {
    GTEST_SKIP() << "a process may open " << files.rlim_max << " files only";
  }
  if (available_memory_mb() < 4096) {
    GTEST_SKIP() << "200,000 sockets need some 2 GB; there are " << available_memory_mb() << " MB";
  }
  Holders holders(kHolders, kPairs);
  auto tracer = Tracer::start({});
  ASSERT_TRUE(tracer.ok()) << tracer.error().message;
  Collector collector;
  collector.seeds.reserve(2 * kHolders * kPairs + 1000);
  const auto start = std::chrono::steady_clock::now();
  const auto report = (*tracer)->seed(collector);
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - start;
  ASSERT_TRUE(report.ok()) << report.error().message;
  fmt::print("{} sockets of {} namespaces seeded in {:.2f} s\n", report->sockets,
             report->namespaces, took.count());
  std::unordered_map<std::uint64_t, const Seed*> seeds;
  for (const Seed& seed : collector.seeds) seeds[seed.socket.id.cookie] = &seed;
  std::uint64_t missing = 0, wrong = 0, all = 0;
  for (const auto& holder : holders.all) {
    for (const Known& known : holder->sockets) {
      ++all;
      const auto found = seeds.find(known.cookie);
      if (found == seeds.end()) {
        ++missing;
        continue;
      }
      const Seed& seed = *found->second;
      const bool right = number(seed.state) == known.state && seed.socket.netns == known.netns &&
                         seed.socket.owner.pid == static_cast<std::uint32_t>(holder->pid());
      wrong += right ? 0 : 1;
    }
  }
  EXPECT_GE(all, 200'000U);
  EXPECT_EQ(missing, 0U);
  EXPECT_EQ(wrong, 0U);
  EXPECT_EQ((*tracer)->lost().value(), LossCounts{});
}

TEST(Seeds, WhatIsBoundedIsSaidAndTheNextLineGoesOn) {
  TD_REQUIRE_KERNEL_TESTS();
  auto holder = std::make_unique<Holder>(4);
  std::this_thread::sleep_for(std::chrono::milliseconds(300));
  auto tracer = Tracer::start({});
  ASSERT_TRUE(tracer.ok()) << tracer.error().message;
  Collector collector;
  ASSERT_TRUE((*tracer)->seed(collector).ok());
  const std::vector<Known> sockets = holder->sockets;
  for (const Seed& seed : collector.seeds) {
    if (seed.socket.netns != sockets.front().netns) continue;
    if (seed.state == State::CloseWait || seed.state == State::FinWait2) {
      EXPECT_EQ(seed.age.bound, Bound::AtLeast);
      EXPECT_GE(seed.age.ns, 290'000'000U);
    } else {
      EXPECT_EQ(seed.age.bound, Bound::Unknown) << name_of(seed.state);
    }
  }
  holder.reset();  // the process ends, and with it every connection
  const std::uint64_t client = sockets[1].cookie;
  EXPECT_TRUE(drain_until(**tracer, collector, [&] { return !collector.chain(client).empty(); }));
  const auto chain = collector.chain(client);
  ASSERT_FALSE(chain.empty());
  EXPECT_EQ(chain.front().from, State::FinWait2);
  EXPECT_EQ(chain.front().dwell.bound, Bound::AtLeast);
  EXPECT_GE(chain.front().dwell.ns, 300'000'000U);
  EXPECT_FALSE(chain.front().gap);
}

}  // namespace
}  // namespace tcpdwell::test
