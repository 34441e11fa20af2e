// SPDX-License-Identifier: BSD-2-Clause
/// Tables for programs: JSON and CSV have the same fields.
#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "sinks/tables.h"
#include "util/csv.h"
#include "util/duration.h"

namespace tcpdwell {
namespace {

struct Figure {
  std::string_view name;
  std::optional<std::uint64_t> value;
};

std::array<Figure, 10> figures(const Row& row) {
  return {{{"count", row.count()},
           {"open", row.open},
           {"at_least", row.at_least},
           {"unknown", row.unknown},
           {"min_ns", row.exact.min()},
           {"p50_ns", row.exact.percentile(50)},
           {"p90_ns", row.exact.percentile(90)},
           {"p99_ns", row.exact.percentile(99)},
           {"max_ns", row.exact.max()},
           {"total_ns", row.exact.total()}}};
}

}  // namespace

void begin_summary(JsonText& json, const Summary& summary) {
  json.begin_object().field("type", "summary");
  json.field("start", rfc3339(summary.start_wall_ns)).field("end", rfc3339(summary.end_wall_ns));
  if (summary.of != Of::State) json.field("of", name_of(summary.of));
  json.list("by", summary.by, [&](Key key) { json.value(name_of(key)); });
  json.list("rows", summary.rows, [&](const Row& row) {
    json.begin_object();
    for (std::size_t i = 0; i < summary.by.size(); ++i) {
      json.name(field_name(summary.by[i]));
      if (is_number(summary.by[i])) {
        json.value(row.numeric[i]);
        if (summary.by[i] == Key::Cgroup && row.numeric[i] &&
            row.keys[i] != std::to_string(*row.numeric[i]))
          json.field("cgroup_name", row.keys[i]);
      } else {
        json.value(row.keys[i].empty() ? std::nullopt : std::optional(row.keys[i]));
      }
    }
    for (const Figure& figure : figures(row)) json.field(figure.name, figure.value);
    json.end_object();
  });
  if (summary.rows_left_out > 0) json.field("rows_left_out", summary.rows_left_out);
  json.name("lost").begin_object();
  for (std::size_t i = 0; i < summary.lost.size(); ++i)
    json.field(name_of(static_cast<LossPlace>(i)), summary.lost[i]);
  json.end_object();
  constexpr std::array kNotObserved = {State::TimeWait, State::FinWait2, State::SynRecv};
  if (summary.minisockets_off)
    json.list("not_observed", kNotObserved, [&](State state) { json.value(name_of(state)); });
}

Status write_table_json(Output& out, const Summary& summary) {
  std::string text;
  JsonText json(text);
  begin_summary(json, summary);
  json.end_object();
  return out.write(text += '\n');
}

Status write_table_csv(Output& out, const Summary& summary, bool with_header) {
  std::string text;
  CsvText csv(text);
  if (with_header) {
    csv.cells("start", "end");
    // `end` is taken by the span's.
    for (const Key key : summary.by) csv.cell(key == Key::End ? "end_cause" : field_name(key));
    for (const Figure& figure : figures(Row{})) csv.cell(figure.name);
    csv.end_row();
  }
  for (const Row& row : summary.rows) {
    csv.cells(rfc3339(summary.start_wall_ns), rfc3339(summary.end_wall_ns));
    for (std::size_t i = 0; i < summary.by.size(); ++i)
      is_number(summary.by[i]) ? csv.cell(row.numeric[i]) : csv.cell(row.keys[i]);
    for (const Figure& figure : figures(row)) csv.cell(figure.value);
    csv.end_row();
  }
  return out.write(text);
}

}  // namespace tcpdwell
