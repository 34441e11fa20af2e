// SPDX-License-Identifier: BSD-2-Clause
/// Putting a JSON document together, with the commas in their places.
#pragma once

#include <fmt/format.h>

#include <cstdint>
#include <iterator>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>

#include "util/escape.h"

namespace tcpdwell {

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
    fmt::format_to(std::back_inserter(out_), "\"{}\":", name);
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
    fmt::format_to(std::back_inserter(out_), "{}", number);
    return *this;
  }
  template <class T>
  JsonText& value(const std::optional<T>& maybe) {
    if (maybe) return value(*maybe);
    comma();
    out_ += "null";
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
