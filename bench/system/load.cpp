// SPDX-License-Identifier: BSD-2-Clause
/// bench_load storm|exchange CONNECTIONS WORKERS, bench_load dial CONNECTIONS, bench_load hold
/// SOCKETS, bench_load timers TIMES: load for whatever traces this host, in a network namespace of
/// its own. Prints one JSON object: how many a second, and the processor time of this process for
/// one.
///   storm     connections that exchange nothing, as fast as the machine makes them
///   dial      the same from one thread to one address, with ports as the kernel gives them
///   exchange  a worker is a client and a server; a request and a response a connection
///   hold      keeps sockets open: prints {"ready":…}, ends at the end of standard input
///   timers    starts and stops a kernel timer
#include <fmt/format.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "exchange.h"
#include "support/loopback.h"
#include "support/netns.h"
#include "support/storm.h"

namespace tcpdwell::test {
namespace {

using Clock = std::chrono::steady_clock;

double cpu_seconds() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  const auto seconds = [](const timeval& t) {
    return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) / 1e6;
  };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

void print(std::uint64_t count, double seconds, double cpu_s, const std::string& more = "") {
  const auto times = static_cast<double>(count);
  fmt::print("{{\"count\":{},\"seconds\":{:.6f},\"rate\":{:.1f},\"cpu_us\":{:.3f}{}}}\n", count,
             seconds, times / seconds, 1e6 * cpu_s / times, more);
}

void run_storm(std::uint32_t connections, unsigned workers) {
  Netns netns;
  StormOptions options;
  options.connections = connections;
  options.workers = workers;
  const double before = cpu_seconds();
  const StormResult result = Storm(netns, options).result();
  if (result.connections != connections) throw std::runtime_error("the storm broke off");
  print(result.connections, result.seconds, cpu_seconds() - before);
}

/// At most as many as net.ipv4.ip_local_port_range has ports: they are as scarce as in a namespace
/// that the kernel made, which the storm avoids. The client closes first.
void run_dial(std::uint32_t connections) {
  constexpr std::uint16_t kPort = 8000;
  Netns netns;
  LoopbackListener listener(kPort);
  const double before = cpu_seconds();
  const auto start = Clock::now();
  for (std::uint32_t i = 0; i < connections; ++i) {
    End client = End::to(kPort);
    const End server = listener.accept();
    client.close();
    char byte = 0;
    sys(static_cast<int>(recv(server.fd(), &byte, 1, 0)), "recv");
  }
  const double seconds = std::chrono::duration<double>(Clock::now() - start).count();
  print(connections, seconds, cpu_seconds() - before);
}

void run_exchange(std::uint32_t connections, unsigned workers) {
  Netns netns;
  const double before = cpu_seconds();
  const ExchangeResult result = exchange(netns, {connections, workers});
  print(result.connections, result.seconds, cpu_seconds() - before,
        fmt::format(",\"p50_us\":{:.1f},\"p99_us\":{:.1f}", result.p50_us, result.p99_us));
}

/// Holds some of the sockets until `end` is closed, in a process of its own: descriptors are
/// limited.
void hold_in_child(Netns& netns, std::uint32_t connections, const std::array<int, 2>& ready,
                   const std::array<int, 2>& end) {
  if (sys(fork(), "fork") != 0) return;
  close(ready[0]);
  close(end[1]);
  try {
    const std::vector<Fd> held = open_pairs(netns, connections);
    char byte = 0;
    if (write(ready[1], &byte, 1) == 1)
      while (read(end[0], &byte, 1) > 0) {
      }
    _exit(0);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "bench_load: %s\n", error.what());
    _exit(1);
  }
}

void run_hold(std::uint32_t sockets) {
  constexpr std::uint32_t kConnectionsEach = 9'000;
  Netns netns;
  std::array<int, 2> ready{}, end{};
  sys(pipe(ready.data()), "pipe");
  sys(pipe(end.data()), "pipe");
  unsigned children = 0;
  for (std::uint32_t left = sockets / 2; left > 0; ++children) {
    const std::uint32_t part = std::min(left, kConnectionsEach);
    left -= part;
    hold_in_child(netns, part, ready, end);
  }
  close(ready[1]);
  close(end[0]);
  char byte = 0;
  for (unsigned n = 0; n < children; ++n)
    if (read(ready[0], &byte, 1) != 1) throw std::runtime_error("not all sockets could be opened");
  fmt::print("{{\"ready\":{}}}\n", sockets);
  std::fflush(stdout);
  while (read(STDIN_FILENO, &byte, 1) > 0) {
  }
  close(end[1]);
  while (wait(nullptr) > 0) {
  }
}

/// An established socket's keep-alive timer goes on and off with the option (tcp_set_keepalive).
void run_timers(std::uint32_t times) {
  Netns netns;
  const std::vector<Fd> pair = open_pairs(netns, 1);
  const double before = cpu_seconds();
  const auto start = Clock::now();
  for (std::uint32_t i = 0; i < times; ++i) {
    const int on = i % 2 == 0;
    sys(setsockopt(pair[0].get(), SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on), "SO_KEEPALIVE");
  }
  print(times, std::chrono::duration<double>(Clock::now() - start).count(), cpu_seconds() - before);
}

int run(const std::vector<std::string_view>& words) {
  const auto number = [&](std::size_t i) {
    return static_cast<std::uint32_t>(std::atoi(words[i].data()));
  };
  if (const auto why = why_no_kernel_tests()) throw std::runtime_error(*why);
  if (words.size() == 3 && words[0] == "storm") return run_storm(number(1), number(2)), 0;
  if (words.size() == 3 && words[0] == "exchange") return run_exchange(number(1), number(2)), 0;
  if (words.size() == 2 && words[0] == "dial") return run_dial(number(1)), 0;
  if (words.size() == 2 && words[0] == "hold") return run_hold(number(1)), 0;
  if (words.size() == 2 && words[0] == "timers") return run_timers(number(1)), 0;
  std::fputs(
      "usage: bench_load storm|exchange CONNECTIONS WORKERS | dial CONNECTIONS | hold SOCKETS | "
      "timers TIMES\n",
      stderr);
  return 2;
}

}  // namespace
}  // namespace tcpdwell::test

int main(int argc, char** argv) {
  try {
    return tcpdwell::test::run({argv + 1, argv + argc});
  } catch (const std::exception& error) {
    std::fprintf(stderr, "bench_load: %s\n", error.what());
    return 1;
  }
}
