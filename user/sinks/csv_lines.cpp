// SPDX-License-Identifier: BSD-2-Clause
#include "sinks/csv_lines.h"

#include <algorithm>
#include <functional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

#include "model/fields.h"
#include "util/escape.h"

namespace tcpdwell {
namespace {

template <class Table>
constexpr int last_late(const Table& table) {
  int last = 0;
  for_each_entry(table, [&last](const auto& entry) {
    if constexpr (IsPart<std::remove_cvref_t<decltype(entry)>>) {
      last = std::max(last, last_late(entry.fields));
    } else {
      last = std::max(last, entry.late);
    }
  });
  return last;
}
using Passes = std::make_integer_sequence<int, last_late(kTransitionFields) + 1>;

/// Every field but a row's first brings the comma before it.
template <class Table>
void add_names(std::string& row, const Table& table, int late) {
  for_each_entry(table, [&](const auto& entry) {
    if constexpr (IsPart<std::remove_cvref_t<decltype(entry)>>) {
      add_names(row, entry.fields, late);
    } else if (entry.late == late) {
      if (!row.empty()) row += ',';
      row += entry.name();
    }
  });
}

template <class T>
void add_text(std::string& row, const T& value) {
  if constexpr (is_hostile<T>) {
    row += csv_field(view_of(value));
  } else {
    append_value(row, value);
  }
}

/// Of an event; of nullptr as many empty fields. What `skip` names is left empty.
template <int kLate, class Table, class Event>
[[gnu::always_inline]] inline void add_row(std::string& row, const Table& table, const Event* event,
                                           std::string_view skip) {
  for_each_entry(
      table, [&](const auto& entry) __attribute__((always_inline)) {
        if constexpr (IsPart<std::remove_cvref_t<decltype(entry)>>) {
          using Found = decltype(entry.find(*event));
          add_row<kLate>(row, entry.fields, event == nullptr ? Found(nullptr) : entry.find(*event),
                         skip);
        } else if (entry.late == kLate) {
          if (!row.empty()) row += ',';
          if (event == nullptr || entry.name() == skip) return;
          const auto& value = std::invoke(entry.get, *event);
          if (entry.presence == Always || is_known(value)) add_text(row, value);
        }
      });
}

template <int... kLate>
void set_row(std::string& row, const Transition& transition, std::string_view skip,
             std::integer_sequence<int, kLate...>) {
  row.clear();
  (add_row<kLate>(row, kTransitionFields, &transition, skip), ...);
  row += '\n';
}

}  // namespace

Status CsvLines::header(const Header&) {
  if (header_written_) return Ok;
  header_written_ = true;
  line_.clear();
  for (int late = 0; late <= last_late(kTransitionFields); ++late)
    add_names(line_, kTransitionFields, late);
  return out_.write(line_ += '\n');
}

Status CsvLines::transition(const Transition& transition) {
  set_row(line_, transition, {}, Passes());
  return out_.write(line_);
}

Status CsvLines::seed(const Seed& seed) {
  Transition row;
  row.wall_ns = seed.wall_ns;
  row.mono_ns = seed.mono_ns;
  row.socket = seed.socket;
  row.to = seed.state;
  row.dwell = seed.age;
  set_row(line_, row, "old", Passes());
  return out_.write(line_);
}

}  // namespace tcpdwell
