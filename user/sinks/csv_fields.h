// SPDX-License-Identifier: BSD-2-Clause
/// An event as a row of CSV: its columns as a table of model/fields.h has them. Those of fields
/// that came later stand behind all others.
#pragma once

#include <algorithm>
#include <concepts>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

#include "model/fields.h"
#include "util/csv.h"

namespace tcpdwell {

/// Where a sink's cells are not what the table says.
struct CsvCells {
  std::string_view empty{};  ///< name of a field that is left empty
  bool port_zero = false;    ///< a port that is not known is 0, and not empty
};

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

template <class Table>
void add_csv_names(CsvText& csv, const Table& table, int late) {
  for_each_entry(table, [&](const auto& entry) {
    if constexpr (IsPart<std::remove_cvref_t<decltype(entry)>>) {
      add_csv_names(csv, entry.fields, late);
    } else if (entry.late == late) {
      csv.cell(entry.name());
    }
  });
}

template <class T>
[[gnu::always_inline]] inline void add_csv_value(CsvText& csv, const T& value) {
  if constexpr (is_hostile<T>) {
    csv.cell(view_of(value));
  } else if constexpr (std::same_as<T, HolderList>) {
    std::string list;
    append_value(list, value);
    csv.cell(list);
  } else {
    csv.bare([&value](std::string& out) { append_value(out, value); });
  }
}

/// Of an event; of nullptr as many empty cells.
template <int kLate, class Table, class Event>
[[gnu::always_inline]] inline void add_csv_cells(CsvText& csv, const Table& table,
                                                 const Event* event, const CsvCells& cells) {
  for_each_entry(
      table, [&](const auto& entry) __attribute__((always_inline)) {
        if constexpr (IsPart<std::remove_cvref_t<decltype(entry)>>) {
          using Found = decltype(entry.find(*event));
          add_csv_cells<kLate>(csv, entry.fields,
                               event == nullptr ? Found(nullptr) : entry.find(*event), cells);
        } else if (entry.late == kLate) {
          if (event == nullptr || entry.name() == cells.empty) {
            csv.empty();
            return;
          }
          const auto& value = std::invoke(entry.get, *event);
          using Value = std::remove_cvref_t<decltype(value)>;
          if (entry.presence == Always || is_known(value) ||
              (std::same_as<Value, std::uint16_t> && cells.port_zero)) {
            add_csv_value(csv, value);
          } else {
            csv.empty();
          }
        }
      });
}

template <class Table>
void add_csv_heads(CsvText& csv, const Table& table) {
  for (int late = 0; late <= last_late(table); ++late) add_csv_names(csv, table, late);
  csv.end_row();
}

/// `kTable`, a constant, is a table.
template <const auto& kTable, class Event>
void add_csv_row(CsvText& csv, const Event& event, const CsvCells& cells = {}) {
  [&]<int... kLate>(std::integer_sequence<int, kLate...>) {
    (add_csv_cells<kLate>(csv, kTable, &event, cells), ...);
  }
  (std::make_integer_sequence<int, last_late(kTable) + 1>());
  csv.end_row();
}

}  // namespace tcpdwell
