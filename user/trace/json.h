// SPDX-License-Identifier: BSD-2-Clause
/// Checked access to a line of a trace. Only this room includes RapidJSON, and only through here.
#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

// Every access below checks its type first, so that nothing is left to assert.
#ifndef RAPIDJSON_ASSERT
#define RAPIDJSON_ASSERT(x) static_cast<void>(0)
#endif
#include <rapidjson/document.h>

namespace tcpdwell {

/// What JsonParser::why() says of JSON that is no object.
inline constexpr std::string_view kNoObject = "not a JSON object";

/// Parses one line after the other in the same memory, however deep they nest.
class JsonParser {
 public:
  JsonParser();
  JsonParser(const JsonParser&) = delete;
  JsonParser& operator=(const JsonParser&) = delete;

  /// Parses in place: overwrites `line`, whose byte after the last must be NUL. nullptr unless it
  /// is a JSON object; else valid until the next call.
  const rapidjson::Value* object(char* line, std::size_t size);
  /// Why object() was nullptr.
  std::string_view why() const { return why_; }

 private:
  using Pool = rapidjson::MemoryPoolAllocator<>;
  using Document = rapidjson::GenericDocument<rapidjson::UTF8<>, Pool, Pool>;

  std::vector<char> value_memory_, stack_memory_;
  Pool values_, stack_;
  rapidjson::Value root_;
  std::string_view why_;
};

/// The fields of an object, in any order, quickest in the order they are asked for. The first field
/// that is not as asked for is kept as why(); it and those after it read as zero or empty.
class Fields {
 public:
  explicit Fields(const rapidjson::Value& object);

  bool has(std::string_view name) { return find(name) != nullptr; }
  std::uint64_t number(std::string_view name,
                       std::uint64_t most = std::numeric_limits<std::uint64_t>::max());
  /// Absent where the field is null.
  std::optional<std::uint64_t> number_or_null(
      std::string_view name, std::uint64_t most = std::numeric_limits<std::uint64_t>::max());
  /// Absent where the field is.
  std::optional<std::uint64_t> number_if_any(
      std::string_view name, std::uint64_t most = std::numeric_limits<std::uint64_t>::max());
  std::string_view text(std::string_view name);
  bool flag(std::string_view name);
  std::vector<std::uint64_t> numbers(std::string_view name, std::uint64_t most);
  /// Objects in a list inside this one.
  std::span<const rapidjson::Value> objects(std::string_view name);
  /// An object inside this one; nullptr where there is none.
  const rapidjson::Value* object(std::string_view name);

  /// A text that `parse` turns into a value; nullopt of it is an error.
  template <class T>
  T word(std::string_view name, std::optional<T> (*parse)(std::string_view)) {
    const std::string_view value = text(name);
    if (!ok()) return T{};
    const std::optional<T> parsed = parse(value);
    if (!parsed) fail(name, "is not understood");
    return parsed.value_or(T{});
  }

  /// Both texts must outlive the object: literals do.
  void fail(std::string_view name, std::string_view how);
  bool ok() const { return how_.empty(); }
  std::string why() const;

 private:
  const rapidjson::Value* find(std::string_view name);
  const rapidjson::Value* need(std::string_view name);
  std::uint64_t number_of(const rapidjson::Value& value, std::string_view name, std::uint64_t most);

  rapidjson::Value::ConstMemberIterator begin_, next_, end_;
  std::string_view name_, how_;
};

/// `object` without blanks; nullopt if it is not what we would have written: nests too deep, or
/// holds text that is no UTF-8.
std::optional<std::string> compact_json(const rapidjson::Value& object);

}  // namespace tcpdwell
