// SPDX-License-Identifier: BSD-2-Clause
#include "views/columns.h"

#include <algorithm>
#include <numeric>

#include "util/utf8.h"

namespace tcpdwell {
namespace {

constexpr std::size_t kGap = 2;

std::size_t least_width(const ScreenColumn& column, std::size_t widest) {
  return column.least == 0 ? widest
                           : std::min(widest, std::max(column.least, column.head.size() + 1));
}

void drop_least_important(const std::vector<ScreenColumn>& columns,
                          std::vector<std::size_t>& kept) {
  kept.erase(std::min_element(kept.begin(), kept.end(), [&](std::size_t a, std::size_t b) {
    // Of two that are equal the right one goes.
    return columns[a].importance != columns[b].importance
               ? columns[a].importance < columns[b].importance
               : a > b;
  }));
}

void add_cell(Line& line, const Cell& cell, std::size_t width, bool right, const Look& look) {
  const std::string text = cut(cell.text, width, look);
  const std::size_t begin = line.width(), blanks = width - std::min(width, display_width(text));
  if (right) line.pad(begin + blanks);
  line.add(text, cell.style);
  line.pad(begin + width);
}

}  // namespace

Layout lay_out(const std::vector<ScreenColumn>& columns, const std::vector<std::size_t>& widest,
               std::size_t width) {
  Layout layout;
  std::vector<std::size_t>& kept = layout.columns;
  kept.resize(columns.size());
  std::iota(kept.begin(), kept.end(), std::size_t{0});
  const auto needed = [&] {
    std::size_t sum = 0;
    for (const std::size_t i : kept) sum += least_width(columns[i], widest[i]) + kGap;
    return sum - std::min(sum, kGap);
  };
  while (kept.size() > 1 && needed() > width) drop_least_important(columns, kept);
  std::size_t left = width - std::min(width, needed());
  for (const std::size_t i : kept) {
    const std::size_t least = least_width(columns[i], widest[i]);
    const std::size_t more = std::min(left, widest[i] - least);
    layout.widths.push_back(std::min(width, least + more));
    left -= more;
  }
  return layout;
}

Layout lay_out(const std::vector<ScreenColumn>& columns, const std::vector<std::vector<Cell>>& rows,
               std::size_t width) {
  std::vector<std::size_t> widest;
  // Room for the arrow beside every head, so that sorting moves nothing.
  for (const ScreenColumn& column : columns) widest.push_back(column.head.size() + 1);
  for (const auto& cells : rows)
    for (std::size_t i = 0; i < cells.size(); ++i)
      widest[i] = std::max(widest[i], display_width(cells[i].text));
  return lay_out(columns, widest, width);
}

Line row_line(const std::vector<ScreenColumn>& columns, const Layout& layout,
              const std::vector<Cell>& cells, const Look& look) {
  Line line;
  for (std::size_t i = 0; i < layout.columns.size(); ++i) {
    if (i != 0) line.pad(line.width() + kGap);
    const std::size_t column = layout.columns[i];
    add_cell(line, cells[column], layout.widths[i], columns[column].right, look);
  }
  return line;
}

Line head_line(const std::vector<ScreenColumn>& columns, const Layout& layout, std::size_t sorted,
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
