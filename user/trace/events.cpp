// SPDX-License-Identifier: BSD-2-Clause
#include "trace/events.h"

#include <arpa/inet.h>

#include <algorithm>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <functional>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <tuple>
#include <type_traits>

#include "model/fields.h"
#include "util/duration.h"

namespace tcpdwell {
namespace {

// read_value(): the field `name`, which has to be there and to be what its kind of value asks for.

template <class T>
constexpr auto parser_of() {
  if constexpr (std::same_as<T, std::int64_t>) return parse_rfc3339;
  if constexpr (std::same_as<T, ConnId>) return parse_conn_id;
  if constexpr (std::same_as<T, State>) return parse_state;
  if constexpr (std::same_as<T, Bound>) return parse_bound;
  if constexpr (std::same_as<T, OwnerSource>) return parse_owner_source;
  if constexpr (std::same_as<T, Reason>) return parse_reason;
  if constexpr (std::same_as<T, Errno>) return parse_errno;
  if constexpr (std::same_as<T, Path>) return Path::parse;
  if constexpr (std::same_as<T, KernelWord>) return parse_kernel_word;
  if constexpr (std::same_as<T, Held>) return parse_held;
  if constexpr (std::same_as<T, SocketTimer>) return parse_socket_timer;
  if constexpr (std::same_as<T, Closer>) return parse_closer;
  if constexpr (std::same_as<T, LossPlace>) return parse_loss_place;
}
template <class T>
requires(!std::is_void_v<decltype(parser_of<T>())>) void read_value(Fields& fields,
                                                                    std::string_view name,
                                                                    T& value) {
  value = fields.word(name, parser_of<T>());
}

template <std::unsigned_integral T>
void read_value(Fields& fields, std::string_view name, T& value) {
  value = static_cast<T>(fields.number(name, std::numeric_limits<T>::max()));
}

void read_value(Fields& fields, std::string_view name, int& value) {
  value = static_cast<int>(fields.number(name, std::numeric_limits<int>::max()));
}

void read_value(Fields& fields, std::string_view name, bool& value) { value = fields.flag(name); }

void read_value(Fields& fields, std::string_view name, std::string& value) {
  value = fields.text(name);
}

/// A comm is cut where a character begins: one that was no UTF-8 has grown by its U+FFFDs.
void read_value(Fields& fields, std::string_view name, Comm& comm) {
  const std::string_view text = fields.text(name);
  std::size_t size = std::min<std::size_t>(text.size(), 15);
  while (size > 0 && size < text.size() &&
         (static_cast<unsigned char>(text[size]) & 0xC0U) == 0x80U)
    --size;
  comm = Comm(text.substr(0, size));
}

void read_value(Fields& fields, std::string_view name, Family& family) {
  const std::uint64_t number = fields.number(name);
  if (number != 4 && number != 6) fields.fail(name, "is neither 4 nor 6");
  family = number == 6 ? Family::V6 : Family::V4;
}

void read_value(Fields& fields, std::string_view name, AddressOf<Endpoint> address) {
  const std::string_view text = fields.text(name);
  if (!fields.ok()) return;
  const bool whole = std::strlen(text.data()) == text.size();
  const int kind = address.family == Family::V4 ? AF_INET : AF_INET6;
  if (!whole || inet_pton(kind, text.data(), address.endpoint.addr.data()) != 1) {
    fields.fail(name, "is no address of its family");
  }
}

void read_value(Fields& fields, std::string_view name, Shown<Show::Number, Dwell> number) {
  const auto ns = fields.number_or_null(name);
  number.it = {ns ? Bound::Exact : Bound::Unknown, ns.value_or(0)};
}

void read_value(Fields& fields, std::string_view name, Shown<Show::Worth, Dwell> worth) {
  const Bound bound = fields.word(name, parse_bound);
  if ((bound == Bound::Unknown) != (worth.it.bound == Bound::Unknown)) {
    fields.fail(name, "contradicts its number");
  }
  worth.it.bound = bound;
}

void read_value(Fields& fields, std::string_view name,
                Shown<Show::Pid, std::optional<std::uint32_t>> pid) {
  const auto number = fields.number_or_null(name, std::numeric_limits<std::uint32_t>::max());
  if (number == 0U) fields.fail(name, "is out of range");
  if (number) pid.it = static_cast<std::uint32_t>(*number);
}

void read_value(Fields& fields, std::string_view name, Constant constant) {
  if (fields.text(name) != constant.text) fields.fail(name, "is not understood");
}

void read_value(Fields& fields, std::string_view name, Shown<Show::Minisockets, std::string> text) {
  text.it = fields.text(name);
  if (std::count(kMinisocketWords.begin(), kMinisocketWords.end(), text.it) == 0) {
    fields.fail(name, "is not understood");
  }
}

void read_value(Fields& fields, std::string_view name, Shown<Show::Lines, std::string> text) {
  text.it = fields.text(name);
  if (std::count(kLinesWords.begin(), kLinesWords.end(), text.it) == 0) {
    fields.fail(name, "is not understood");
  }
}

void read_value(Fields& fields, std::string_view name, Stays& stays) {
  for (const rapidjson::Value& item : fields.objects(name)) {
    Fields inner(item);
    Stay stay;
    read_value(inner, "state", stay.state);
    read_value(inner, "dwell_ns", shown<Show::Number>(stay.dwell));
    read_value(inner, "dwell", shown<Show::Worth>(stay.dwell));
    if (!inner.ok()) return fields.fail(name, "holds something that is no stay");
    if (stays.full()) return fields.fail(name, "holds too many");
    stays.push(stay);
  }
}

void read_value(Fields& fields, std::string_view name, HolderList& holders) {
  holders.known = true;
  for (const rapidjson::Value& item : fields.objects(name)) {
    Fields inner(item);
    Holder holder;
    read_value(inner, "pid", holder.pid);
    read_value(inner, "comm", holder.comm);
    if (!inner.ok()) return fields.fail(name, "holds something that is no process");
    if (holders.all.size() == Holders::kMost) return fields.fail(name, "holds too many");
    holders.all.push_back(holder);
  }
}

void read_value(Fields& fields, std::string_view name, Shown<Show::Object, std::string> json) {
  const rapidjson::Value* object = fields.object(name);
  if (object == nullptr) return;
  std::optional<std::string> text = compact_json(*object);
  if (!text) return fields.fail(name, "is not understood");
  json.it = *std::move(text);
}

void read_value(Fields& fields, std::string_view name, EphemeralPorts& ports) {
  const auto ends = fields.numbers(name, std::numeric_limits<std::uint16_t>::max());
  if (ends.size() != 2 || ends[0] == 0 || ends[0] > ends[1]) {
    return fields.fail(name, "is no range of ports");
  }
  ports = {static_cast<std::uint16_t>(ends[0]), static_cast<std::uint16_t>(ends[1])};
}

void read_value(Fields& fields, std::string_view name, LossCounts& lost) {
  const rapidjson::Value* object = fields.object(name);
  if (object == nullptr) return;
  Fields places(*object);
  for (std::size_t i = 0; i < lost.size(); ++i) {
    lost[i] = places.number_if_any(name_of(static_cast<LossPlace>(i))).value_or(0);
  }
  if (!places.ok()) fields.fail(name, "holds something that is no count");
}

template <class T>
void read_value(Fields& fields, std::string_view name, std::optional<T>& value) {
  read_value(fields, name, value.emplace());
}

template <class Table, class Event>
void read_fields(Fields& fields, const Table& table, Event& event) {
  for_each_entry(table, [&](const auto& entry) {
    using Entry = std::remove_cvref_t<decltype(entry)>;
    if constexpr (IsPart<Entry>) {
      if constexpr (Entry::kOptional) {
        if (fields.has(std::get<0>(entry.fields).name())) entry.begin(event);
      }
      if (auto* found = entry.find(event)) read_fields(fields, entry.fields, *found);
    } else {
      const bool may_lack = entry.presence == IfKnown || entry.presence == Written;
      if (may_lack && !fields.has(entry.name())) return;
      auto&& value = std::invoke(entry.get, event);
      read_value(fields, entry.name(), value);
    }
  });
}

template <class Event, class Table>
Event read_event(Fields& fields, const Table& table) {
  Event event;
  read_fields(fields, table, event);
  return event;
}

}  // namespace

Transition read_transition(Fields& fields) {
  return read_event<Transition>(fields, kTransitionFields);
}
Listed read_socket(Fields& fields) { return read_event<Listed>(fields, kWaitingFields); }
Seed read_seed(Fields& fields) { return read_event<Seed>(fields, kSeedFields); }
Connection read_connection(Fields& fields) {
  auto connection = read_event<Connection>(fields, kConnectionFields);
  if (!connection.end_wall_ns && !connection.seen_wall_ns) fields.fail("end", "is missing");
  return connection;
}
LocalPorts read_local_ports(Fields& fields) {
  return read_event<LocalPorts>(fields, kLocalPortsFields);
}
NamedCgroup read_name(Fields& fields) { return read_event<NamedCgroup>(fields, kNamedFields); }
Loss read_loss(Fields& fields) { return read_event<Loss>(fields, kLossFields); }

TraceEnd read_end(Fields& fields, std::int64_t start_wall_ns) {
  auto end = read_event<TraceEnd>(fields, kEndFields);
  if (!fields.has("ts") && __builtin_add_overflow(start_wall_ns, end.duration_ns, &end.wall_ns)) {
    fields.fail("duration_ns", "is out of range");
  }
  return end;
}

Header read_header(Fields& fields) {
  Header header;
  read_value(fields, "schema", header.schema);
  if (fields.text("tool") != "tcpdwell") fields.fail("tool", "is not \"tcpdwell\"");
  if (!fields.ok() || header.schema > kTraceSchema) return header;
  if (header.schema < 1) fields.fail("schema", "is out of range");
  read_fields(fields, kHeaderFields, header);
  return header;
}

}  // namespace tcpdwell
