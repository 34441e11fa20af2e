// SPDX-License-Identifier: BSD-2-Clause
/// A table on a screen of any width: cells with a style, and heads that say what is sorted.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "views/canvas.h"

namespace tcpdwell {

struct Cell {
  std::string text;
  Style style = Style::Plain;
};

/// Nothing is dim, so that the eye finds what there is.
Cell count_cell(std::uint64_t count, Style style = Style::Plain);
/// Of something in a second; absent where it is not known.
Cell rate_cell(const std::optional<double>& rate);

/// From the cells of all rows.
Layout lay_out(const std::vector<Column>& columns, const std::vector<std::vector<Cell>>& rows,
               std::size_t width);

Line row_line(const std::vector<Column>& columns, const Layout& layout,
              const std::vector<Cell>& cells, const Look& look);
/// `sorted` has an arrow that says which way.
Line head_line(const std::vector<Column>& columns, const Layout& layout, std::size_t sorted,
               bool descending, const Look& look);

}  // namespace tcpdwell
