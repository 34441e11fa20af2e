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
#include "trace/cursor.h"
#include "util/duration.h"

namespace tcpdwell {
namespace {

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
            if (line.is_next(std::get<0>(entry.fields).key)) entry.begin(event);
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
