// SPDX-License-Identifier: BSD-2-Clause
/// An event as one line of JSON: its fields as a table of model/fields.h has them.
#pragma once

#include <algorithm>
#include <cstddef>
#include <functional>
#include <string>
#include <string_view>
#include <type_traits>

#include "model/fields.h"
#include "util/escape.h"
#include "util/json.h"
#include "util/line_text.h"

namespace tcpdwell {

/// Nearly all texts need no escape.
[[gnu::always_inline]] inline void add_json_string(LineText& line, std::string_view text) {
  const auto is_plain = [](char c) { return c >= 0x20 && c < 0x7f && c != '"' && c != '\\'; };
  if (!std::all_of(text.begin(), text.end(), is_plain)) {
    std::string escaped;
    append_json_string(escaped, text);
    return line.append(escaped);
  }
  line += '"';
  line.append_word(text);
  line += '"';
}

/// A field that is there, behind another.
template <std::size_t kSize, class T>
[[gnu::always_inline]] inline void add_json_field(LineText& line, const JsonKey<kSize>& key,
                                                  const T& value) {
  if constexpr (is_hostile<T>) {
    line.append(key.text());
    add_json_string(line, view_of(value));
  } else if constexpr (is_bare<T>) {
    line.append(key.text());
    append_value(line, value);
  } else {
    line.append(key.quoted());
    append_value(line, value);
    line += '"';
  }
}

/// Inlined, so that what is constant of a field is constant in the code.
template <class Table, class Event>
[[gnu::always_inline]] inline void add_json_fields(LineText& line, const Table& table,
                                                   const Event& event) {
  for_each_entry(
      table, [&](const auto& entry) __attribute__((always_inline)) {
        if constexpr (IsPart<std::remove_cvref_t<decltype(entry)>>) {
          if (const auto* found = entry.find(event)) add_json_fields(line, entry.fields, *found);
        } else {
          const auto& value = std::invoke(entry.get, event);
          if (is_known(value) || (entry.presence != IfKnown && entry.presence != OrNull)) {
            add_json_field(line, entry.key, value);
          } else if (entry.presence == OrNull) {
            line.append(entry.key.text());
            line.append("null");
          }
        }
      });
}

/// With its newline.
template <class Table, class Event>
[[gnu::always_inline]] inline void append_json_line(std::string& out, std::string_view type,
                                                    const Table& table, const Event& event) {
  LineText line;
  line.append(R"({"type":")");
  line.append(type);
  line += '"';
  add_json_fields(line, table, event);
  line.append("}\n");
  line.append_to(out);
}

}  // namespace tcpdwell
