// SPDX-License-Identifier: BSD-2-Clause
#include "support/storm.h"

#include <sys/resource.h>
#include <sys/socket.h>

#include <algorithm>
#include <chrono>
#include <deque>

#include "support/busy_port.h"

namespace tcpdwell::test {
namespace {

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
Fd half_a_connection(const BusyPort& port, std::uint32_t nth, bool client_first, Ending ending) {
  Fd client = port.connect(nth);
  Fd server = port.accept();
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
  const BusyPort port;
  std::deque<Fd> waiting;
  StormResult result;
  result.listeners = 1;
  for (std::uint32_t i = 0; i < connections; ++i) {
    const bool client_first = !options.alternating || i % 2 == 0;
    waiting.push_back(half_a_connection(port, i, client_first, options.ending));
    end_all_but(waiting, options.lag);
    ++result.connections;
    result.client_first += client_first ? 1 : 0;
  }
  end_all_but(waiting, 0);
  result.seconds = std::chrono::duration<double>(Clock::now() - start).count();
  return result;
}

const StormOptions& with_room(Netns& netns, const StormOptions& options) {
  make_room_for_many(netns);
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
