// SPDX-License-Identifier: BSD-2-Clause
#include <fmt/format.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <numeric>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "model/colour.h"
#include "sinks/grid.h"
#include "sinks/tables.h"
#include "util/duration.h"
#include "util/escape.h"
#include "util/moments.h"

namespace tcpdwell {
namespace {

/// "2026-01-02 03:04:05 – 03:04:15 UTC (10.0s)"; the second date only where it differs.
std::string title(const Summary& summary) {
  const std::string start = rfc3339(summary.start_wall_ns), end = rfc3339(summary.end_wall_ns);
  const auto date = [](std::string_view stamp) { return stamp.substr(0, 10); };
  const auto time = [](std::string_view stamp) { return stamp.substr(11, 8); };
  std::string text = fmt::format("{} {} – ", date(start), time(start));
  if (date(start) != date(end)) text += fmt::format("{} ", date(end));
  text += fmt::format("{} UTC", time(end));
  if (summary.end_wall_ns >= summary.start_wall_ns)
    text += fmt::format(" ({})", human_duration(since(summary.start_wall_ns, summary.end_wall_ns)));
  return text;
}

/// A column of one cell per row; an empty cell means unknown.
template <class CellOf>
Column column(const Summary& summary, std::string_view head, CellOf cell_of) {
  Column made{std::string(head), true, {}};
  for (const Row& row : summary.rows) {
    std::string cell = cell_of(row);
    made.cells.push_back(cell.empty() ? std::string(kAbsent) : std::move(cell));
  }
  return made;
}

template <class ValueOf>
Column durations(const Summary& summary, std::string_view head, ValueOf value_of) {
  return column(summary, head, [&](const Row& row) {
    const std::optional<std::uint64_t> ns = value_of(row.exact);
    return ns ? human_duration(*ns) : "";
  });
}

template <class ValueOf>
Column counts(const Summary& summary, std::string_view head, ValueOf value_of) {
  return column(summary, head, [&](const Row& row) {
    const std::optional<std::uint64_t> count = value_of(row);
    return count ? human_count(*count) : "";
  });
}

void add_keys(std::vector<Column>& columns, const Summary& summary) {
  for (std::size_t i = 0; i < summary.by.size(); ++i) {
    columns.push_back(column(summary, name_of(summary.by[i]),
                             [i](const Row& row) { return printable(row.keys[i]); }));
    columns.back().right = is_number(summary.by[i]);
  }
}

void add_durations(std::vector<Column>& columns, const Summary& summary) {
  const auto percentile = [](double percent) {
    return [percent](const Histogram& exact) { return exact.percentile(percent); };
  };
  columns.push_back(durations(summary, "min", [](const Histogram& exact) { return exact.min(); }));
  columns.push_back(durations(summary, "p50", percentile(50)));
  columns.push_back(durations(summary, "p90", percentile(90)));
  columns.push_back(durations(summary, "p99", percentile(99)));
  columns.push_back(durations(summary, "max", [](const Histogram& exact) { return exact.max(); }));
  columns.push_back(
      durations(summary, "total", [](const Histogram& exact) { return exact.total(); }));
}

std::uint64_t sum(const Summary& summary, std::uint64_t Row::*counter) {
  return std::accumulate(
      summary.rows.begin(), summary.rows.end(), std::uint64_t{0},
      [counter](std::uint64_t total, const Row& row) { return total + row.*counter; });
}

std::vector<Column> columns_of(const Summary& summary, bool wide) {
  std::vector<Column> columns;
  add_keys(columns, summary);
  columns.push_back(counts(summary, "count", [](const Row& row) { return row.count(); }));
  columns.push_back(counts(summary, "open", [](const Row& row) { return row.open; }));
  add_durations(columns, summary);
  if (wide || sum(summary, &Row::at_least) > 0) {
    columns.push_back(counts(summary, "at least", [](const Row& row) { return row.at_least; }));
  }
  if (wide || sum(summary, &Row::unknown) > 0) {
    columns.push_back(counts(summary, "unknown", [](const Row& row) { return row.unknown; }));
  }
  return columns;
}

std::string counted(std::uint64_t count, std::string_view one, std::string_view many) {
  return fmt::format("{} {}", human_count(count), count == 1 ? one : many);
}

void append_left_out(std::string& out, const Summary& summary) {
  const std::uint64_t unknown = sum(summary, &Row::unknown);
  const std::uint64_t at_least = sum(summary, &Row::at_least);
  const bool whole = whole_connections(summary.by);
  const std::string_view one = whole ? "lifetime" : "dwell";
  const std::string_view many = whole ? "lifetimes" : "dwells";
  if (unknown > 0) out += counted(unknown, one, many) + " of unknown length";
  if (unknown > 0 && at_least > 0) out += " and ";
  if (at_least > 0) out += counted(at_least, "lower bound", "lower bounds");
  if (unknown > 0 || at_least > 0) {
    out += unknown + at_least == 1 ? " is" : " are";
    out += " not in the percentiles\n";
  }
  if (summary.rows_left_out > 0) {
    out += counted(summary.rows_left_out, one, many);
    out += " left out: the table has no room for more rows\n";
  }
}

void append_lost(std::string& out, const LossCounts& lost) {
  std::string_view before = "lost: ";
  for (std::size_t i = 0; i < lost.size(); ++i) {
    if (lost[i] == 0) continue;
    fmt::format_to(std::back_inserter(out), "{}{} {}", before, name_of(static_cast<LossPlace>(i)),
                   human_count(lost[i]));
    before = ", ";
  }
  if (before == ", ") out += '\n';
}

}  // namespace

Status write_table_text(Output& out, const Summary& summary, const TableOptions& options) {
  std::string text = title(summary) + '\n';
  if (summary.rows.empty()) {
    text += "no transitions seen\n";
  } else {
    append_grid(text, columns_of(summary, options.wide), summary.rows.size(), options.colour);
  }
  append_lost(text, summary.lost);
  append_left_out(text, summary);
  if (summary.minisockets_off)
    text +=
        "not observed (minisockets off): TIME_WAIT, FIN_WAIT2 of orphans, SYN_RECV of servers\n";
  return out.write(text);
}

}  // namespace tcpdwell
