// SPDX-License-Identifier: BSD-2-Clause
/// Columns of a table on a screen of any width: the less important ones go first where there is no
/// room for all.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "views/canvas.h"

namespace tcpdwell {

struct ScreenColumn {
  std::string head;
  int importance = 0;  ///< the least goes first; the most important stays
  bool right = true;
  std::size_t least = 0;  ///< may be cut down to this; 0: not at all
};

struct Cell {
  std::string text;
  Style style = Style::Plain;
};

/// The columns that fit, in order, and how wide each is.
struct Layout {
  std::vector<std::size_t> columns;
  std::vector<std::size_t> widths;
};

/// `widest` is what each column would take.
Layout lay_out(const std::vector<ScreenColumn>& columns, const std::vector<std::size_t>& widest,
               std::size_t width);
/// The same, from the cells of all rows.
Layout lay_out(const std::vector<ScreenColumn>& columns, const std::vector<std::vector<Cell>>& rows,
               std::size_t width);

Line row_line(const std::vector<ScreenColumn>& columns, const Layout& layout,
              const std::vector<Cell>& cells, const Look& look);
/// `sorted` has an arrow that says which way.
Line head_line(const std::vector<ScreenColumn>& columns, const Layout& layout, std::size_t sorted,
               bool descending, const Look& look);

}  // namespace tcpdwell
