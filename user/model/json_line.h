// SPDX-License-Identifier: BSD-2-Clause
/// An event as one line of JSON: its fields as a table of model/fields.h has them.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <type_traits>

#include "model/fields.h"
#include "util/json.h"

namespace tcpdwell {

template <class T>
[[gnu::always_inline]] inline void add_json_value(JsonText& json, const T& value) {
  if constexpr (is_hostile<T>) {
    json.value(view_of(value));
  } else {
    json.bare([&value](std::string& out) {
      if constexpr (!is_bare<T>) out += '"';
      append_value(out, value);
      if constexpr (!is_bare<T>) out += '"';
    });
  }
}

/// Inlined, so that what is constant of a field is constant in the code.
template <class Table, class Event>
[[gnu::always_inline]] inline void add_json_fields(JsonText& json, const Table& table,
                                                   const Event& event) {
  for_each_entry(
      table, [&](const auto& entry) __attribute__((always_inline)) {
        if constexpr (IsPart<std::remove_cvref_t<decltype(entry)>>) {
          if (const auto* found = entry.find(event)) add_json_fields(json, entry.fields, *found);
        } else {
          const auto& value = std::invoke(entry.get, event);
          if (entry.presence == IfKnown && !is_known(value)) return;
          json.name(entry.key);
          if (entry.presence == OrNull && !is_known(value)) {
            json.null();
          } else {
            add_json_value(json, value);
          }
        }
      });
}

/// With its newline.
template <class Table, class Event>
[[gnu::always_inline]] inline void append_json_line(std::string& out, std::string_view type,
                                                    const Table& table, const Event& event) {
  JsonText json(out);
  json.begin_object();
  json.name(JsonKey("type")).value(type);
  add_json_fields(json, table, event);
  json.end_object();
  out += '\n';
}

}  // namespace tcpdwell
