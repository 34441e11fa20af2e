// SPDX-License-Identifier: BSD-2-Clause
#include "sinks/diff.h"

#include <fmt/format.h>
#include <sinks_page.h>

#include <algorithm>
#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "sinks/grid.h"
#include "util/duration.h"
#include "util/escape.h"
#include "util/json.h"
#include "util/moments.h"

namespace tcpdwell {
namespace {

/// A table of the text and of the page. A head that begins with '<' is flush left.
struct Grid {
  std::string title;
  std::vector<std::string> heads;
  std::vector<std::vector<std::string>> rows;
};

std::string duration_or_dash(const std::optional<std::uint64_t>& ns) {
  return ns ? human_duration(*ns) : "-";
}

/// "longer, x2.81", and what stands for no difference.
std::string shift_text(const Shift& shift) {
  if (!shift.before.ns && !shift.after.ns) return "-";
  std::string text(text_of(shift.verdict));
  if (shift.verdict == Verdict::Longer || shift.verdict == Verdict::Shorter) {
    const double factor = static_cast<double>(*shift.after.ns) /
                          static_cast<double>(std::max<std::uint64_t>(*shift.before.ns, 1));
    text += factor < 0.1 ? fmt::format(", x{:.3f}", factor) : fmt::format(", x{:.2f}", factor);
  }
  return text;
}

std::string presence(std::uint64_t before, std::uint64_t after) {
  if (before == 0) return "new";
  return after == 0 ? "gone" : "";
}

std::string side_text(std::string_view letter, const ComparedSide& side) {
  std::uint64_t lost = 0;
  for (const std::uint64_t count : side.lost) lost += count;
  std::string text = fmt::format("{}: {}, {}, {} connections", letter, printable(side.name),
                                 human_duration(since(side.start_wall_ns, side.end_wall_ns)),
                                 human_count(side.connections));
  if (lost > 0) text += fmt::format(", {} events lost", human_count(lost));
  return text;
}

Grid rows_of(const Comparison& c) {
  Grid grid{"Dwells", {}, {}};
  for (const Key key : c.by) grid.heads.push_back("<" + std::string(name_of(key)));
  for (const char* head : {"count A", "B", "p50 A", "B", "<p50", "p99 A", "B", "<p99"})
    grid.heads.emplace_back(head);
  for (const ComparedRow& row : c.rows) {
    std::vector<std::string> cells;
    for (const std::string& key : row.keys) cells.push_back(key.empty() ? "-" : printable(key));
    const std::string only = presence(row.count_before, row.count_after);
    cells.insert(cells.end(), {human_count(row.count_before), human_count(row.count_after)});
    for (const Shift* shift : {&row.p50, &row.p99}) {
      cells.insert(cells.end(),
                   {duration_or_dash(shift->before.ns), duration_or_dash(shift->after.ns)});
      cells.push_back(only.empty() ? shift_text(*shift) : only);
    }
    grid.rows.push_back(std::move(cells));
  }
  return grid;
}

Grid counts_of(std::string title, std::string head, const std::vector<ComparedCount>& counts) {
  Grid grid{std::move(title), {"<" + std::move(head), "count A", "B", "<"}, {}};
  for (const ComparedCount& count : counts)
    grid.rows.push_back({count.what.empty() ? "-" : printable(count.what),
                         human_count(count.before), human_count(count.after),
                         presence(count.before, count.after)});
  return grid;
}

std::vector<Grid> grids_of(const Comparison& c) {
  std::vector<Grid> grids;
  for (Grid& grid : std::vector<Grid>{rows_of(c), counts_of("Ends", "end", c.ends),
                                      counts_of("New paths", "path", c.new_paths),
                                      counts_of("Gone paths", "path", c.gone_paths)})
    if (!grid.rows.empty()) grids.push_back(std::move(grid));
  return grids;
}

constexpr std::string_view kHow =
    "A difference is one between 95 % intervals of the quantile (order statistics, which ask for "
    "no shape of the distribution).";

void add_quantile(JsonText& json, const char* name, const Quantile& quantile) {
  json.name(name)
      .begin_object()
      .field("ns", quantile.ns)
      .field("low_ns", quantile.low)
      .field("high_ns", quantile.high)
      .end_object();
}

void add_shift(JsonText& json, const char* name, const Shift& shift) {
  json.name(name).begin_object();
  add_quantile(json, "a", shift.before);
  add_quantile(json, "b", shift.after);
  json.field("verdict", text_of(shift.verdict)).end_object();
}

void add_side(JsonText& json, const char* name, const ComparedSide& side) {
  json.name(name)
      .begin_object()
      .field("name", side.name)
      .field("start", rfc3339(side.start_wall_ns));
  json.field("end", rfc3339(side.end_wall_ns)).field("connections", side.connections).end_object();
}

void add_counts(JsonText& json, const char* name, const char* what,
                const std::vector<ComparedCount>& counts) {
  json.name(name).begin_list();
  for (const ComparedCount& c : counts)
    json.begin_object()
        .field(what, c.what)
        .field("count_a", c.before)
        .field("count_b", c.after)
        .end_object();
  json.end_list();
}

}  // namespace

Status write_diff_text(Output& out, const Comparison& c, bool colour) {
  std::string text = side_text("A", c.before) + '\n' + side_text("B", c.after) + '\n';
  for (const Grid& grid : grids_of(c)) {
    text += '\n' + grid.title + '\n';
    std::vector<Column> columns;
    for (std::size_t i = 0; i < grid.heads.size(); ++i) {
      const bool left = grid.heads[i].front() == '<';
      Column column{grid.heads[i].substr(left ? 1 : 0), !left, {}};
      for (const auto& row : grid.rows) column.cells.push_back(row[i]);
      columns.push_back(std::move(column));
    }
    append_grid(text, columns, grid.rows.size(), colour);
  }
  text += '\n' + std::string(kHow) + '\n';
  return out.write(text);
}

Status write_diff_json(Output& out, const Comparison& c) {
  std::string text;
  JsonText json(text);
  json.begin_object().field("type", "diff");
  add_side(json, "a", c.before);
  add_side(json, "b", c.after);
  json.name("by").begin_list();
  for (const Key key : c.by) json.value(name_of(key));
  json.end_list().name("rows").begin_list();
  for (const ComparedRow& row : c.rows) {
    json.begin_object();
    for (std::size_t i = 0; i < c.by.size(); ++i) {
      std::string name(name_of(c.by[i]));
      std::replace(name.begin(), name.end(), '-', '_');
      json.field(name, row.keys[i]);
    }
    json.field("count_a", row.count_before).field("count_b", row.count_after);
    add_shift(json, "p50", row.p50);
    add_shift(json, "p99", row.p99);
    json.end_object();
  }
  json.end_list();
  add_counts(json, "ends", "end", c.ends);
  add_counts(json, "new_paths", "path", c.new_paths);
  add_counts(json, "gone_paths", "path", c.gone_paths);
  json.end_object();
  text += '\n';
  return out.write(text);
}

Status write_diff_html(Output& out, const Comparison& c) {
  std::string page =
      "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">"
      "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src "
      "'unsafe-inline'; img-src data:\">"
      "<meta name=\"viewport\" content=\"width=device-width,initial-scale=1\"><link rel=\"icon\" "
      "href=\"data:,\">"
      "<title>tcpdwell diff</title><style>";
  page += kPageStyle;
  page += "</style></head><body><main><h1>tcpdwell diff</h1>";
  page += fmt::format("<div class=\"meta\">{}<br>{}</div>", html_text(side_text("A", c.before)),
                      html_text(side_text("B", c.after)));
  for (const Grid& grid : grids_of(c)) {
    page += fmt::format("<section class=\"card\"><h2>{}</h2><table><thead><tr>", grid.title);
    const auto kind = [&](std::size_t i) {
      return grid.heads[i].front() == '<' ? " class=\"left\"" : "";
    };
    for (std::size_t i = 0; i < grid.heads.size(); ++i)
      page += fmt::format("<th{}>{}</th>", kind(i),
                          html_text(grid.heads[i].substr(grid.heads[i].front() == '<')));
    page += "</tr></thead><tbody>";
    for (const auto& row : grid.rows) {
      page += "<tr>";
      for (std::size_t i = 0; i < row.size(); ++i)
        page += fmt::format("<td{}>{}</td>", kind(i), html_text(row[i]));
      page += "</tr>";
    }
    page += "</tbody></table></section>";
  }
  page += fmt::format("<p class=\"note\">{}</p></main></body></html>\n", kHow);
  return out.write(page);
}

}  // namespace tcpdwell
