// SPDX-License-Identifier: BSD-2-Clause
/// Tables for programs: JSON and CSV have the same fields.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <optional>
#include <string>
#include <string_view>

#include "sinks/tables.h"
#include "util/duration.h"
#include "util/escape.h"

namespace tcpdwell {
namespace {

/// The --by word as a field name: "local_port".
std::string field_name(Key key) {
  std::string name(name_of(key));
  std::replace(name.begin(), name.end(), '-', '_');
  return name;
}

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

void append_number(std::string& out, std::uint64_t number) {
  fmt::format_to(std::back_inserter(out), "{}", number);
}

void append_json_number(std::string& out, std::optional<std::uint64_t> number) {
  if (number) {
    append_number(out, *number);
  } else {
    out += "null";
  }
}

void append_json_key(std::string& out, const Summary& summary, const Row& row, std::size_t i) {
  append_json_string(out, field_name(summary.by[i]));
  out += ':';
  if (is_number(summary.by[i])) {
    append_json_number(out, row.numeric[i]);
  } else if (row.keys[i].empty()) {
    out += "null";
  } else {
    append_json_string(out, row.keys[i]);
  }
  out += ',';
}

void append_json_row(std::string& out, const Summary& summary, const Row& row) {
  out += '{';
  for (std::size_t i = 0; i < summary.by.size(); ++i) append_json_key(out, summary, row, i);
  for (const Figure& figure : figures(row)) {
    fmt::format_to(std::back_inserter(out), "\"{}\":", figure.name);
    append_json_number(out, figure.value);
    out += ',';
  }
  out.back() = '}';
}

/// "name":[item,…] with `append_item(item)` for each of `items`.
template <class Items, class AppendItem>
void append_json_array(std::string& out, std::string_view name, const Items& items,
                       AppendItem append_item) {
  fmt::format_to(std::back_inserter(out), ",\"{}\":[", name);
  bool first = true;
  for (const auto& item : items) {
    if (!first) out += ',';
    first = false;
    append_item(item);
  }
  out += ']';
}

void append_json_lost(std::string& out, const LossCounts& lost) {
  out += ",\"lost\":{";
  for (std::size_t i = 0; i < lost.size(); ++i) {
    fmt::format_to(std::back_inserter(out), "{}\"{}\":{}", i > 0 ? "," : "",
                   name_of(static_cast<LossPlace>(i)), lost[i]);
  }
  out += '}';
}

void append_csv_header(std::string& out, const Summary& summary) {
  out += "start,end";
  // `end` is taken by the span's.
  for (Key key : summary.by) out += ',' + (key == Key::End ? "end_cause" : field_name(key));
  for (const Figure& figure : figures(Row{}))
    fmt::format_to(std::back_inserter(out), ",{}", figure.name);
  out += '\n';
}

void append_csv_row(std::string& out, const Summary& summary, const Row& row) {
  for (std::size_t i = 0; i < summary.by.size(); ++i) {
    out += ',';
    if (!is_number(summary.by[i])) {
      out += csv_field(row.keys[i]);
    } else if (row.numeric[i]) {
      append_number(out, *row.numeric[i]);
    }
  }
  for (const Figure& figure : figures(row)) {
    out += ',';
    if (figure.value) append_number(out, *figure.value);
  }
  out += '\n';
}

}  // namespace

void append_summary_json(std::string& text, const Summary& summary) {
  text += fmt::format(R"({{"type":"summary","start":"{}","end":"{}")",
                      rfc3339(summary.start_wall_ns), rfc3339(summary.end_wall_ns));
  append_json_array(text, "by", summary.by,
                    [&](Key key) { append_json_string(text, name_of(key)); });
  append_json_array(text, "rows", summary.rows,
                    [&](const Row& row) { append_json_row(text, summary, row); });
  if (summary.rows_left_out > 0) {
    fmt::format_to(std::back_inserter(text), ",\"rows_left_out\":{}", summary.rows_left_out);
  }
  append_json_lost(text, summary.lost);
  if (summary.minisockets_off) text += R"(,"not_observed":["TIME_WAIT","FIN_WAIT2","SYN_RECV"])";
}

Status write_table_json(Output& out, const Summary& summary) {
  std::string text;
  append_summary_json(text, summary);
  text += "}\n";
  return out.write(text);
}

Status write_table_csv(Output& out, const Summary& summary, bool with_header) {
  std::string text;
  if (with_header) append_csv_header(text, summary);
  const std::string span = rfc3339(summary.start_wall_ns) + ',' + rfc3339(summary.end_wall_ns);
  for (const Row& row : summary.rows) {
    text += span;
    append_csv_row(text, summary, row);
  }
  return out.write(text);
}

}  // namespace tcpdwell
