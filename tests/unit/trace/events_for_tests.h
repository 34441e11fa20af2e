// SPDX-License-Identifier: BSD-2-Clause
/// Events to write and read back, and a consumer that keeps what it is given.
#pragma once

#include <cstddef>
#include <cstdint>
#include <random>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "model/event.h"
#include "trace/compress.h"
#include "trace/reader.h"
#include "trace/writer.h"

namespace tcpdwell {

using Event = std::variant<Header, Transition, Seed, Loss, TraceEnd>;

class Kept : public Consumer {
 public:
  Status header(const Header& event) override { return keep(event); }
  Status transition(const Transition& event) override { return keep(event); }
  Status seed(const Seed& event) override { return keep(event); }
  Status loss(const Loss& event) override { return keep(event); }
  Status end(const TraceEnd& event) override { return keep(event); }

  std::vector<Event> events;

 private:
  template <class T>
  Status keep(const T& event) {
    events.emplace_back(event);
    return Ok;
  }
};

inline Header sample_header() {
  Header header;
  header.version = "0.1.0";
  header.host = "web-1";
  header.kernel = "6.1.0";
  header.arch = "x86_64";
  header.boot_id = "7a0f2c1e-0000-4000-8000-000000000001";
  header.start_wall_ns = 1767323045000000006;
  header.minisockets = "timer";
  header.filters_json = R"({"pid":[1,2],"state":["TIME_WAIT"]})";
  header.ports = EphemeralPorts{1024, 65535};
  return header;
}

inline Socket sample_socket() {
  Socket socket;
  socket.id = {0x1a2b, 1};
  socket.netns = 4026531840;
  socket.family = Family::V4;
  socket.local.addr = {127, 0, 0, 1};
  socket.local.port = 40000;
  socket.remote.addr = {10, 0, 0, 7};
  socket.remote.port = 443;
  socket.owner.pid = 4711;
  socket.owner.comm = Comm("curl");
  socket.owner.source = OwnerSource::Connect;
  socket.owner.cgroup_id = 4242;
  return socket;
}

inline Transition sample_transition() {
  Transition event;
  event.wall_ns = 1767323045123456789;
  event.mono_ns = 987654321;
  event.socket = sample_socket();
  event.from = State::SynSent;
  event.to = State::Established;
  event.dwell = {Bound::Exact, 184000};
  return event;
}

inline Transition sample_last() {
  Transition event = sample_transition();
  event.from = State::TimeWait;
  event.to = State::Close;
  event.dwell = {Bound::AtLeast, 61650000000};
  event.gap = true;
  event.reason = Reason::Expired;
  event.timer_restarts = 3;
  event.life_ns = 62000000001;
  for (State state : {State::SynSent, State::Established, State::FinWait1, State::FinWait2,
                      State::TimeWait, State::Close}) {
    event.path.push(state);
  }
  event.traffic = TrafficStats{18446744073709551615U, 20, 30, 40, 4294967295U, 60, 70};
  return event;
}

inline Seed sample_seed() {
  Seed seed;
  seed.wall_ns = 1767323045000000007;
  seed.mono_ns = 17;
  seed.socket = sample_socket();
  seed.socket.owner.source = OwnerSource::Seed;
  seed.state = State::CloseWait;
  seed.age = {Bound::AtLeast, 5000000000};
  return seed;
}

inline TraceEnd sample_end() {
  TraceEnd end;
  end.wall_ns = 1767323046000000000;
  end.transitions = 10;
  end.lost = {1, 2, 3, 4};
  end.duration_ns = 999999994;
  end.connections = 2;
  end.suspended_ns = 20'000'000'000;
  return end;
}

inline std::vector<Event> sample_events() {
  return {sample_header(),     sample_seed(),
          sample_transition(), Loss{1767323045200000000, LossPlace::Recursion, 12},
          sample_last(),       sample_end()};
}

inline std::string json_of(const Event& event) {
  std::string line;
  std::visit([&line](const auto& it) { append_json(line, it); }, event);
  return line;
}

inline std::string json_of(const std::vector<Event>& events) {
  std::string text;
  for (const Event& event : events) text += json_of(event);
  return text;
}

/// What read_trace() makes of `bytes`.
struct Played {
  Result<ReadReport> report;
  std::vector<Event> events;
};

inline Played play(std::string_view bytes) {
  Kept kept;
  const auto input = open_trace_bytes(bytes);
  Result<ReadReport> report = read_trace(*input, "x.json", kept);
  return {std::move(report), std::move(kept.events)};
}

/// `line` after a good header.
inline Played play_line(const std::string& line) { return play(json_of(sample_header()) + line); }

/// Any event there can be, but for what text cannot carry: a comm that is not UTF-8, the value of
/// an unknown duration.
class RandomEvents {
 public:
  explicit RandomEvents(std::uint64_t seed) : random_(seed) {}

