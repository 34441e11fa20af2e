// SPDX-License-Identifier: BSD-2-Clause
/// What the micro-benchmarks are fed: both sides of many short connections, as a busy server sees
/// them, in the order of time.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <string_view>
#include <vector>

#include "model/event.h"
#include "util/output.h"

namespace tcpdwell::bench {

struct Step {
  State from, to;
  std::uint64_t dwell_ns;
};

inline constexpr Step kClient[] = {
    {State::Close, State::SynSent, 0},
    {State::SynSent, State::Established, 41'000},
    {State::Established, State::FinWait1, 12'300'000},
    {State::FinWait1, State::FinWait2, 38'000},
    {State::FinWait2, State::TimeWait, 2'400'000},
    {State::TimeWait, State::Close, 61'650'000'000},
};
inline constexpr Step kServer[] = {
    {State::Listen, State::SynRecv, 0},
    {State::SynRecv, State::Established, 17'000},
    {State::Established, State::CloseWait, 12'400'000},
    {State::CloseWait, State::LastAck, 2'300'000},
    {State::LastAck, State::Close, 29'000},
};
inline constexpr std::size_t kLinesPerConnection = std::size(kClient) + std::size(kServer);

/// One line; `n` is the connection's number, which decides addresses, ports and owners.
inline Transition line(std::uint64_t n, const Step& step, bool client) {
  Transition t;
  t.socket.id = {2 * n + (client ? 1 : 2), 1};
  t.socket.netns = 4'026'531'840;
  Endpoint here, there;
  here.addr = {10, 0, 0, 7};
  here.port = static_cast<std::uint16_t>(8000 + n % 8);
  there.addr = {10, 1, static_cast<std::uint8_t>(n / 250 % 250),
                static_cast<std::uint8_t>(n % 250)};
  there.port = static_cast<std::uint16_t>(32'768 + n % 28'000);
  t.socket.local = client ? there : here;
  t.socket.remote = client ? here : there;
  t.socket.owner = {static_cast<std::uint32_t>(client ? 4711 + n % 4 : 815),
                    Comm(client ? "wrk" : "nginx"),
                    client ? OwnerSource::Connect : OwnerSource::Accept};
  t.socket.cgroup_id = 6432;
  t.from = step.from;
  t.to = step.to;
  if (t.ends_a_dwell()) t.dwell = {Bound::Exact, step.dwell_ns + n % 1000 * (step.dwell_ns / 1000)};
  if (t.last()) {
    t.life_ns = client ? 61'667'000'000 : 14'746'000;
    t.traffic = TrafficStats{120, 4096, 6, 5, 0, 41, 38};
    t.reason = client ? Reason::Expired : Reason::None;
  }
  return t;
}

/// The lines of `connections` connections, which begin 40 us apart and last a minute: where there
/// are many, most of them are open at once.
inline std::vector<Transition> lines(std::uint64_t connections) {
  std::vector<Transition> all;
  all.reserve(connections * kLinesPerConnection);
  for (std::uint64_t n = 0; n < connections; ++n) {
    for (const bool client : {true, false}) {
      Path path;
      std::uint64_t at = n * 40'000;
      const auto add = [&](const Step& step) {
        path.push(step.to);
        at += step.dwell_ns;
        Transition t = line(n, step, client);
        t.mono_ns = 1'000'000'000'000 + at;
        t.wall_ns = 1'767'323'045'000'000'006 + static_cast<std::int64_t>(at);
        if (t.last()) t.path = path;
        all.push_back(t);
      };
      if (client)
        for (const Step& step : kClient) add(step);
      else
        for (const Step& step : kServer) add(step);
    }
  }
  std::stable_sort(all.begin(), all.end(),
                   [](const Transition& a, const Transition& b) { return a.mono_ns < b.mono_ns; });
  return all;
}

/// Counts what it is given and keeps nothing.
class Nowhere : public Output {
 public:
  Status write(std::string_view text) override {
    bytes += text.size();
    return Ok;
  }
  Status flush() override { return Ok; }
  Status close() override { return Ok; }
  std::uint64_t bytes = 0;
};

}  // namespace tcpdwell::bench
