// SPDX-License-Identifier: BSD-2-Clause
#include "describe.h"

#include <fmt/format.h>

#include <functional>
#include <limits>
#include <optional>
#include <span>
#include <tuple>
#include <type_traits>
#include <utility>

#include "util/json.h"

namespace tcpdwell {
namespace {

template <Word T>
constexpr T kLast{};
template <>
constexpr State kLast<State> = static_cast<State>(kStateCount - 1);
template <>
constexpr Bound kLast<Bound> = static_cast<Bound>(kBoundCount - 1);
template <>
constexpr OwnerSource kLast<OwnerSource> = static_cast<OwnerSource>(kOwnerSourceCount - 1);
template <>
constexpr Reason kLast<Reason> = static_cast<Reason>(kReasonCount - 1);
template <>
constexpr Errno kLast<Errno> = static_cast<Errno>(kErrnoCount - 1);
template <>
constexpr Held kLast<Held> = static_cast<Held>(kHeldCount - 1);
template <>
constexpr Closer kLast<Closer> = Closer::Both;
template <>
constexpr SocketTimer kLast<SocketTimer> = static_cast<SocketTimer>(kSocketTimerCount - 1);
template <>
constexpr LossPlace kLast<LossPlace> = static_cast<LossPlace>(kLossPlaceCount - 1);

std::string one_of(std::span<const std::string_view> words) {
  std::string text;
  JsonText json(text);
  json.begin_object().name("enum").begin_list();
  for (const std::string_view word : words)
    if (!word.empty()) json.value(word);
  json.end_list().end_object();
  return text;
}

template <Word T>
std::string one_of() {
  static_assert(kLast<T> != T{});
  std::vector<std::string_view> words;
  for (unsigned i = 0; i <= static_cast<unsigned>(kLast<T>); ++i)
    words.push_back(name_of(static_cast<T>(i)));
  return one_of(words);
}

std::string integer(std::uint64_t least, std::uint64_t most,
                    std::string_view type = R"("integer")") {
  return fmt::format(R"({{"type":{},"minimum":{},"maximum":{}}})", type, least, most);
}
constexpr std::string_view kOrNull = R"(["integer","null"])";
constexpr std::uint64_t kMax32 = std::numeric_limits<std::uint32_t>::max();
constexpr std::uint64_t kMax64 = std::numeric_limits<std::uint64_t>::max();

std::string counts() {
  std::string text;
  JsonText json(text);
  json.begin_object().field("type", "object").name("properties").begin_object();
  for (std::size_t i = 0; i < kLossPlaceCount; ++i)
    json.name(name_of(static_cast<LossPlace>(i))).bare([](auto& out) {
      out += integer(0, kMax64);
    });
  json.end_object().name("required").begin_list();
  for (std::size_t i = 0; i < kLossPlaceCount; ++i) json.value(name_of(static_cast<LossPlace>(i)));
  json.end_list().end_object();
  return text;
}

const std::string kString = R"({"type":"string"})";

const std::string kWordColumn = "LowCardinality(String)";

/// A column of text has "" where it is absent, one of a number or a time NULL.
std::string or_null(const std::string& sql) {
  return sql == "String" || sql == kWordColumn ? sql : "Nullable(" + sql + ")";
}

/// A number that stands for "none" where it is 0 is absent then.
template <std::unsigned_integral T>
ValueKind kind_of(const T&, Presence presence) {
  const std::uint64_t least = presence == IfKnown ? 1 : 0;
  return {"int", integer(least, std::numeric_limits<T>::max()),
          fmt::format("UInt{}", 8 * sizeof(T))};
}
ValueKind kind_of(int schema, Presence) {
  return {"int", fmt::format(R"({{"const":{}}})", schema), ""};
}
ValueKind kind_of(bool, Presence) { return {"`true`", R"({"const":true})", "Bool"}; }
ValueKind kind_of(std::int64_t, Presence presence) {
  const std::string sql = "DateTime64(9, 'UTC')";
  return {"string", R"({"$ref":"#/$defs/time"})", presence == IfKnown ? or_null(sql) : sql};
}
ValueKind kind_of(const std::string&, Presence) { return {"string", kString, kWordColumn}; }
ValueKind kind_of(const Comm&, Presence) { return {"string", kString, kWordColumn}; }
/// ClickHouse takes an IPv4 address for one, as ::ffff:….
ValueKind kind_of(AddressOf<const Endpoint>, Presence) { return {"string", kString, "IPv6"}; }
ValueKind kind_of(const ConnId&, Presence) {
  return {"string", R"({"type":"string","pattern":"^[0-9a-f]{1,16}(\\.[0-9]+)?$"})", "String"};
}
ValueKind kind_of(const Path&, Presence) {
  return {"string", R"({"$ref":"#/$defs/path"})", kWordColumn};
}
ValueKind kind_of(const KernelWord&, Presence) {
  return {"string", R"({"type":"string","pattern":"^[A-Z0-9_]{1,32}$"})", kWordColumn};
}
ValueKind kind_of(Family, Presence) { return {"4 or 6", R"({"enum":[4,6]})", "UInt8"}; }
template <Word T>
ValueKind kind_of(const T&, Presence) {
  return {"string", std::is_same_v<T, State> ? R"({"$ref":"#/$defs/state"})" : one_of<T>(),
          kWordColumn};
}
ValueKind kind_of(Constant constant, Presence) {
  return {"string", fmt::format(R"({{"const":"{}"}})", constant.text), kWordColumn};
}
ValueKind kind_of(const EphemeralPorts&, Presence) {
  return {"two ints",
          R"({"type":"array","items":)" + integer(0, 65535) + R"(,"minItems":2,"maxItems":2})", ""};
}
ValueKind kind_of(const LossCounts&, Presence) { return {"object", counts(), ""}; }
ValueKind kind_of(const Stays&, Presence) {
  const auto stay = [](std::string_view number, std::string_view worth) {
    return fmt::format(
        R"({{"type":"object","properties":{{"state":{{"$ref":"#/$defs/state"}},"dwell_ns":{},"dwell":{}}},)"
        R"("required":["state","dwell_ns","dwell"]}})",
        number, worth);
  };
  return {
      "list",
      fmt::format(R"({{"type":"array","maxItems":{},"items":{{"oneOf":[{},{}]}}}})", Stays::kMost,
                  stay(R"({"type":"null"})", R"({"const":"unknown"})"),
                  stay(integer(0, kMax64), R"({"enum":["exact","at_least"]})")),
      fmt::format("Array(Tuple(state {0}, dwell_ns Nullable(UInt64), dwell {0}))", kWordColumn)};
}
ValueKind kind_of(const HolderList&, Presence) {
  return {"list",
          fmt::format(R"({{"type":"array","maxItems":{},"items":{{"type":"object","properties":)"
                      R"({{"pid":{},"comm":{{"type":"string"}}}},"required":["pid","comm"]}}}})",
                      Holders::kMost, integer(1, kMax32)),
          fmt::format("Array(Tuple(pid UInt32, comm {}))", kWordColumn)};
}
template <Show kWhat, class T>
ValueKind kind_of(Shown<kWhat, T>, Presence) {
  switch (kWhat) {
    case Show::Number:
      return {"int", integer(0, kMax64, kOrNull), "Nullable(UInt64)"};
    case Show::Worth:
      return {"string", one_of<Bound>(), kWordColumn};
    case Show::Pid:
      return {"int", integer(1, kMax32, kOrNull), "Nullable(UInt32)"};
    case Show::Minisockets:
      return {"string", one_of(kMinisocketWords), kWordColumn};
    case Show::Lines:
      return {"string", one_of(kLinesWords), kWordColumn};
    case Show::Object:
      return {"object", R"({"type":"object"})", ""};
  }
  return {};
}
template <class T>
ValueKind kind_of(const std::optional<T>&, Presence) {
  ValueKind kind = kind_of(T{}, Always);
  kind.sql = or_null(kind.sql);
  return kind;
}

template <class T>
inline constexpr bool is_last_line = false;
template <class Table>
inline constexpr bool is_last_line<LastLine<Table>> = true;
template <class T>
inline constexpr bool is_worth = false;
template <class T>
inline constexpr bool is_worth<Shown<Show::Worth, T>> = true;

/// What is the same for all entries of a table.
struct Where {
  bool last_line = false;
  std::string part;
};

template <class Table, class Event>
void add(std::vector<Described>& all, const Table& table, const Event& event, const Where& where) {
  for_each_entry(table, [&](const auto& entry) {
    using Entry = std::remove_cvref_t<decltype(entry)>;
    if constexpr (!IsPart<Entry>) {
      const auto& value = std::invoke(entry.get, event);
      ValueKind kind = kind_of(value, entry.presence);
      if (!where.part.empty() && !kind.sql.starts_with("Nullable")) kind.sql = or_null(kind.sql);
      const bool worth = is_worth<std::remove_cvref_t<decltype(value)>>;
      all.push_back({entry.name(), entry.meaning, entry.otherwise, entry.presence, kind,
                     where.last_line, where.part, worth ? std::string(all.back().name) : ""});
    } else if constexpr (is_last_line<Entry>) {
      add(all, entry.fields, event, {true, where.part});
    } else if constexpr (Entry::kOptional) {
      using Inner = std::remove_cvref_t<decltype(*entry.find(event))>;
      add(all, entry.fields, Inner{},
          {where.last_line, std::string(std::get<0>(entry.fields).name())});
    } else {
      add(all, entry.fields, *entry.find(event), where);
    }
  });
}

template <class Event, class Table>
LineType line_type(std::string_view type, const Table& table, const Event& event = {}) {
  LineType line{type, {}};
  add(line.fields, table, event, {});
  return line;
}

}  // namespace

std::vector<LineType> line_types() {
  return {line_type<Header>("header", kHeaderFields),
          line_type<Transition>("transition", kTransitionFields),
          line_type<Seed>("seed", kSeedFields),
          line_type<Connection>("connection", kConnectionFields),
          line_type<Listed>("socket", kListedFields, {{}, std::make_shared<CgroupName>(), {}}),
          line_type<LocalPorts>("ports", kLocalPortsFields),
          line_type<NamedCgroup>("name", kNamedFields),
          line_type<Loss>("loss", kLossFields),
          line_type<TraceEnd>("end", kEndFields)};
}

}  // namespace tcpdwell
