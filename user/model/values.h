// SPDX-License-Identifier: BSD-2-Clause
/// The values that the fields of a line (model/fields.h) can have, and each of them as text. Most
/// are types of model/event.h; the others stand for a part of an event that a field shows in its
/// own way.
#pragma once

#include <array>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "model/address.h"
#include "model/event.h"
#include "model/listing.h"
#include "util/duration.h"
#include "util/line_text.h"

namespace tcpdwell {

enum class Show {
  Number,       ///< of a Dwell, its nanoseconds
  Worth,        ///< and what these are worth
  Pid,          ///< 1 or more
  Minisockets,  ///< one of kMinisocketWords
  Lines,        ///< one of kLinesWords
  Object,       ///< JSON, kept as text
};
/// `T` is const in an event that is written, and not in one that is read. So is AddressOf's.
template <Show kWhat, class T>
struct Shown {
  T& it;
};
template <Show kWhat, class T>
constexpr Shown<kWhat, T> shown(T& it) {
  return {it};
}
inline constexpr std::array<std::string_view, 3> kMinisocketWords = {"fentry", "timer", "off"};
inline constexpr std::array<std::string_view, 2> kLinesWords = {"transitions", "connections"};

template <class T>
struct AddressOf {
  Family family;  ///< which another field says
  T& endpoint;
};
template <class T>
AddressOf(Family, T&) -> AddressOf<T>;

/// What every line of its kind says.
struct Constant {
  std::string_view text;
};

template <class T>
concept Word = requires(T word) {
  { name_of(word) } -> std::same_as<std::string_view>;
};

/// False for a value that stands for "not known" or "none".
template <class T>
constexpr bool is_known(const T&) {
  return true;
}
template <std::unsigned_integral T>
constexpr bool is_known(const T& number) {
  return number != 0;
}
template <class T>
constexpr bool is_known(const std::optional<T>& maybe) {
  return maybe.has_value();
}
template <class T>
constexpr bool is_known(const Shown<Show::Pid, T>& pid) {
  return pid.it.has_value();
}
template <class T>
constexpr bool is_known(const Shown<Show::Number, T>& number) {
  return number.it.bound != Bound::Unknown;
}
constexpr bool is_known(const Reason& reason) { return reason != Reason::None; }
inline bool is_known(const KernelWord& word) { return word.bytes.front() != '\0'; }
constexpr bool is_known(const Errno& error) { return error != Errno::None; }
constexpr bool is_known(const Held& held) { return held != Held::Unknown; }
inline bool is_known(const HolderList& holders) { return holders.known; }
inline bool is_known(const Path& path) { return !path.empty(); }
inline bool is_known(const Comm& comm) { return comm.bytes.front() != '\0'; }
inline bool is_known(const std::string& text) { return !text.empty(); }

/// Whether JSON has it without quotes.
template <class T>
inline constexpr bool is_bare = std::integral<T> && !std::same_as<T, std::int64_t>;
template <>
inline constexpr bool is_bare<Family> = true;
template <>
inline constexpr bool is_bare<EphemeralPorts> = true;
template <>
inline constexpr bool is_bare<LossCounts> = true;
template <>
inline constexpr bool is_bare<Stays> = true;
template <>
inline constexpr bool is_bare<HolderList> = true;
template <Show kWhat, class T>
inline constexpr bool is_bare<Shown<kWhat, T>> =
    kWhat == Show::Number || kWhat == Show::Pid || kWhat == Show::Object;
template <class T>
inline constexpr bool is_bare<std::optional<T>> = is_bare<T>;

/// Whether it holds what others chose, and has to be escaped.
template <class T>
inline constexpr bool is_hostile = std::same_as<T, Comm> || std::same_as<T, std::string>;
inline std::string_view view_of(const Comm& comm) { return comm.view(); }
inline std::string_view view_of(const std::string& text) { return text; }

// append_value(): a known value that is not hostile, without quotes.
[[gnu::always_inline]] inline void append_value(LineText& out, std::integral auto number) {
  out.append_number(number);
}
inline void append_value(LineText& out, bool flag) { out.append(flag ? "true" : "false"); }
/// The only signed 64 bits of an event are the time of the wall clock.
inline void append_value(LineText& out, std::int64_t wall_ns) {
  out.wrote(put_rfc3339(out.room(kRfc3339Bytes), wall_ns));
}
[[gnu::always_inline]] inline void append_value(LineText& out, Word auto word) {
  out.append_word(name_of(word));
}
inline void append_value(LineText& out, Constant constant) { out.append(constant.text); }
void append_value(LineText& out, const ConnId& id);
void append_value(LineText& out, const Path& path);
inline void append_value(LineText& out, Family family) { out += family == Family::V4 ? '4' : '6'; }
void append_value(LineText& out, const EphemeralPorts& ports);  ///< a list
void append_value(LineText& out, const LossCounts& lost);       ///< an object
void append_value(LineText& out, const Stays& stays);           ///< a list of objects
void append_value(LineText& out, const HolderList& holders);    ///< a list of objects
template <class T>
void append_value(LineText& out, const AddressOf<T>& address) {
  out.wrote(put_address(out.room(kMostAddressBytes), address.family, address.endpoint));
}
template <Show kWhat, class T>
[[gnu::always_inline]] inline void append_value(LineText& out, const Shown<kWhat, T>& value) {
  if constexpr (kWhat == Show::Number) {
    append_value(out, value.it.ns);
  } else if constexpr (kWhat == Show::Worth) {
    append_value(out, value.it.bound);
  } else if constexpr (kWhat == Show::Pid) {
    append_value(out, *value.it);
  } else {
    out.append(value.it);
  }
}
template <class T>
[[gnu::always_inline]] inline void append_value(LineText& out, const std::optional<T>& known) {
  append_value(out, *known);
}
template <class T>
void append_value(std::string& out, const T& value) {
  LineText text;
  append_value(text, value);
  text.append_to(out);
}

}  // namespace tcpdwell
