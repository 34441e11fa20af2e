// SPDX-License-Identifier: BSD-2-Clause
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <iterator>
#include <numeric>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "sinks/tables.h"
#include "util/duration.h"
#include "util/escape.h"
#include "util/layout.h"
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

/// A cell is empty where the value is unknown.
struct Figure {
  std::string head;
  std::function<std::string(const Row&)> text_of;
};

Figure duration(std::string head, std::optional<std::uint64_t> (*value_of)(const Histogram&)) {
  return {std::move(head), [value_of](const Row& row) {
            const auto ns = value_of(row.exact);
            return ns ? human_duration(*ns) : "";
          }};
}

template <int kPercent>
std::optional<std::uint64_t> percentile(const Histogram& exact) {
  return exact.percentile(kPercent);
}

std::uint64_t sum(const Summary& summary, std::uint64_t Row::*counter) {
  return std::accumulate(
      summary.rows.begin(), summary.rows.end(), std::uint64_t{0},
      [counter](std::uint64_t total, const Row& row) { return total + row.*counter; });
}

std::vector<Figure> figures_of(const Summary& summary, bool wide) {
  std::vector<Figure> figures;
  for (std::size_t i = 0; i < summary.by.size(); ++i)
    figures.push_back({(is_number(summary.by[i]) ? "" : "<") + std::string(name_of(summary.by[i])),
                       [i](const Row& row) { return printable(row.keys[i]); }});
  figures.push_back({"count", [](const Row& row) { return human_count(row.count()); }});
  if (summary.of == Of::State)
    figures.push_back(
        {"open", [](const Row& row) { return row.open ? human_count(*row.open) : ""; }});
  figures.push_back(duration("min", [](const Histogram& exact) { return exact.min(); }));
  figures.push_back(duration("p50", percentile<50>));
  figures.push_back(duration("p90", percentile<90>));
  figures.push_back(duration("p99", percentile<99>));
  figures.push_back(duration("max", [](const Histogram& exact) { return exact.max(); }));
  figures.push_back(duration("total", [](const Histogram& exact) { return exact.total(); }));
  if (wide || sum(summary, &Row::at_least) > 0)
    figures.push_back({"at least", [](const Row& row) { return human_count(row.at_least); }});
  if (wide || sum(summary, &Row::unknown) > 0)
    figures.push_back({"unknown", [](const Row& row) { return human_count(row.unknown); }});
  return figures;
}

Table table_of(const Summary& summary, bool wide, std::size_t shown) {
  const std::vector<Figure> figures = figures_of(summary, wide);
  std::vector<std::string> heads;
  for (const Figure& figure : figures) heads.push_back(figure.head);
  Table table(heads);
  for (const Row& row : std::span(summary.rows).first(shown)) {
    std::vector<std::string> cells;
    for (const Figure& figure : figures) {
      cells.push_back(figure.text_of(row));
      if (cells.back().empty()) cells.back() = kAbsent;
    }
    table.add(cells);
  }
  return table;
}

std::string counted(std::uint64_t count, std::string_view one, std::string_view many) {
  return fmt::format("{} {}", human_count(count), count == 1 ? one : many);
}

void append_left_out(std::string& out, const Summary& summary) {
  const std::uint64_t unknown = sum(summary, &Row::unknown);
  const std::uint64_t at_least = sum(summary, &Row::at_least);
  const bool whole = summary.of == Of::Life || whole_connections(summary.by);
  const bool waits = summary.of == Of::Accept;
  const std::string_view one = waits ? "wait" : whole ? "lifetime" : "dwell";
  const std::string_view many = waits ? "waits" : whole ? "lifetimes" : "dwells";
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

std::size_t shown_rows(std::size_t rows, std::uint64_t limit) {
  return limit == 0 ? rows : std::min<std::size_t>(rows, limit);
}

void append_rows_more(std::string& out, std::size_t more) {
  if (more > 0) out += counted(more, "more row", "more rows") + "; --limit 0 shows all\n";
}

Status write_table_text(Output& out, const Summary& summary, const TableOptions& options) {
  std::string text = title(summary) + '\n';
  const std::size_t shown = shown_rows(summary.rows.size(), options.limit);
  if (summary.rows.empty()) {
    constexpr std::array<std::string_view, 3> kNothing = {
        "no transitions seen\n", "no connection ended\n", "no wait for accept() is known\n"};
    text += kNothing[static_cast<std::size_t>(summary.of)];
  } else {
    table_of(summary, options.wide, shown).append(text, options.colour);
  }
  append_rows_more(text, summary.rows.size() - shown);
  append_lost(text, summary.lost);
  append_left_out(text, summary);
  if (summary.minisockets_off)
    text +=
        "not observed (minisockets off): TIME_WAIT, FIN_WAIT2 of orphans, SYN_RECV of servers\n";
  return out.write(text);
}

}  // namespace tcpdwell
