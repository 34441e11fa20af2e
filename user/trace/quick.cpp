// SPDX-License-Identifier: BSD-2-Clause
#include "trace/quick.h"

#include <arpa/inet.h>

#include <algorithm>
#include <array>
#include <bit>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <functional>
#include <limits>
#include <optional>
#include <tuple>
#include <type_traits>

#include "model/fields.h"
#include "util/duration.h"

namespace tcpdwell {
namespace {

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

/// Two digits below `most`; -1 else.
int two_digits(const char* at, int most) {
  if (!is_digit(at[0]) || !is_digit(at[1])) return -1;
  const int value = (at[0] - '0') * 10 + (at[1] - '0');
  return value < most ? value : -1;
}

/// A place in a line. Every step checks what is there and moves on, or says no.
class Cursor {
 public:
  Cursor(std::string_view line, Known& known)
      : at_(line.data()), end_(at_ + line.size()), known_(known) {}

  template <std::size_t N>
  [[gnu::always_inline]] bool literal(const char (&text)[N]) {
    return take<N - 1>(text);
  }
  /// The name of a field, and the quote behind it.
  template <std::size_t N>
  [[gnu::always_inline]] bool name(const JsonKey<N>& key) {
    return take<N + 4>(key.text().data());
  }
  template <std::size_t N>
  [[gnu::always_inline]] bool name_and_quote(const JsonKey<N>& key) {
    return take<N + 5>(key.quoted().data());
  }
  template <std::size_t N>
  bool is_next(const JsonKey<N>& key) const {
    return is_next<N + 4>(key.text().data());
  }

  /// The next byte, 0 at the end.
  char peek() const { return at_ < end_ ? *at_ : '\0'; }

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

  /// Often of one digit.
  template <class Small>
  [[gnu::always_inline]] bool small(Small& value) {
    if (left() >= 2 && is_digit(at_[0]) && !is_digit(at_[1])) {
      value = static_cast<Small>(*at_++ - '0');
      return true;
    }
    return large(value);
  }
  template <class Small>
  bool large(Small& value) {
    std::uint64_t wide = 0;
    if (!number(wide, std::numeric_limits<Small>::max())) return false;
    value = static_cast<Small>(wide);
    return true;
  }

