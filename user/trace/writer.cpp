// SPDX-License-Identifier: BSD-2-Clause
#include "trace/writer.h"

#include <functional>
#include <string>
#include <string_view>
#include <type_traits>

#include "model/fields.h"
#include "util/json.h"

namespace tcpdwell {
namespace {

template <class T>
[[gnu::always_inline]] inline void add_value(JsonText& json, const T& value) {
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
[[gnu::always_inline]] inline void add_fields(JsonText& json, const Table& table,
                                              const Event& event) {
  for_each_entry(
      table, [&](const auto& entry) __attribute__((always_inline)) {
        if constexpr (IsPart<std::remove_cvref_t<decltype(entry)>>) {
          if (const auto* found = entry.find(event)) add_fields(json, entry.fields, *found);
        } else {
          const auto& value = std::invoke(entry.get, event);
          if (entry.presence == IfKnown && !is_known(value)) return;
          json.name(entry.key);
          if (entry.presence == OrNull && !is_known(value)) {
            json.null();
          } else {
            add_value(json, value);
          }
        }
      });
}

template <class Table, class Event>
[[gnu::always_inline]] inline void append_line(std::string& out, std::string_view type,
                                               const Table& table, const Event& event) {
  JsonText json(out);
  json.begin_object();
  json.name(JsonKey("type")).value(type);
  add_fields(json, table, event);
  json.end_object();
  out += '\n';
}

/// One reused line, written whole.
template <class Event>
Status write_line(Output& out, std::string& line, const Event& event) {
  line.clear();
  append_json(line, event);
  return out.write(line);
}

}  // namespace

void append_json(std::string& out, const Header& header) {
  append_line(out, "header", kHeaderFields, header);
}
void append_json(std::string& out, const Transition& event) {
  append_line(out, "transition", kTransitionFields, event);
}
void append_json(std::string& out, const Connection& connection) {
  append_line(out, "connection", kConnectionFields, connection);
}
void append_json(std::string& out, const Seed& seed) {
  append_line(out, "seed", kSeedFields, seed);
}
void append_json(std::string& out, const Listed& one) {
  append_line(out, "socket", kListedFields, one);
}
void append_json(std::string& out, const Loss& loss) {
  append_line(out, "loss", kLossFields, loss);
}
void append_json(std::string& out, const TraceEnd& end) {
  append_line(out, "end", kEndFields, end);
}

Status TraceWriter::header(const Header& header) { return write_line(out_, line_, header); }
Status TraceWriter::transition(const Transition& event) { return write_line(out_, line_, event); }
Status TraceWriter::seed(const Seed& seed) { return write_line(out_, line_, seed); }
Status TraceWriter::connection(const Connection& connection) {
  return write_line(out_, line_, connection);
}
Status TraceWriter::loss(const Loss& loss) { return write_line(out_, line_, loss); }
Status TraceWriter::end(const TraceEnd& end) { return write_line(out_, line_, end); }

}  // namespace tcpdwell
