// SPDX-License-Identifier: BSD-2-Clause
#include "trace/quick.h"

#include <arpa/inet.h>

#include <cstddef>
#include <cstring>
#include <limits>
#include <optional>

#include "util/duration.h"

namespace tcpdwell {
namespace {

constexpr std::uint64_t kMax32 = std::numeric_limits<std::uint32_t>::max();

bool is_digit(char c) { return static_cast<unsigned char>(c - '0') <= 9; }

/// A place in a line. Every step checks what is there and moves on, or says no.
class Cursor {
 public:
  explicit Cursor(std::string_view line) : at_(line.data()), end_(at_ + line.size()) {}

  template <std::size_t N>
  bool literal(const char (&text)[N]) {
    constexpr std::size_t kSize = N - 1;
    if (left() < kSize || std::memcmp(at_, text, kSize) != 0) return false;
    at_ += kSize;
    return true;
  }

  /// Digits without a leading zero, at most 19 of them, so that they fit.
  bool number(std::uint64_t& value,
              std::uint64_t most = std::numeric_limits<std::uint64_t>::max()) {
    const char* const begin = at_;
    std::uint64_t sum = 0;
    while (at_ < end_ && is_digit(*at_)) sum = sum * 10 + static_cast<std::uint64_t>(*at_++ - '0');
    const auto digits = at_ - begin;
    if (digits == 0 || digits > 19 || (digits > 1 && *begin == '0') || sum > most) return false;
    value = sum;
    return true;
  }

  template <class Small>
  bool small(Small& value) {
    std::uint64_t wide = 0;
    if (!number(wide, std::numeric_limits<Small>::max())) return false;
    value = static_cast<Small>(wide);
    return true;
  }

  /// Up to the next quote, which is passed; printable ASCII without a backslash.
  bool text(std::string_view& value) {
    const char* const begin = at_;
    while (at_ < end_ && *at_ != '"') {
      const auto byte = static_cast<unsigned char>(*at_);
      if (byte < 0x20 || byte >= 0x7f || byte == '\\') return false;
      ++at_;
    }
    if (at_ == end_) return false;
    value = {begin, static_cast<std::size_t>(at_ - begin)};
    ++at_;
    return true;
  }

  /// A text that `parse` understands.
  template <class T>
  bool word(T& value, std::optional<T> (*parse)(std::string_view)) {
    std::string_view name;
    if (!text(name)) return false;
    const std::optional<T> parsed = parse(name);
    if (!parsed) return false;
    value = *parsed;
    return true;
  }

  bool done() const { return at_ == end_; }

