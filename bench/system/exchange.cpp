// SPDX-License-Identifier: BSD-2-Clause
#include "exchange.h"

#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <future>
#include <vector>

#include "support/busy_port.h"
#include "support/workload.h"

namespace tcpdwell::test {
namespace {

using Clock = std::chrono::steady_clock;
constexpr std::size_t kRequestBytes = 100, kResponseBytes = 1000;

void serve(const BusyPort& port, std::uint32_t connections) {
  std::array<char, kResponseBytes> buffer{};
  for (std::uint32_t i = 0; i < connections; ++i) {
    const Fd server = port.accept();
    sys(static_cast<int>(recv(server.get(), buffer.data(), kRequestBytes, MSG_WAITALL)), "recv");
    sys(static_cast<int>(send(server.get(), buffer.data(), buffer.size(), 0)), "send");
  }
}

void ask(const BusyPort& port, std::uint32_t connections, std::vector<float>& took_us) {
  std::array<char, kResponseBytes> buffer{};
  for (std::uint32_t i = 0; i < connections; ++i) {
    const auto start = Clock::now();
    const Fd client = port.connect(i);
    sys(static_cast<int>(send(client.get(), buffer.data(), kRequestBytes, 0)), "send");
    while (sys(static_cast<int>(recv(client.get(), buffer.data(), buffer.size(), 0)), "recv") > 0) {
    }
    took_us.push_back(std::chrono::duration<float, std::micro>(Clock::now() - start).count());
  }
}

}  // namespace

ExchangeResult exchange(Netns& netns, const ExchangeOptions& options) {
  make_room_for_many(netns);
  const std::vector<BusyPort> ports(options.pairs);
  std::vector<std::vector<float>> took(options.pairs);
  std::vector<std::future<void>> threads;
  const std::uint32_t share = options.connections / options.pairs;
  const auto start = Clock::now();
  for (unsigned n = 0; n < options.pairs; ++n) {
    threads.push_back(std::async(std::launch::async, [&, n] { serve(ports[n], share); }));
    threads.push_back(std::async(std::launch::async, [&, n] { ask(ports[n], share, took[n]); }));
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
  make_room_for_many(netns);
  const BusyPort port;
  std::vector<Fd> fds;
  for (std::uint32_t i = 0; i < connections; ++i) {
    fds.push_back(port.connect(i));
    fds.push_back(port.accept());
  }
  return fds;
}

}  // namespace tcpdwell::test
