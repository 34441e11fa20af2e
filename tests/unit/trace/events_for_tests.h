// SPDX-License-Identifier: BSD-2-Clause
/// Events to write and read back, and a consumer that keeps what it is given.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <random>
#include <string>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

#include "model/event.h"
#include "model/fields.h"
#include "trace/compress.h"
#include "trace/reader.h"
#include "trace/writer.h"

namespace tcpdwell {

using Event = std::variant<Header, Transition, Seed, Connection, LocalPorts, Loss, TraceEnd>;

class Kept : public Consumer {
 public:
  Status header(const Header& event) override { return keep(event); }
  Status transition(const Transition& event) override { return keep(event); }
  Status seed(const Seed& event) override { return keep(event); }
  Status connection(const Connection& event) override { return keep(event); }
  Status local_ports(const LocalPorts& event) override { return keep(event); }
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
  socket.cgroup_id = 4242;
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

inline Connection sample_connection() {
  Connection event;
  event.socket = sample_socket();
  event.start_wall_ns = 1767323045000000006;
  event.end_wall_ns = 1767323045000300006;
  event.state = State::Close;
  event.stays.push({State::SynSent, {Bound::Exact, 184000}});
  event.stays.push({State::Established, {Bound::AtLeast, 100000}});
  event.stays.push({State::LastAck, {}});
  event.reason = Reason::ResetByPeer;
  event.life_ns = 300000;
  for (State state : {State::SynSent, State::Established, State::LastAck, State::Close})
    event.path.push(state);
  event.traffic = TrafficStats{10, 20, 30, 40, 50, 60, 70};
  return event;
}

inline TraceEnd sample_end() {
  TraceEnd end;
  end.wall_ns = 1767323046000000000;
  end.transitions = 10;
  end.lost = {1, 2, 3, 4};
  end.duration_ns = 999999994;
  end.connections = 2;
  end.suspended_ns = 20'000'000'000;
  end.looked = true;
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

  Transition transition() { return any<Transition>(kTransitionFields); }
  Seed seed() { return any<Seed>(kSeedFields); }

  LocalPorts local_ports() { return any<LocalPorts>(kLocalPortsFields); }

  Connection connection() {
    Connection event = any<Connection>(kConnectionFields);
    if (event.open() && !event.seen_wall_ns) set(event.seen_wall_ns);
    return event;
  }

  /// A connection's last line in which everything is known.
  Transition complete() {
    all_known_ = true;
    Transition event = transition();
    while (!event.last()) event = transition();
    all_known_ = false;
    return event;
  }

 private:
  bool chance(std::uint64_t in) { return random_() % in == 0; }
  /// Small, large and extreme ones alike.
  std::uint64_t number() { return chance(8) ? ~std::uint64_t{0} : random_() >> random_() % 64; }
  std::uint32_t number32() { return static_cast<std::uint32_t>(number()); }
  template <class T>
  T below(std::size_t count) {
    return static_cast<T>(random_() % count);
  }

  template <class Event, class Table>
  Event any(const Table& table) {
    Event event;
    fill(table, event);
    return event;
  }

  /// Every field that the table has: one more is tested as soon as it is there.
  template <class Table, class Event>
  void fill(const Table& table, Event& event) {
    for_each_entry(table, [&](const auto& entry) {
      using Entry = std::remove_cvref_t<decltype(entry)>;
      if constexpr (IsPart<Entry>) {
        if constexpr (Entry::kOptional) {
          if (all_known_ || chance(2)) entry.begin(event);
        }
        if (auto* found = entry.find(event)) fill(entry.fields, *found);
      } else {
        auto&& value = std::invoke(entry.get, event);
        if (entry.presence == IfKnown && !all_known_ && chance(2)) return;
        do set(value);
        while (all_known_ && !is_known(value));
      }
    });
  }

  void set(std::uint64_t& value) { value = number(); }
  void set(std::uint32_t& value) { value = number32(); }
  void set(std::uint16_t& value) { value = static_cast<std::uint16_t>(random_()); }
  void set(std::int64_t& wall_ns) { wall_ns = static_cast<std::int64_t>(random_() >> 2); }
  void set(bool& value) { value = chance(3); }
  void set(ConnId& id) { id = {number() | 1, chance(2) ? 1 : number32() | 2}; }
  void set(Family& family) { family = chance(2) ? Family::V4 : Family::V6; }
  void set(State& state) { state = chance(2) ? State::Close : below<State>(kStateCount); }
  void set(OwnerSource& source) { source = below<OwnerSource>(kOwnerSourceCount); }
  void set(Reason& reason) { reason = below<Reason>(kReasonCount); }
  void set(KernelWord& word) {
    word = *parse_kernel_word(chance(2) ? "TCP_ABORT_ON_DATA" : "ERROR_2");
  }
  void set(Errno& error) { error = below<Errno>(kErrnoCount); }
  void set(Shown<Show::Number, Dwell> number_of) { number_of.it = {Bound::Exact, number()}; }
  void set(Shown<Show::Worth, Dwell> worth) {
    if (!all_known_ && chance(3)) worth.it = {};
    if (is_known(shown<Show::Number>(worth.it)) && chance(2)) worth.it.bound = Bound::AtLeast;
  }
  void set(Shown<Show::Pid, std::optional<std::uint32_t>> pid) {
    if (chance(2)) pid.it = number32() | 1;
  }
  void set(EphemeralPorts& ports) {
    ports.last = static_cast<std::uint16_t>(1 + random_() % 65535);
    ports.first = static_cast<std::uint16_t>(1 + random_() % ports.last);
  }
  void set(Stays& stays) {
    stays = {};
    for (std::uint64_t left = random_() % (Stays::kMost + 1); left > 0; --left) {
      Stay stay{below<State>(kStateCount), {}};
      if (!chance(3)) stay.dwell = {chance(2) ? Bound::Exact : Bound::AtLeast, number()};
      stays.push(stay);
    }
  }
  void set(std::optional<Closer>&) {}  // follows from the path
  template <class T>
  void set(std::optional<T>& value) {
    set(value.emplace());
  }

  void set(AddressOf<Endpoint> address) {
    std::array<std::uint8_t, 16>& bytes = address.endpoint.addr;
    if (chance(4)) return;
    const bool mapped = address.family == Family::V6 && chance(3);
    const std::size_t size = address.family == Family::V4 ? 4 : bytes.size();
    for (std::size_t i = mapped ? 12 : 0; i < size; ++i) bytes[i] = below<std::uint8_t>(256);
    if (mapped) bytes[10] = bytes[11] = 0xff;
  }

  void set(Comm& comm) {
    static const std::vector<std::string> pieces = {
        "a",    "\"",       "\\",           "\n", "\x01", "\t",     "/",
        "\x7f", "\xc3\xa9", "\xe2\x80\xa8", "<",  "'",    "\r\x1b", "\xf0\x9f\x90\xa7"};
    std::string text;
    for (;;) {
      const std::string& piece = pieces[random_() % pieces.size()];
      if (text.size() + piece.size() > 15 || chance(9)) break;
      text += piece;
    }
    comm = Comm(text);
  }

  void set(Path& path) {
    for (std::uint64_t left = random_() % 15; left > 0; --left) {
      path.push(static_cast<State>(1 + random_() % (kStateCount - 1)));
    }
  }

  std::mt19937_64 random_;
  bool all_known_ = false;
};

}  // namespace tcpdwell