  /// A part of an IPv4 address, as inet_pton() takes it. More of the line has to follow.
  bool octet(std::uint8_t& value) {
    if (left() < 4) return false;
    const auto digit = [this](unsigned i) { return static_cast<unsigned char>(at_[i] - '0'); };
    unsigned sum = digit(0), size = 1;
    if (sum > 9) return false;
    for (; size < 3 && digit(size) <= 9; ++size) sum = sum * 10 + digit(size);
    if (sum > 255 || (size > 1 && *at_ == '0')) return false;
    at_ += size;
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

  /// Up to the next quote; printable ASCII without a backslash.
  bool text(std::string_view& value) {
    const char* const begin = at_;
    while (at_ < end_ && *at_ != '"') {
      const auto byte = static_cast<unsigned char>(*at_);
      if (byte < 0x20 || byte >= 0x7f || byte == '\\') return false;
      ++at_;
    }
    if (at_ == end_) return false;
    value = {begin, static_cast<std::size_t>(at_ - begin)};
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

  /// A time stamp with all its digits.
  bool time(std::int64_t& wall_ns) {
    constexpr std::size_t kStamp = sizeof("2026-01-02T03:04:05.000000006Z") - 1;
    const char* const at = at_;
    if (left() < kStamp || !known_.midnight.of(at)) return false;
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
    at_ += kStamp;
    return !__builtin_add_overflow(known_.midnight.ns, of_day, &wall_ns);
  }

  const char* at() const { return at_; }

  /// A path that an earlier line had, up to its quote.
  bool known_path(Path& path) {
    if (left() < KnownPaths::kLeast) return false;
    const KnownPaths::Entry& entry = known_.paths.entry(at_);
    if (entry.size == 0 || left() < entry.size ||
        std::memcmp(at_, entry.text.data(), entry.size) != 0)
      return false;
    at_ += entry.size - 1;
    path = entry.path;
    return true;
  }
  /// From `begin` to here.
  void learn_path(const char* begin, Path path) {
    const auto size = static_cast<std::size_t>(at_ - begin) + 1;
    if (left() < KnownPaths::kLeast || *at_ != '"' || size > KnownPaths::kMost) return;
    KnownPaths::Entry& entry = known_.paths.entry(begin);
    std::memcpy(entry.text.data(), begin, size);
    entry.size = size;
    entry.path = path;
  }

  bool done() const { return at_ == end_; }

 private:
  std::size_t left() const { return static_cast<std::size_t>(end_ - at_); }
  template <std::size_t kSize>
  [[gnu::always_inline]] bool is_next(const char* text) const {
    return left() >= kSize && same<kSize>(at_, text);
  }
  template <std::size_t kSize>
  [[gnu::always_inline]] bool take(const char* text) {
    if (!is_next<kSize>(text)) return false;
    at_ += kSize;
    return true;
  }

  const char* at_;
  const char* end_;
  Known& known_;
};

// read_value(): a value and its text, without the quotes around it. The events are new, so nothing
// has to be put back where it does not fit.

bool rare_state(Cursor& line, State& value) {
  return line.named("CLOSING", State::Closing, value) || line.named("CLOSE", State::Close, value) ||
         line.named("LISTEN", State::Listen, value) || line.named("UNKNOWN", State::Unknown, value);
}

/// The exact names alone; parse_state() knows others too. Each that is not it costs a comparison of
/// eight bytes.
[[gnu::always_inline]] inline bool read_value(Cursor& line, State& value) {
  return line.named("ESTABLISHED", State::Established, value) ||
         line.named("CLOSE_WAIT", State::CloseWait, value) ||
         line.named("LAST_ACK", State::LastAck, value) ||
         line.named("SYN_SENT", State::SynSent, value) ||
         line.named("SYN_RECV", State::SynRecv, value) ||
         line.named("FIN_WAIT1", State::FinWait1, value) ||
         line.named("FIN_WAIT2", State::FinWait2, value) ||
         line.named("TIME_WAIT", State::TimeWait, value) || rare_state(line, value);
}

template <std::unsigned_integral T>
[[gnu::always_inline]] inline bool read_value(Cursor& line, T& value) {
  return line.small(value);
}
bool read_value(Cursor& line, std::uint64_t& value) { return line.number(value); }
bool read_value(Cursor& line, bool& value) { return line.named("true", true, value); }
[[gnu::always_inline]] inline bool read_value(Cursor& line, std::int64_t& wall_ns) {
  return line.time(wall_ns);
}
bool read_value(Cursor& line, Reason& value) { return line.word(value, parse_reason); }
bool read_value(Cursor& line, Errno& value) { return line.word(value, parse_errno); }
bool read_value(Cursor& line, KernelWord& value) { return line.word(value, parse_kernel_word); }
bool read_value(Cursor& line, Closer& value) {
  return line.named("local", Closer::Local, value) || line.named("remote", Closer::Remote, value) ||
         line.word(value, parse_closer);
}
bool read_value(Cursor& line, OwnerSource& value) {
  return line.named("accept", OwnerSource::Accept, value) ||
         line.named("connect", OwnerSource::Connect, value) ||
         line.named("close", OwnerSource::Close, value) || line.word(value, parse_owner_source);
}
bool read_value(Cursor& line, Family& value) {
  return line.named("4", Family::V4, value) || line.named("6", Family::V6, value);
}

bool read_value(Cursor& line, ConnId& id) {
  if (!line.hexadecimal(id.cookie)) return false;
  return !line.literal(".") || (line.small(id.use) && id.use >= 2);
}

[[gnu::always_inline]] inline bool v4_address(Cursor& line, Endpoint& endpoint) {
  for (std::size_t part = 0; part < 4; ++part)
    if ((part > 0 && !line.literal(".")) || !line.octet(endpoint.addr[part])) return false;
  return true;
}

bool v6_address(Cursor& line, Endpoint& endpoint) {
  std::string_view text;
  std::array<char, INET6_ADDRSTRLEN> copy{};
  if (!line.text(text) || text.size() >= copy.size()) return false;
  text.copy(copy.data(), text.size());
  return inet_pton(AF_INET6, copy.data(), endpoint.addr.data()) == 1;
}

bool read_value(Cursor& line, AddressOf<Endpoint> address) {
  return address.family == Family::V4 ? v4_address(line, address.endpoint)
                                      : v6_address(line, address.endpoint);
}

[[gnu::always_inline]] inline bool read_value(Cursor& line, Shown<Show::Number, Dwell> number) {
  if (line.peek() == 'n') return line.literal("null");
  number.it.bound = Bound::Exact;
  return line.number(number.it.ns);
}

[[gnu::always_inline]] inline bool read_value(Cursor& line, Shown<Show::Worth, Dwell> worth) {
  Bound& bound = worth.it.bound;
  if (bound == Bound::Unknown) return line.literal("unknown");
  return line.literal("exact") || line.named("at_least", Bound::AtLeast, bound);
}

bool read_value(Cursor& line, Shown<Show::Pid, std::optional<std::uint32_t>> pid) {
  if (line.peek() == 'n') return line.literal("null");
  return line.small(pid.it.emplace()) && *pid.it != 0;
}

bool read_value(Cursor& line, Comm& comm) {
  std::string_view text;
  if (!line.text(text) || text.size() >= comm.bytes.size()) return false;
  for (std::size_t i = 0; i < text.size(); ++i) comm.bytes[i] = text[i];
  return true;
}

bool read_states(Cursor& line, Path& path) {
  constexpr int kMost = 16;
  for (int states = 0; states < kMost; ++states) {
    State next;
    if (!read_value(line, next) || next == State::Unknown) return false;
    path.push(next);
    if (!line.literal(">")) return true;
  }
  return false;
}

bool read_value(Cursor& line, Path& path) {
  if (line.known_path(path)) return true;
  const char* const begin = line.at();
  if (!read_states(line, path)) return false;
  line.learn_path(begin, path);
  return true;
}

[[gnu::always_inline]] inline bool read_value(Cursor& line, Stays& stays) {
  if (!line.literal("[")) return false;
  if (line.literal("]")) return true;
  do {
    Stay stay;
    if (stays.full() || !line.literal(R"({"state":")") || !read_value(line, stay.state) ||
        !line.literal(R"(","dwell_ns":)") || !read_value(line, shown<Show::Number>(stay.dwell)) ||
        !line.literal(R"(,"dwell":")") || !read_value(line, shown<Show::Worth>(stay.dwell)) ||
        !line.literal(R"("})"))
      return false;
    stays.push(stay);
  } while (line.literal(","));
  return line.literal("]");
}

template <class T>
[[gnu::always_inline]] inline bool read_value(Cursor& line, std::optional<T>& value) {
  return read_value(line, value.emplace());
}

template <class Field, class Event>
[[gnu::always_inline]] inline bool read_field(Cursor& line, const Field& field, Event& event) {
  const bool may_lack = field.presence == IfKnown || field.presence == Written;
  if (may_lack && line.peek() == '}') return true;  // the usual end, sooner seen than another name
  auto&& value = std::invoke(field.get, event);
  if constexpr (is_bare<std::remove_cvref_t<decltype(value)>>) {
    return line.name(field.key) ? read_value(line, value) : may_lack;
  } else {
    if (!line.name_and_quote(field.key)) return may_lack;
    return read_value(line, value) && line.literal("\"");
  }
}

template <class Table, class Event>
[[gnu::always_inline]] inline bool read_fields(Cursor& line, const Table& table, Event& event) {
  return all_entries(
      table, [&](const auto& entry) __attribute__((always_inline)) {
        using Entry = std::remove_cvref_t<decltype(entry)>;
        if constexpr (IsPart<Entry>) {
          if constexpr (Entry::kOptional) {
            if (line.is_next(std::get<0>(entry.fields).key))
              std::invoke(entry.get, event).emplace();
          }
          auto* const found = entry.find(event);
          return found == nullptr || read_fields(line, entry.fields, *found);
        } else {
          return read_field(line, entry, event);
        }
      });
}

}  // namespace

/// Of what is no path too: then nothing is found there. Ends of states that follow each other in
/// paths of one kind tell those apart.
KnownPaths::Entry& KnownPaths::entry(const char* text) {
  std::uint64_t begin = 0, middle = 0;
  std::memcpy(&begin, text, sizeof begin);
  std::memcpy(&middle, text + kLeast - sizeof middle, sizeof middle);
  return entries_[(begin ^ middle * 3) * 0x9e3779b97f4a7c15U >> 61];
}

bool Midnight::of(const char* stamp) {
  if (same<sizeof(date)>(stamp, date.data())) return true;
  const auto first = parse_rfc3339(std::string(stamp, date.size()) + "00:00:00Z");
  if (!first) return false;
  ns = *first;
  std::memcpy(date.data(), stamp, date.size());
  return true;
}

bool QuickReader::transition(std::string_view text, Transition& event) {
  Cursor line(text, known_);
  return line.literal(R"({"type":"transition")") && read_fields(line, kTransitionFields, event) &&
         line.literal("}") && line.done();
}

bool QuickReader::connection(std::string_view text, Connection& event) {
  Cursor line(text, known_);
  return line.literal(R"({"type":"connection")") && read_fields(line, kConnectionFields, event) &&
         line.literal("}") && line.done() && (event.end_wall_ns || event.seen_wall_ns);
}

}  // namespace tcpdwell