  Transition transition() {
    Transition event;
    event.wall_ns = wall();
    event.mono_ns = number();
    event.socket = socket();
    event.from = below<State>(kStateCount);
    event.to = chance(2) ? State::Close : below<State>(kStateCount);
    event.dwell = dwell();
    event.gap = chance(3);
    event.reason = below<Reason>(kReasonCount);
    event.timer_restarts = chance(2) ? number32() : 0;
    if (event.last()) end_life(event);
    return event;
  }

  Seed seed() {
    Seed seed;
    seed.wall_ns = wall();
    seed.mono_ns = number();
    seed.socket = socket();
    seed.state = below<State>(kStateCount);
    seed.age = dwell();
    return seed;
  }

 private:
  bool chance(std::uint64_t in) { return random_() % in == 0; }
  /// Small, large and extreme ones alike.
  std::uint64_t number() { return chance(8) ? ~std::uint64_t{0} : random_() >> random_() % 64; }
  std::uint32_t number32() { return static_cast<std::uint32_t>(number()); }
  std::int64_t wall() { return static_cast<std::int64_t>(random_() >> 2); }
  template <class T>
  T below(std::size_t count) {
    return static_cast<T>(random_() % count);
  }

  Dwell dwell() {
    const Bound bound = below<Bound>(kBoundCount);
    return {bound, bound == Bound::Unknown ? 0 : number()};
  }

  Endpoint endpoint(Family family) {
    Endpoint endpoint;
    const std::size_t bytes = family == Family::V4 ? 4 : 16;
    const bool mapped = family == Family::V6 && chance(3);
    for (std::size_t i = mapped ? 12 : 0; i < bytes; ++i)
      endpoint.addr[i] = below<std::uint8_t>(256);
    if (mapped) endpoint.addr[10] = endpoint.addr[11] = 0xff;
    if (chance(4)) endpoint.addr = {};
    endpoint.port = static_cast<std::uint16_t>(random_());
    return endpoint;
  }

  Comm comm() {
    static const std::vector<std::string> pieces = {
        "a",    "\"",       "\\",           "\n", "\x01", "\t",     "/",
        "\x7f", "\xc3\xa9", "\xe2\x80\xa8", "<",  "'",    "\r\x1b", "\xf0\x9f\x90\xa7"};
    std::string text;
    for (;;) {
      const std::string& piece = pieces[random_() % pieces.size()];
      if (text.size() + piece.size() > 15 || chance(9)) return Comm(text);
      text += piece;
    }
  }

  Socket socket() {
    Socket socket;
    socket.id = {number() | 1, chance(2) ? 1 : number32() | 2};
    socket.netns = number32();
    socket.family = chance(2) ? Family::V4 : Family::V6;
    socket.local = endpoint(socket.family);
    socket.remote = endpoint(socket.family);
    if (chance(2)) socket.owner.pid = number32() | 1;
    socket.owner.comm = comm();
    socket.owner.source = below<OwnerSource>(kOwnerSourceCount);
    socket.owner.cgroup_id = number();
    return socket;
  }

  void end_life(Transition& event) {
    if (chance(2)) event.life_ns = number();
    for (std::uint64_t left = random_() % 15; left > 0; --left) {
      event.path.push(static_cast<State>(1 + random_() % (kStateCount - 1)));
    }
    if (chance(2)) return;
    event.traffic = TrafficStats{number(), number(), number32(), number32(), number32(), {}, {}};
    if (chance(2)) event.traffic->srtt_us = number32();
    if (chance(2)) event.traffic->min_rtt_us = number32();
  }

  std::mt19937_64 random_;
};

}  // namespace tcpdwell
