// SPDX-License-Identifier: BSD-2-Clause
/// Aligned columns of text.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace tcpdwell {

/// What stands in a cell for an unknown value.
inline constexpr std::string_view kAbsent = "-";

struct Column {
  std::string head;
  bool right = true;
  std::vector<std::string> cells;
};

/// A line of heads and one for each of `rows`; two blanks between columns, widths as on a terminal.
void append_grid(std::string& out, const std::vector<Column>& columns, std::size_t rows,
                 bool colour);

}  // namespace tcpdwell