 private:
  std::size_t left() const { return static_cast<std::size_t>(end_ - at_); }
  const char* at_;
  const char* end_;
};

/// The exact names alone; parse_state() knows others too.
std::optional<State> state_named(std::string_view name) {
  const auto is = [name](State state) {
    return name == name_of(state) ? std::optional(state) : std::nullopt;
  };
  switch (name.size()) {
    case 5:
      return is(State::Close);
    case 6:
      return is(State::Listen);
    case 7:
      return name[0] == 'C' ? is(State::Closing) : is(State::Unknown);
    case 8:
      if (name[0] == 'L') return is(State::LastAck);
      return name[4] == 'S' ? is(State::SynSent) : is(State::SynRecv);
    case 9:
      if (name[0] == 'T') return is(State::TimeWait);
      return name[8] == '1' ? is(State::FinWait1) : is(State::FinWait2);
    case 10:
      return is(State::CloseWait);
    case 11:
      return is(State::Established);
    default:
      return std::nullopt;
  }
}

std::optional<Bound> bound_named(std::string_view name) {
  return name == "exact" ? std::optional(Bound::Exact) : parse_bound(name);
}

std::optional<ConnId> conn_id(std::string_view text) {
  ConnId id;
  if (text.empty() || text.size() > 16) return std::nullopt;
  for (const char c : text) {
    if (is_digit(c)) {
      id.cookie = id.cookie << 4 | static_cast<std::uint64_t>(c - '0');
    } else if (c >= 'a' && c <= 'f') {
      id.cookie = id.cookie << 4 | static_cast<std::uint64_t>(c - 'a' + 10);
    } else {
      return parse_conn_id(text);
    }
  }
  return id;
}

/// As inet_pton(AF_INET) takes it.
bool v4_address(std::string_view text, Endpoint& endpoint) {
  std::size_t at = 0;
  for (std::size_t part = 0; part < 4; ++part) {
    if (part > 0 && (at >= text.size() || text[at++] != '.')) return false;
    const std::size_t begin = at;
    unsigned value = 0;
    while (at < text.size() && is_digit(text[at]) && at - begin < 3)
      value = value * 10 + static_cast<unsigned>(text[at++] - '0');
    if (at == begin || value > 255 || (at - begin > 1 && text[begin] == '0')) return false;
    endpoint.addr[part] = static_cast<std::uint8_t>(value);
  }
  return at == text.size();
}

bool v6_address(std::string_view text, Endpoint& endpoint) {
  std::array<char, INET6_ADDRSTRLEN> copy{};
  if (text.size() >= copy.size()) return false;
  text.copy(copy.data(), text.size());
  return inet_pton(AF_INET6, copy.data(), endpoint.addr.data()) == 1;
}

bool addresses(Cursor& line, Socket& socket) {
  const bool v4 = line.literal(R"(,"family":4,"laddr":")");
  if (!v4 && !line.literal(R"(,"family":6,"laddr":")")) return false;
  socket.family = v4 ? Family::V4 : Family::V6;
  const auto read = v4 ? v4_address : v6_address;
  std::string_view local, remote;
  return line.text(local) && line.literal(R"(,"lport":)") && line.small(socket.local.port) &&
         line.literal(R"(,"raddr":")") && line.text(remote) && line.literal(R"(,"rport":)") &&
         line.small(socket.remote.port) && read(local, socket.local) && read(remote, socket.remote);
}

bool duration(Cursor& line, Dwell& dwell) {
  const bool null = line.literal(R"(,"dwell_ns":null)");
  if (!null && !(line.literal(R"(,"dwell_ns":)") && line.number(dwell.ns))) return false;
  return line.literal(R"(,"dwell":")") && line.word(dwell.bound, bound_named) &&
         null == (dwell.bound == Bound::Unknown);
}

bool owner(Cursor& line, Owner& owner) {
  std::uint64_t pid = 0;
  std::string_view comm;
  if (!line.literal(R"(,"pid":null)")) {
    if (!line.literal(R"(,"pid":)") || !line.number(pid, kMax32) || pid == 0) return false;
    owner.pid = static_cast<std::uint32_t>(pid);
  }
  if (!line.literal(R"(,"comm":")") || !line.text(comm) || comm.size() > 15) return false;
  owner.comm = Comm(comm);
  return line.literal(R"(,"owner":")") && line.word(owner.source, parse_owner_source) &&
         line.literal(R"(,"cgroup":)") && line.number(owner.cgroup_id);
}

/// Fields that may be absent: false only where one is there and not as it should be.
bool extras(Cursor& line, Transition& event) {
  event.gap = line.literal(R"(,"gap":true)");
  if (line.literal(R"(,"reason":")") && !line.word(event.reason, parse_reason)) return false;
  return !line.literal(R"(,"timer_restarts":)") || line.small(event.timer_restarts);
}

std::optional<Path> path_named(std::string_view text) {
  Path path;
  unsigned states = 0;
  for (std::string_view rest = text;; ++states) {
    const std::size_t end = rest.find('>');
    const auto state = state_named(rest.substr(0, end));
    if (!state || *state == State::Unknown || states == 16) return Path::parse(text);
    path.push(*state);
    if (end == std::string_view::npos) return path;
    rest.remove_prefix(end + 1);
  }
}

bool rtt(Cursor& line, std::optional<std::uint32_t>& us) {
  std::uint32_t value = 0;
  if (!line.small(value)) return false;
  us = value;
  return true;
}

bool traffic(Cursor& line, TrafficStats& t) {
  return line.number(t.bytes_sent) && line.literal(R"(,"bytes_received":)") &&
         line.number(t.bytes_received) && line.literal(R"(,"segs_out":)") &&
         line.small(t.segs_out) && line.literal(R"(,"segs_in":)") && line.small(t.segs_in) &&
         line.literal(R"(,"retrans":)") && line.small(t.retrans) &&
         (!line.literal(R"(,"srtt_us":)") || rtt(line, t.srtt_us)) &&
         (!line.literal(R"(,"min_rtt_us":)") || rtt(line, t.min_rtt_us));
}

bool life(Cursor& line, Transition& event) {
  if (line.literal(R"(,"life_ns":)")) {
    std::uint64_t ns = 0;
    if (!line.number(ns)) return false;
    event.life_ns = ns;
  }
  Closer closer;
  if (line.literal(R"(,"path":")") &&
      !(line.word(event.path, path_named) && line.literal(R"(,"closer":")") &&
        line.word(closer, parse_closer)))
    return false;
  if (!line.literal(R"(,"bytes_sent":)")) return true;
  event.traffic.emplace();
  return traffic(line, *event.traffic);
}

/// Two digits below `most`; -1 else.
int two_digits(const char* at, int most) {
  if (!is_digit(at[0]) || !is_digit(at[1])) return -1;
  const int value = (at[0] - '0') * 10 + (at[1] - '0');
  return value < most ? value : -1;
}

}  // namespace

bool QuickReader::time(std::string_view stamp, std::int64_t& wall_ns) {
  constexpr std::size_t kSize = sizeof("2026-01-02T03:04:05.000000006Z") - 1;
  if (stamp.size() != kSize) return false;
  const char* const at = stamp.data();
  if (std::memcmp(at, date_.data(), date_.size()) != 0) {
    const auto midnight = parse_rfc3339(std::string(stamp.substr(0, date_.size())) + "00:00:00Z");
    if (!midnight) return false;
    midnight_ns_ = *midnight;
    stamp.copy(date_.data(), date_.size());
  }
  const int hour = two_digits(at + 11, 24), minute = two_digits(at + 14, 60),
            second = two_digits(at + 17, 60);
  if ((hour | minute | second) < 0 || at[13] != ':' || at[16] != ':' || at[19] != '.' ||
      at[29] != 'Z')
    return false;
  std::int64_t ns = 0;
  for (std::size_t i = 20; i < 29; ++i) {
    if (!is_digit(at[i])) return false;
    ns = ns * 10 + (at[i] - '0');
  }
  const std::int64_t of_day =
      ((hour * 60 + minute) * 60 + second) * std::int64_t{1'000'000'000} + ns;
  return !__builtin_add_overflow(midnight_ns_, of_day, &wall_ns);
}

bool QuickReader::transition(std::string_view text, Transition& event) {
  Cursor line(text);
  std::string_view stamp;
  if (!line.literal(R"({"type":"transition","ts":")") || !line.text(stamp)) return false;
  event = Transition{};
  return time(stamp, event.wall_ns) && line.literal(R"(,"mono_ns":)") &&
         line.number(event.mono_ns) && line.literal(R"(,"conn":")") &&
         line.word(event.socket.id, conn_id) && line.literal(R"(,"netns":)") &&
         line.small(event.socket.netns) && addresses(line, event.socket) &&
         line.literal(R"(,"old":")") && line.word(event.from, state_named) &&
         line.literal(R"(,"new":")") && line.word(event.to, state_named) &&
         duration(line, event.dwell) && owner(line, event.socket.owner) && extras(line, event) &&
         (!event.last() || life(line, event)) && line.literal("}") && line.done();
}

}  // namespace tcpdwell
