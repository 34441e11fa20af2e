// SPDX-License-Identifier: BSD-2-Clause
#include "trace/quick.h"

#include <arpa/inet.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>
#include <optional>

#include "util/duration.h"

namespace tcpdwell {
namespace {

constexpr std::uint64_t kMax32 = std::numeric_limits<std::uint32_t>::max();

bool is_digit(char c) { return static_cast<unsigned char>(c - '0') <= 9; }

/// In pieces that a compiler compares without a call; the last two may overlap.
template <std::size_t kSize>
[[gnu::always_inline]] inline bool same(const char* a, const char* b) {
  constexpr std::size_t kPiece = std::min<std::size_t>(std::bit_floor(kSize), 8);
  if (std::memcmp(a, b, kPiece) != 0) return false;
  if constexpr (kSize == kPiece) {
    return true;
  } else {
    constexpr std::size_t kStep = std::min(kPiece, kSize - kPiece);
    return same<kSize - kStep>(a + kStep, b + kStep);
  }
}

/// What the next eight bytes begin with, read at once: its value and how many digits it has.
struct Digits {
  static_assert(std::endian::native == std::endian::little);
  explicit Digits(const char* at) {
    std::uint64_t bytes = 0;
    std::memcpy(&bytes, at, sizeof bytes);
    bytes ^= 0x3030303030303030U;  // digits are 0 to 9 now
    const std::uint64_t others = ((bytes + 0x7676767676767676U) | bytes) & 0x8080808080808080U;
    count = static_cast<unsigned>(std::countr_zero(others)) / 8;
    if (count == 0) return;
    bytes <<= 64 - 8 * count;  // as if zeros were before them
    bytes = bytes * 10 + (bytes >> 8);
    constexpr std::uint64_t kPairs = 0x000000ff000000ffU;
    value = ((bytes & kPairs) * (100 + (std::uint64_t{1'000'000} << 32)) +
             (bytes >> 16 & kPairs) * (1 + (std::uint64_t{10'000} << 32))) >>
            32;
  }
  unsigned count = 0;
  std::uint64_t value = 0;
};
constexpr std::uint64_t kPowers[] = {1,       10,        100,        1'000,      10'000,
                                     100'000, 1'000'000, 10'000'000, 100'000'000};

/// What a lower-case hexadecimal digit is worth, -1 for every other byte.
constexpr auto kHex = [] {
  std::array<std::int8_t, 256> worth{};
  worth.fill(-1);
  for (int i = 0; i < 16; ++i)
    worth[static_cast<unsigned char>("0123456789abcdef"[i])] = static_cast<std::int8_t>(i);
  return worth;
}();

/// A place in a line. Every step checks what is there and moves on, or says no.
class Cursor {
 public:
  explicit Cursor(std::string_view line) : at_(line.data()), end_(at_ + line.size()) {}

  template <std::size_t N>
  bool literal(const char (&text)[N]) {
    constexpr std::size_t kSize = N - 1;
    if (left() < kSize || !same<kSize>(at_, text)) return false;
    at_ += kSize;
    return true;
  }

  /// The next byte, 0 at the end.
  char peek() const { return at_ < end_ ? *at_ : '\0'; }

  bool take(std::size_t size, std::string_view& value) {
    if (left() < size) return false;
    value = {at_, size};
    at_ += size;
    return true;
  }

  /// Digits without a leading zero, at most 19 of them, so that they fit.
  bool number(std::uint64_t& value,
              std::uint64_t most = std::numeric_limits<std::uint64_t>::max()) {
    const char* const begin = at_;
    std::uint64_t sum = 0;
    unsigned count = 8;
    while (count == 8 && left() >= 8) {
      const Digits next(at_);
      count = next.count;
      sum = sum * kPowers[count] + next.value;
      at_ += count;
    }
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

  /// A part of an IPv4 address, as inet_pton() takes it.
  bool octet(std::uint8_t& value) {
    const char* const begin = at_;
    unsigned sum = 0;
    while (at_ < end_ && is_digit(*at_) && at_ - begin < 3)
      sum = sum * 10 + static_cast<unsigned>(*at_++ - '0');
    if (at_ == begin || sum > 255 || (at_ - begin > 1 && *begin == '0')) return false;
    value = static_cast<std::uint8_t>(sum);
    return true;
  }

  /// At most 16 digits.
  bool hexadecimal(std::uint64_t& value) {
    const char* const begin = at_;
    value = 0;
    for (; at_ < end_ && kHex[static_cast<unsigned char>(*at_)] >= 0; ++at_)
      value = value << 4 | static_cast<std::uint64_t>(kHex[static_cast<unsigned char>(*at_)]);
    return at_ != begin && at_ - begin <= 16;
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

  /// `name` if it is next; then that is what it means.
  template <std::size_t N, class T>
  bool named(const char (&name)[N], T meaning, T& value) {
    if (!literal(name)) return false;
    value = meaning;
    return true;
  }

  bool done() const { return at_ == end_; }

 private:
  std::size_t left() const { return static_cast<std::size_t>(end_ - at_); }
  const char* at_;
  const char* end_;
};

/// The exact names alone; parse_state() knows others too. What must follow is for the caller to
/// say.
bool state(Cursor& line, State& value) {
  switch (line.peek()) {
    case 'E':
      return line.named("ESTABLISHED", State::Established, value);
    case 'S':
      return line.named("SYN_SENT", State::SynSent, value) ||
             line.named("SYN_RECV", State::SynRecv, value);
    case 'F':
      return line.named("FIN_WAIT1", State::FinWait1, value) ||
             line.named("FIN_WAIT2", State::FinWait2, value);
    case 'T':
      return line.named("TIME_WAIT", State::TimeWait, value);
    case 'C':
      return line.named("CLOSE_WAIT", State::CloseWait, value) ||
             line.named("CLOSING", State::Closing, value) ||
             line.named("CLOSE", State::Close, value);
    case 'L':
      return line.named("LAST_ACK", State::LastAck, value) ||
             line.named("LISTEN", State::Listen, value);
    case 'U':
      return line.named("UNKNOWN", State::Unknown, value);
    default:
      return false;
  }
}

bool conn_id(Cursor& line, ConnId& id) {
  if (!line.hexadecimal(id.cookie)) return false;
  if (line.literal(".") && !(line.small(id.use) && id.use >= 2)) return false;
  return line.literal("\"");
}

bool v4_address(Cursor& line, Endpoint& endpoint) {
  for (std::size_t part = 0; part < 4; ++part)
    if ((part > 0 && !line.literal(".")) || !line.octet(endpoint.addr[part])) return false;
  return line.literal("\"");
}

bool v6_address(Cursor& line, Endpoint& endpoint) {
  std::string_view text;
  std::array<char, INET6_ADDRSTRLEN> copy{};
  if (!line.text(text) || text.size() >= copy.size()) return false;
  text.copy(copy.data(), text.size());
  return inet_pton(AF_INET6, copy.data(), endpoint.addr.data()) == 1;
}

bool addresses(Cursor& line, Socket& socket) {
  const bool v4 = line.literal(R"(,"family":4,"laddr":")");
  if (!v4 && !line.literal(R"(,"family":6,"laddr":")")) return false;
  socket.family = v4 ? Family::V4 : Family::V6;
  const auto address = v4 ? v4_address : v6_address;
  return address(line, socket.local) && line.literal(R"(,"lport":)") &&
         line.small(socket.local.port) && line.literal(R"(,"raddr":")") &&
         address(line, socket.remote) && line.literal(R"(,"rport":)") &&
         line.small(socket.remote.port);
}

bool duration(Cursor& line, Dwell& dwell) {
  if (line.literal(R"(,"dwell_ns":null,"dwell":"unknown")")) return true;
  return line.literal(R"(,"dwell_ns":)") && line.number(dwell.ns) &&
         (line.named(R"(,"dwell":"exact")", Bound::Exact, dwell.bound) ||
          line.named(R"(,"dwell":"at_least")", Bound::AtLeast, dwell.bound));
}

bool owner(Cursor& line, Owner& owner) {
  std::uint64_t pid = 0;
  std::string_view comm;
  if (!line.literal(R"(,"pid":null)")) {
    if (!line.literal(R"(,"pid":)") || !line.number(pid, kMax32) || pid == 0) return false;
    owner.pid = static_cast<std::uint32_t>(pid);
  }
  if (!line.literal(R"(,"comm":")") || !line.text(comm) || comm.size() > 15) return false;
  comm.copy(owner.comm.bytes.data(), comm.size());
  return line.literal(R"(,"owner":")") &&
         (line.named(R"(accept")", OwnerSource::Accept, owner.source) ||
          line.named(R"(connect")", OwnerSource::Connect, owner.source) ||
          line.word(owner.source, parse_owner_source)) &&
         line.literal(R"(,"cgroup":)") && line.number(owner.cgroup_id);
}

/// Fields that may be absent: false only where one is there and not as it should be.
bool extras(Cursor& line, Transition& event) {
  event.gap = line.literal(R"(,"gap":true)");
  if (line.literal(R"(,"reason":")") && !line.word(event.reason, parse_reason)) return false;
  return !line.literal(R"(,"timer_restarts":)") || line.small(event.timer_restarts);
}

bool path(Cursor& line, Path& path) {
  constexpr int kMost = 16;
  for (int states = 0; states < kMost; ++states) {
    State next;
    if (!state(line, next) || next == State::Unknown) return false;
    path.push(next);
    if (line.literal("\"")) return true;
    if (!line.literal(">")) return false;
  }
  return false;
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
  if (line.literal(R"(,"path":")") && !(path(line, event.path) && line.literal(R"(,"closer":")") &&
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

constexpr std::size_t kStamp = sizeof("2026-01-02T03:04:05.000000006Z") - 1;

}  // namespace

bool QuickReader::time(std::string_view stamp, std::int64_t& wall_ns) {
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
  const Digits tens(at + 20);
  if (tens.count != 8 || !is_digit(at[28])) return false;
  const std::int64_t ns = static_cast<std::int64_t>(tens.value) * 10 + (at[28] - '0');
  const std::int64_t of_day =
      ((hour * 60 + minute) * 60 + second) * std::int64_t{1'000'000'000} + ns;
  return !__builtin_add_overflow(midnight_ns_, of_day, &wall_ns);
}

bool QuickReader::transition(std::string_view text, Transition& event) {
  Cursor line(text);
  std::string_view stamp;
  if (!line.literal(R"({"type":"transition","ts":")") || !line.take(kStamp, stamp)) return false;
  return time(stamp, event.wall_ns) && line.literal(R"(","mono_ns":)") &&
         line.number(event.mono_ns) && line.literal(R"(,"conn":")") &&
         conn_id(line, event.socket.id) && line.literal(R"(,"netns":)") &&
         line.small(event.socket.netns) && addresses(line, event.socket) &&
         line.literal(R"(,"old":")") && state(line, event.from) && line.literal(R"(","new":")") &&
         state(line, event.to) && line.literal("\"") && duration(line, event.dwell) &&
         owner(line, event.socket.owner) && extras(line, event) &&
         (!event.last() || life(line, event)) && line.literal("}") && line.done();
}

}  // namespace tcpdwell
