// SPDX-License-Identifier: BSD-2-Clause
/// Putting a JSON document together, with the commas in their places.
#pragma once

#include <fmt/format.h>

#include <array>
#include <charconv>
#include <cstddef>
#include <iterator>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>

#include "util/escape.h"

namespace tcpdwell {

/// `,"name":"`, put together by the compiler: a line of a trace has some twenty.
template <std::size_t kSize>
class JsonKey {
 public:
  constexpr JsonKey(const char (&name)[kSize + 1]) {  // NOLINT: a literal is a key
    text_[0] = ',';
    text_[1] = text_[kSize + 2] = text_[kSize + 4] = '"';
    text_[kSize + 3] = ':';
    for (std::size_t i = 0; i < kSize; ++i) text_[i + 2] = name[i];
  }
  constexpr std::string_view name() const { return {&text_[2], kSize}; }
  constexpr std::string_view text() const { return {text_.data(), kSize + 4}; }
  /// With the quote that begins a string.
  constexpr std::string_view quoted() const { return {text_.data(), kSize + 5}; }

 private:
  std::array<char, kSize + 5> text_{};
};
template <std::size_t kSize>
JsonKey(const char (&)[kSize]) -> JsonKey<kSize - 1>;

/// Appends to a string. Names are literals of ours and need no escape.
class JsonText {
 public:
  explicit JsonText(std::string& out) : out_(out) {}

  JsonText& begin_object() { return open('{'); }
  JsonText& begin_list() { return open('['); }
  JsonText& end_object() { return close('}'); }
  JsonText& end_list() { return close(']'); }
  JsonText& name(std::string_view name) {
    comma();
    out_ += '"';
    out_.append(name).append("\":");
    bare_ = true;
    return *this;
  }
  template <std::size_t kSize>
  JsonText& name(const JsonKey<kSize>& key) {
    out_.append(bare_ ? key.text().substr(1) : key.text());
    bare_ = true;
    return *this;
  }
  JsonText& value(std::string_view text) {
    comma();
    append_json_string(out_, text);
    return *this;
  }
  JsonText& value(const char* text) { return value(std::string_view(text)); }
  template <class Number, std::enable_if_t<std::is_arithmetic_v<Number>, int> = 0>
  JsonText& value(Number number) {
    comma();
    if constexpr (std::is_integral_v<Number> && !std::is_same_v<Number, bool>) {
      std::array<char, 20> digits;  // of 2^64 - 1, or of -2^63 with its sign
      const char* const end = std::to_chars(digits.begin(), digits.end(), number).ptr;
      out_.append(digits.data(), static_cast<std::size_t>(end - digits.data()));
    } else {
      fmt::format_to(std::back_inserter(out_), "{}", number);
    }
    return *this;
  }
  template <class T>
  JsonText& value(const std::optional<T>& maybe) {
    return maybe ? value(*maybe) : null();
  }
  JsonText& null() {
    comma();
    out_ += "null";
    return *this;
  }
  /// What `append(std::string&)` appends is the value.
  template <class Append>
  JsonText& bare(const Append& append) {
    comma();
    append(out_);
    return *this;
  }
  template <class T>
  JsonText& field(std::string_view key, const T& it) {
    return name(key).value(it);
  }
  /// JSON already.
  JsonText& raw(std::string_view json) {
    comma();
    out_ += json;
    return *this;
  }
  /// A member that is a list: `put(item)` writes the value of each.
  template <class Items, class Put>
  JsonText& list(std::string_view key, const Items& items, const Put& put) {
    name(key).begin_list();
    for (const auto& item : items) put(item);
    return end_list();
  }

 private:
  void comma() {
    if (!bare_) out_ += ',';
    bare_ = false;
  }
  JsonText& open(char bracket) {
    comma();
    out_ += bracket;
    bare_ = true;
    return *this;
  }
  JsonText& close(char bracket) {
    out_ += bracket;
    bare_ = false;
    return *this;
  }

  std::string& out_;
  bool bare_ = true;  ///< nothing stands before what comes next
};

}  // namespace tcpdwell
