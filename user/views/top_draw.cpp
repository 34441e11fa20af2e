// SPDX-License-Identifier: BSD-2-Clause
// The main page of `top`.
#include <fmt/format.h>

#include <algorithm>

#include "util/duration.h"
#include "util/utf8.h"
#include "views/top.h"

namespace tcpdwell {
namespace {

// From this many rows on, all states have a line; below kBriefRows they share one.
constexpr std::size_t kAllStatesRows = 20, kBriefRows = 12;
constexpr std::size_t kTablesRows =
    8;  ///< from here on the tables have their names, and keys a line
constexpr std::size_t kStateColumnSpark = 6;

const std::vector<Column> kStateColumns = {
    {"STATE", 100, false, 0},       {"NOW", 95, true, 0},  {"IN/s", 90, true, 0},
    {"OLDEST", 70, true, 0},        {"P50", 65, true, 0},  {"P99", 80, true, 0},
    {"LAST MINUTE", 75, false, 12}, {"LEFT", 35, true, 0}, {"MAX", 40, true, 0},
    {"NOT EXACT", 20, true, 0}};

Cell duration_cell(const std::optional<std::uint64_t>& ns) {
  return ns ? Cell{human_duration(*ns)} : Cell{"-", Style::Dim};
}

std::vector<Cell> state_cells(const StateFigures& figures, const Dwell& oldest) {
  const bool any = figures.now.value_or(1) != 0;
  return {{std::string(name_of(figures.state)), style_of(figures.state)},
          {figures.now ? human_count(*figures.now) : "?", any ? Style::Bold : Style::Dim},
          rate_cell(figures.entries_per_s),
          oldest.bound == Bound::Unknown ? Cell{"-", Style::Dim} : Cell{dwell_text(oldest)},
          duration_cell(figures.dwells.percentile(50)),
          duration_cell(figures.dwells.percentile(99)),
          {"", style_of(figures.state)},
          count_cell(figures.dwells.count() + figures.at_least + figures.unknown),
          duration_cell(figures.dwells.max()),
          count_cell(figures.at_least + figures.unknown)};
}

/// Pieces of a line, left to right, the least important of which go where there is no room.
struct Piece {
  int importance;
  std::string text;
  Style style = Style::Plain;
};

Line joined(std::vector<Piece> pieces, std::size_t columns, std::size_t gap, const Look& look) {
  const auto width = [&] {
    std::size_t sum = 0;
    for (const Piece& piece : pieces) sum += display_width(piece.text) + gap;
    return sum - std::min(sum, gap);
  };
  while (pieces.size() > 1 && width() > columns)
    pieces.erase(std::min_element(pieces.begin(), pieces.end(), [](const Piece& a, const Piece& b) {
      return a.importance < b.importance;
    }));
  Line line;
  for (const Piece& piece : pieces) {
    if (line.width() != 0) line.pad(line.width() + gap);
    line.add(cut(piece.text, columns, look), piece.style);
  }
  return line;
}

}  // namespace

std::string Top::losses() const {
  std::string places;
  std::uint64_t sum = 0;
  for (std::size_t place = 0; place < kLossPlaceCount; ++place) {
    const std::uint64_t count = history_.lost()[place];
    sum += count;
    if (count != 0)
      places +=
          fmt::format("{}{}", places.empty() ? "" : ", ", name_of(static_cast<LossPlace>(place)));
  }
  return sum == 0 ? "" : fmt::format("lost {} ({})", human_count(sum), places);
}

Line Top::status_line(std::size_t columns) const {
  const std::string lost = losses();
  std::vector<Piece> pieces = {{40, "tcpdwell", Style::Bold}};
  if (paused_) pieces.push_back({99, "PAUSED", Style::Chosen});
  pieces.push_back(
      {100, lost.empty() ? "lost 0" : lost, lost.empty() ? Style::Plain : Style::Alarm});
  pieces.push_back({90, fmt::format("{} open", human_count(data_.open))});
  pieces.push_back({85, fmt::format("{} transitions/s", rate_cell(transitions_per_s_).text)});
  if (self_.not_followed != 0)
    pieces.push_back(
        {95, fmt::format("{} not followed", human_count(self_.not_followed)), Style::Alarm});
  pieces.push_back(
      {70, cpu_share_ ? fmt::format("cpu {:.1f}%", 100 * *cpu_share_) : std::string("cpu -")});
  pieces.push_back({60, "up " + human_duration(self_.uptime_ns / 1'000'000'000 * 1'000'000'000)});
  pieces.push_back({30, "every " + human_duration(options_.interval_ns)});
  if (!options_.host.empty()) pieces.push_back({20, shown(options_.host, options_.look)});
  return joined(std::move(pieces), columns, 2, options_.look);
}

/// All in one line, the most populous first.
Line Top::brief_states(std::size_t columns) const {
  std::vector<const StateFigures*> some;
  for (const StateFigures& figures : figures_)
    if (figures.now.value_or(0) != 0) some.push_back(&figures);
  std::stable_sort(some.begin(), some.end(),
                   [](const auto* a, const auto* b) { return *a->now > *b->now; });
  std::vector<Piece> pieces;
  int importance = 100;
  for (const StateFigures* figures : some)
    pieces.push_back({--importance,
                      fmt::format("{} {}", name_of(figures->state), human_count(*figures->now)),
                      style_of(figures->state)});
  if (pieces.empty()) pieces.push_back({0, "no sockets", Style::Dim});
  return joined(std::move(pieces), columns, 2, options_.look);
}

/// A head and a line for each state; where there is no room for all, for those that have anything.
std::vector<Line> Top::state_lines(std::size_t most, std::size_t columns) const {
  std::vector<const StateFigures*> some;
  const auto idle = [](const StateFigures& figures) {
    return figures.now.value_or(1) == 0 &&
           figures.dwells.count() + figures.at_least + figures.unknown == 0;
  };
  const std::size_t all = static_cast<std::size_t>(std::count_if(
      figures_.begin(), figures_.end(), [](const auto& f) { return f.state != State::Unknown; }));
  for (const StateFigures& figures : figures_) {
    if (options_.states != 0 && (options_.states & bit(figures.state)) == 0) continue;
    const bool needed = !idle(figures) || (figures.state != State::Unknown && most >= all);
    if (needed && some.size() < most) some.push_back(&figures);
  }
  std::vector<std::vector<Cell>> rows;
  // Numbers of any size leave the columns where they are.
  std::vector<std::size_t> widest = {11, 7, 7, 7, 6, 6, 60, 7, 6, 9};
  for (const StateFigures* figures : some) {
    rows.push_back(state_cells(*figures, data_.oldest[static_cast<std::size_t>(figures->state)]));
    for (std::size_t i = 0; i < widest.size(); ++i)
      widest[i] = std::max(widest[i], display_width(rows.back()[i].text));
  }
  const Layout layout = lay_out(kStateColumns, widest, columns);
  const auto spark = std::find(layout.columns.begin(), layout.columns.end(), kStateColumnSpark);
  std::vector<Line> lines = {
      head_line(kStateColumns, layout, kStateColumns.size(), false, options_.look)};
  for (std::size_t i = 0; i < rows.size(); ++i) {
    if (spark != layout.columns.end())
      rows[i][kStateColumnSpark].text = sparkline(
          some[i]->minute, layout.widths[static_cast<std::size_t>(spark - layout.columns.begin())],
          options_.look);
    lines.push_back(row_line(kStateColumns, layout, rows[i], options_.look));
  }
  return lines;
}

std::string Top::title(TopTable table) const {
  static constexpr std::string_view kTitles[] = {"Owners",     "Peers",    "Ports",
                                                 "Containers", "Findings", "Connections"};
  if (table != TopTable::Chosen) return std::string(kTitles[static_cast<std::size_t>(table)]);
  std::string keys;
  for (const Key key : options_.by) keys += (keys.empty() ? "" : ",") + std::string(name_of(key));
  return "By " + keys;
}

Line Top::tabs_line(std::size_t columns) const {
  Line line, brief;
  for (std::size_t i = 0; i < tables(); ++i) {
    const auto one = static_cast<TopTable>(i);
    std::string name = fmt::format("{} {}", i + 1, title(one));
    const bool found = one == TopTable::Findings && !data_.findings.empty();
    if (found) name += fmt::format("({})", data_.findings.size());
    const Style style = one == shown_ ? Style::Chosen : found ? Style::Alarm : Style::Plain;
    if (i != 0) line.add(" "), brief.add(" ");
    line.add(name, style);
    brief.add(one == shown_ ? name : std::to_string(i + 1) + (found ? "!" : ""), style);
  }
  std::vector<Piece> rest;
  if (scope_) rest.push_back({90, "of " + scope_->name, Style::Bold});
  if (!table().filter.empty() && !typing_)
    rest.push_back({95, "matching " + shown(table().filter, options_.look), Style::Bold});
  const std::uint64_t all = shown_ == TopTable::Connections ? data_.matching : order_.size();
  if (all > order_.size())
    rest.push_back({80, fmt::format("{} of {}", human_count(order_.size()), human_count(all))});
  if (all <= order_.size() && all != 0) rest.push_back({50, human_count(all)});
  if (is_groups() && data_.left_out != 0)
    rest.push_back({70, fmt::format("{} in no row", human_count(data_.left_out)), Style::Alarm});
  if (line.width() > columns) line = brief;
  if (line.width() > columns)
    return Line(cut(title(shown_), columns, options_.look), Style::Chosen);
  if (rest.empty() || line.width() + 3 >= columns) return line;
  const Line tail = joined(std::move(rest), columns - line.width() - 2, 2, options_.look);
  line.pad(line.width() + 2);
  for (const Span& span : tail.spans()) line.add(span.text, span.style);
  return line;
}

Line Top::foot_line(std::size_t columns, Canvas& canvas, std::size_t row) const {
  if (typing_) {
    const std::string label = "Filter: ";
    std::string typed = shown(table().filter, options_.look);
    const std::size_t room = columns - std::min(columns, label.size() + 1);
    // The end is what one is typing; a character that would stand half in is left out.
    while (display_width(typed) > room && !typed.empty()) typed.erase(0, 1);
    while (!typed.empty() && (static_cast<unsigned char>(typed.front()) & 0xC0U) == 0x80U)
      typed.erase(0, 1);
    Line line(cut(label + typed, columns, options_.look), Style::Bold);
    canvas.cursor = {row, std::min(line.width(), columns == 0 ? 0 : columns - 1)};
    return line;
  }
  if (!message_.empty())
    return Line(cut(shown(message_, options_.look), columns, options_.look), Style::Alarm);
  std::vector<Piece> keys = {{60, "Tab table", Style::Dim},   {50, "< > sort", Style::Dim},
                             {40, "r reverse", Style::Dim},   {55, "/ filter", Style::Dim},
                             {45, "Space pause", Style::Dim}, {58, "Enter open", Style::Dim},
                             {90, "? help", Style::Dim},      {80, "q quit", Style::Dim}};
  if (scope_) keys.push_back({95, "Esc back", Style::Bold});
  return joined(std::move(keys), columns, 3, options_.look);
}

std::vector<Line> Top::table_lines(std::size_t rows, std::size_t columns) {
  if (rows == 0) return {};
  body_rows_ = std::max<std::size_t>(1, rows - 1);
  TableState& state = table();
  if (state.chosen < state.first) state.first = state.chosen;
  if (state.chosen >= state.first + body_rows_) state.first = state.chosen - body_rows_ + 1;
  if (state.first + body_rows_ > order_.size())
    state.first = order_.size() - std::min(order_.size(), body_rows_);
  const std::size_t end = std::min(order_.size(), state.first + body_rows_);
  std::vector<std::vector<Cell>> cells;
  for (std::size_t place = state.first; place < end; ++place) cells.push_back(cells_of_row(place));
  std::vector<Column> heads = this->columns();
  if (is_groups()) {
    heads[0].head = title(shown_);
    if (shown_ != TopTable::Chosen) heads[0].head.pop_back();
    for (char& c : heads[0].head) c = static_cast<char>(c >= 'a' && c <= 'z' ? c - 'a' + 'A' : c);
  }
  const Layout layout = lay_out(heads, cells, columns);
  std::vector<Line> lines = {
      head_line(heads, layout, state.sorted, descending(state.sorted), options_.look)};
  lines.back().pad(columns, Style::Heading);
  for (std::size_t i = 0; i < cells.size(); ++i) {
    Line line = row_line(heads, layout, cells[i], options_.look);
    if (state.first + i == state.chosen) line = line.pad(columns).styled(Style::Chosen);
    lines.push_back(std::move(line));
  }
  if (cells.empty() && rows > 1) {
    const bool filtered = !state.filter.empty();
    lines.emplace_back(cut(filtered                       ? "nothing matches"
                           : shown_ == TopTable::Findings ? "nothing to report so far"
                                                          : "nothing yet",
                           columns, options_.look),
                       Style::Dim);
  }
  return lines;
}

Canvas Top::draw(std::size_t rows, std::size_t columns) {
  Canvas canvas;
  if (rows == 0 || columns == 0) return canvas;
  if (page_ != Page::Tables) {
    draw_page(canvas, rows, columns);
  } else {
    const bool names = rows >= kTablesRows;
    canvas.lines.push_back(status_line(columns));
    if (rows >= kBriefRows) {
      const std::size_t room = rows >= kAllStatesRows ? figures_.size() : rows - 9;
      const auto states = state_lines(room, columns);
      canvas.lines.insert(canvas.lines.end(), states.begin(), states.end());
    } else {
      canvas.lines.push_back(brief_states(columns));
    }
    if (names) canvas.lines.push_back(tabs_line(columns));
    const std::size_t foot = names || typing_ ? 1 : 0;
    const std::size_t left = rows - std::min(rows, canvas.lines.size() + foot);
    const auto table = table_lines(left, columns);
    canvas.lines.insert(canvas.lines.end(), table.begin(), table.end());
    if (foot != 0 && rows > 1) {
      canvas.lines.resize(rows - 1);
      Line line = foot_line(columns, canvas, rows - 1);
      canvas.lines.push_back(std::move(line));
    }
  }
  canvas.lines.resize(rows);
  return canvas;
}

}  // namespace tcpdwell
