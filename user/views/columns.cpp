// SPDX-License-Identifier: BSD-2-Clause
#include "views/columns.h"

#include <fmt/format.h>

#include <algorithm>

#include "util/duration.h"

namespace tcpdwell {

Cell count_cell(std::uint64_t count, Style style) {
  return {human_count(count), count == 0 ? Style::Dim : style};
}

Cell rate_cell(const std::optional<double>& rate) {
  if (!rate) return {std::string(kAbsent), Style::Dim};
  const bool small = *rate > 0 && *rate < 9.95;
  return {
      small ? fmt::format("{:.1f}", *rate) : human_count(static_cast<std::uint64_t>(*rate + 0.5)),
      *rate > 0 ? Style::Plain : Style::Dim};
}

Layout lay_out(const std::vector<Column>& columns, const std::vector<std::vector<Cell>>& rows,
               std::size_t width) {
  std::vector<std::size_t> widest;
  // Room for the arrow beside every head, so that sorting moves nothing.
  for (const Column& column : columns) widest.push_back(column.head.size() + 1);
  for (const auto& cells : rows)
    for (std::size_t i = 0; i < cells.size(); ++i)
      widest[i] = std::max(widest[i], display_width(cells[i].text));
  return lay_out(columns, widest, width);
}

Line row_line(const std::vector<Column>& columns, const Layout& layout,
              const std::vector<Cell>& cells, const Look& look) {
  Line line;
  const auto text_of = [&](std::size_t column, std::size_t width) {
    return cut(cells[column].text, width, look);
  };
  place_row(columns, layout, text_of,
            [&](std::size_t blanks, std::string_view text, std::size_t column) {
              line.pad(line.width() + blanks);
              if (column < cells.size()) line.add(std::string(text), cells[column].style);
            });
  return line;
}

Line head_line(const std::vector<Column>& columns, const Layout& layout, std::size_t sorted,
               bool descending, const Look& look) {
  const std::string arrow = look.utf8 ? (descending ? "▾" : "▴") : (descending ? "v" : "^");
  std::vector<Cell> heads;
  for (std::size_t i = 0; i < columns.size(); ++i)
    heads.push_back({i != sorted        ? columns[i].head
                     : columns[i].right ? arrow + columns[i].head
                                        : columns[i].head + arrow});
  return row_line(columns, layout, heads, look).styled(Style::Heading);
}

}  // namespace tcpdwell
