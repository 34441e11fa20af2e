// SPDX-License-Identifier: BSD-2-Clause
#include "sinks/diff.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstddef>
#include <string>
#include <string_view>
#include <tuple>
#include <vector>

#include "sinks/page.h"
#include "util/duration.h"
#include "util/escape.h"
#include "util/json.h"
#include "util/layout.h"
#include "util/moments.h"

namespace tcpdwell {
namespace {

/// A table of the text and of the page.
struct Titled {
  std::string title;
  Table table;
};

std::string duration_or_dash(const std::optional<std::uint64_t>& ns) {
  return ns ? human_duration(*ns) : "-";
}

/// "longer, x2.81", and what stands for no difference.
std::string shift_text(const Shift& shift, std::uint64_t fewest) {
  if (!shift.before.ns && !shift.after.ns) return "-";
  std::string text(text_of(shift.verdict));
  if (shift.verdict == Verdict::TooFew) text += fmt::format(" ({})", human_count(fewest));
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
  if (side.older > 0)
    text += fmt::format(", {} of them older than it and in no table", human_count(side.older));
  if (lost > 0) text += fmt::format(", {} events lost", human_count(lost));
  return text;
}

Titled rows_of(const Comparison& c) {
  std::vector<std::string> heads;
  for (const Key key : c.by) heads.push_back("<" + std::string(name_of(key)));
  heads.insert(heads.end(), {"count A", "B", "p50 A", "B", "<p50", "p99 A", "B", "<p99"});
  Titled dwells{"Dwells", Table(heads)};
  for (const ComparedRow& row : c.rows) {
    std::vector<std::string> cells;
    for (const std::string& key : row.keys) cells.push_back(key.empty() ? "-" : printable(key));
    const std::string only = presence(row.count_before, row.count_after);
    cells.insert(cells.end(), {human_count(row.count_before), human_count(row.count_after)});
    for (const Shift* shift : {&row.p50, &row.p99}) {
      cells.insert(cells.end(),
                   {duration_or_dash(shift->before.ns), duration_or_dash(shift->after.ns)});
      cells.push_back(only.empty() ? shift_text(*shift, row.fewest) : only);
    }
    dwells.table.add(cells);
  }
  return dwells;
}

Titled opens_of(const Comparison& c) {
  std::vector<std::string> heads;
  for (const Key key : c.opens_by) heads.push_back("<" + std::string(name_of(key)));
  const bool accepts = c.before.accepted + c.after.accepted > 0;
  const bool opens = c.before.opened + c.after.opened > 0;
  if (opens) heads.insert(heads.end(), {"opened A", "B", "rate A", "B"});
  if (accepts) heads.insert(heads.end(), {"accepted A", "B", "rate A", "B"});
  Titled made{"Connections that began", Table(heads)};
  for (const ComparedOpens& row : c.opens) {
    std::vector<std::string> cells;
    for (const std::string& key : row.keys) cells.push_back(key.empty() ? "-" : printable(key));
    for (const auto& [any, before, after] :
         {std::tuple(opens, row.opened_before, row.opened_after),
          std::tuple(accepts, row.accepted_before, row.accepted_after)})
      if (any)
        cells.insert(cells.end(), {human_count(before), human_count(after),
                                   human_rate(before, c.before.duration_ns()),
                                   human_rate(after, c.after.duration_ns())});
    made.table.add(cells);
  }
  return made;
}

/// "50.0 %" of `all`.
std::string share(std::uint64_t part, std::uint64_t all) {
  return all == 0
             ? "-"
             : fmt::format("{:.1f}%", 100.0 * static_cast<double>(part) / static_cast<double>(all));
}

Titled counts_of(std::string title, const std::string& head,
                 const std::vector<ComparedCount>& counts) {
  Titled made{std::move(title), Table({"<" + head, "count A", "B", "share A", "B", "<"})};
  std::uint64_t before = 0, after = 0;
  for (const ComparedCount& count : counts) {
    before += count.before;
    after += count.after;
  }
  for (const ComparedCount& count : counts)
    made.table.add({count.what.empty() ? "-" : printable(count.what), human_count(count.before),
                    human_count(count.after), share(count.before, before),
                    share(count.after, after), presence(count.before, count.after)});
  return made;
}

std::vector<Titled> tables_of(const Comparison& c) {
  std::vector<Titled> all = {rows_of(c), counts_of("Ends", "end", c.ends),
                             counts_of("New paths", "path", c.new_paths),
                             counts_of("Gone paths", "path", c.gone_paths)};
  if (!c.opens.empty()) all.insert(all.begin(), opens_of(c));
  std::erase_if(all, [](const Titled& one) { return one.table.rows() == 0; });
  return all;
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
  json.field("end", rfc3339(side.end_wall_ns)).field("connections", side.connections);
  json.field("duration_ns", side.duration_ns()).field("opened", side.opened);
  json.field("accepted", side.accepted).field("older", side.older).end_object();
}

void add_counts(JsonText& json, const char* name, const char* what,
                const std::vector<ComparedCount>& counts) {
  json.list(name, counts, [&](const ComparedCount& c) {
    json.begin_object().field(what, c.what).field("count_a", c.before).field("count_b", c.after);
    json.end_object();
  });
}

}  // namespace

Status write_diff_text(Output& out, const Comparison& c, const TableOptions& options) {
  std::string text = printable(c.headline) + "\n\n" + side_text("A", c.before) + '\n' +
                     side_text("B", c.after) + '\n';
  for (const auto& [title, table] : tables_of(c)) {
    text += '\n' + title + '\n';
    const std::size_t shown = shown_rows(table.rows(), options.limit);
    table.append(text, options.colour, shown);
    append_rows_more(text, table.rows() - shown);
  }
  text += '\n';
  append_paragraph(text, kHow, 0, 0, options.columns == 0 ? kAnyWidth : options.columns);
  return out.write(text);
}

Status write_diff_json(Output& out, const Comparison& c) {
  std::string text;
  JsonText json(text);
  json.begin_object().field("type", "diff");
  json.field("headline", c.headline);
  add_side(json, "a", c.before);
  add_side(json, "b", c.after);
  json.list("by", c.by, [&](Key key) { json.value(name_of(key)); });
  json.list("rows", c.rows, [&](const ComparedRow& row) {
    json.begin_object();
    for (std::size_t i = 0; i < c.by.size(); ++i) json.field(field_name(c.by[i]), row.keys[i]);
    json.field("count_a", row.count_before).field("count_b", row.count_after);
    add_shift(json, "p50", row.p50);
    add_shift(json, "p99", row.p99);
    json.end_object();
  });
  json.list("opens", c.opens, [&](const ComparedOpens& row) {
    json.begin_object();
    for (std::size_t i = 0; i < c.opens_by.size(); ++i)
      json.field(field_name(c.opens_by[i]), row.keys[i]);
    json.field("opened_a", row.opened_before).field("opened_b", row.opened_after);
    json.field("accepted_a", row.accepted_before).field("accepted_b", row.accepted_after);
    json.end_object();
  });
  add_counts(json, "ends", "end", c.ends);
  add_counts(json, "new_paths", "path", c.new_paths);
  add_counts(json, "gone_paths", "path", c.gone_paths);
  json.end_object();
  text += '\n';
  return out.write(text);
}

Status write_diff_html(Output& out, const Comparison& c) {
  std::string page = page_begin("tcpdwell diff", "") + "<main><h1>tcpdwell diff</h1>";
  page += fmt::format("<p><strong>{}</strong></p>", html_text(c.headline));
  page += fmt::format("<div class=\"meta\">{}<br>{}</div>", html_text(side_text("A", c.before)),
                      html_text(side_text("B", c.after)));
  for (const auto& [title, table] : tables_of(c)) {
    page += fmt::format("<section class=\"card\"><h2>{}</h2><table><thead><tr>", title);
    const auto kind = [](const Column& column) { return column.right ? "" : " class=\"left\""; };
    for (const Column& column : table.columns())
      page += fmt::format("<th{}>{}</th>", kind(column), html_text(column.head));
    page += "</tr></thead><tbody>";
    for (std::size_t row = 0; row < table.rows(); ++row) {
      page += "<tr>";
      for (std::size_t i = 0; i < table.columns().size(); ++i)
        page +=
            fmt::format("<td{}>{}</td>", kind(table.columns()[i]), html_text(table.cell(row, i)));
      page += "</tr>";
    }
    page += "</tbody></table></section>";
  }
  page += fmt::format("<p class=\"note\">{}</p></main></body></html>\n", kHow);
  return out.write(page);
}

}  // namespace tcpdwell
