// SPDX-License-Identifier: BSD-2-Clause
#include "sinks/grid.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>

#include "model/colour.h"
#include "util/utf8.h"

namespace tcpdwell {
namespace {

void append_styled(std::string& out, std::string_view text, std::string_view style) {
  if (style.empty()) {
    out += text;
  } else {
    fmt::format_to(std::back_inserter(out), "{}{}{}", style, text, kSgrReset);
  }
}

/// Pads `cell` to `width` columns of the terminal.
void append_cell(std::string& out, std::string_view cell, std::size_t width, bool right,
                 std::string_view style) {
  const std::size_t padding = width - std::min(width, display_width(cell));
  if (right) out.append(padding, ' ');
  append_styled(out, cell, style);
  if (!right) out.append(padding, ' ');
}

}  // namespace

void append_grid(std::string& out, const std::vector<Column>& columns, std::size_t rows,
                 bool colour) {
  std::vector<std::size_t> widths;
  for (const Column& column : columns) {
    std::size_t width = column.head.size();
    for (const std::string& cell : column.cells) width = std::max(width, display_width(cell));
    widths.push_back(width);
  }
  const auto append_line = [&](auto cell_of, auto style_of) {
    for (std::size_t i = 0; i < columns.size(); ++i) {
      const std::string& cell = cell_of(columns[i]);
      if (i > 0) out += "  ";
      append_cell(out, cell, widths[i], columns[i].right,
                  colour ? style_of(cell) : std::string_view());
    }
    while (out.back() == ' ') out.pop_back();
    out += '\n';
  };
  append_line([](const Column& column) -> const std::string& { return column.head; },
              [](const std::string&) { return kSgrBold; });
  for (std::size_t row = 0; row < rows; ++row) {
    append_line([row](const Column& column) -> const std::string& { return column.cells[row]; },
                [](const std::string& cell) {
                  return cell == kAbsent ? sgr_of(State::Unknown) : std::string_view();
                });
  }
}

}  // namespace tcpdwell
