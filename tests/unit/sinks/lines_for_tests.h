// SPDX-License-Identifier: BSD-2-Clause
/// Events that the tests of the line sinks share.
#pragma once

#include <array>
#include <cstdint>

#include "model/event.h"

namespace tcpdwell {

inline Endpoint v4(std::array<std::uint8_t, 4> addr, std::uint16_t port) {
  Endpoint endpoint;
  for (std::size_t i = 0; i < addr.size(); ++i) endpoint.addr.at(i) = addr.at(i);
  endpoint.port = port;
  return endpoint;
}

inline Socket client_socket() {
  Socket socket;
  socket.id = {0x1a2b, 1};
  socket.netns = 4026531840;
  socket.local = v4({10, 0, 0, 5}, 51234);
  socket.remote = v4({93, 184, 216, 34}, 443);
  socket.owner = {4711, Comm("curl"), OwnerSource::Connect};
  socket.cgroup_id = 6432;
  return socket;
}

inline Transition transition(State from, State to, Dwell dwell) {
  Transition t;
  t.wall_ns = 1767323045'000000006;  // 2026-01-02T03:04:05.000000006Z
  t.mono_ns = 987654321;
  t.socket = client_socket();
  t.from = from;
  t.to = to;
  t.dwell = dwell;
  return t;
}

/// A connection's last line with everything that can be known.
inline Transition last_line() {
  Transition t = transition(State::TimeWait, State::Close, {Bound::Exact, 61'700'000'000});
  t.reason = Reason::Expired;
  t.timer_restarts = 2;
  t.life_ns = 63'200'000'000;
  for (const State state : {State::SynSent, State::Established, State::FinWait1, State::FinWait2,
                            State::TimeWait, State::Close}) {
    t.path.push(state);
  }
  t.traffic = {1234567, 89, 12, 10, 1, 184, 120};
  return t;
}

}  // namespace tcpdwell
