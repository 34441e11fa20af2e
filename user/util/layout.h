// SPDX-License-Identifier: BSD-2-Clause
/// Text in columns and on lines: how wide each column is, where the blanks go, where a line breaks.
/// Widths are a terminal's (display_width()).
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "util/utf8.h"

namespace tcpdwell {

/// SGR sequences.
inline constexpr std::string_view kSgrReset = "\x1b[0m";
inline constexpr std::string_view kSgrBold = "\x1b[1m";
inline constexpr std::string_view kSgrDim = "\x1b[2m";

/// What stands in a cell for an unknown value.
inline constexpr std::string_view kAbsent = "-";

struct Column {
  std::string head;
  int importance =
      0;  ///< where there is no room for all, the least goes first; the most important stays
  bool right = true;
  std::size_t least = 0;  ///< may be cut down to this; 0: not at all
};

/// The columns that fit, in order, and how wide each is.
struct Layout {
  std::vector<std::size_t> columns;
  std::vector<std::size_t> widths;
};

inline constexpr std::size_t kAnyWidth = SIZE_MAX;
inline constexpr std::size_t kColumnGap = 2;

/// `widest` is what each column would take.
Layout lay_out(const std::vector<Column>& columns, const std::vector<std::size_t>& widest,
               std::size_t width);

/// The cells of a row from left to right, two blanks between columns: `put(blanks, text, column)`
/// writes so many blanks and then the text. `text_of(column, width)` is the cell, no wider than
/// that.
template <class TextOf, class Put>
void place_row(const std::vector<Column>& columns, const Layout& layout, TextOf text_of, Put put) {
  std::size_t blanks = 0;
  for (std::size_t i = 0; i < layout.columns.size(); ++i) {
    const std::size_t column = layout.columns[i], width = layout.widths[i];
    const auto text = text_of(column, width);
    const std::size_t rest = width - std::min(width, display_width(text));
    const bool right = columns[column].right;
    if (i > 0) blanks += kColumnGap;
    put(blanks + (right ? rest : 0), text, column);
    blanks = right ? 0 : rest;
  }
  put(blanks, {}, columns.size());
}

/// Heads and rows of text.
class Table {
 public:
  /// A head that begins with '<' is flush left, the others are right.
  explicit Table(const std::vector<std::string>& heads);
  /// As many cells as there are heads.
  void add(const std::vector<std::string>& cells);
  /// Of what has been added, the columns that fit in `width`: those of least `importance` go first,
  /// of as many as there are heads. `least` of a column: see Column.
  struct Rank {
    int importance = 0;
    std::size_t least = 0;
  };
  void fit(std::size_t width, const std::vector<Rank>& ranks);
  std::size_t rows() const { return ends_.size() / columns_.size(); }
  const std::vector<Column>& columns() const { return columns_; }
  std::string_view cell(std::size_t row, std::size_t column) const;

  /// A line without blanks at its end, cut on the right to `columns` of the terminal.
  void append_heads(std::string& out, bool colour, std::size_t columns = kAnyWidth) const;
  /// `paint(column)` is the SGR sequence that a cell begins with, or "".
  using Paint = std::function<std::string_view(std::size_t column)>;
  void append_row(std::string& out, std::size_t row, const Paint& paint,
                  std::size_t columns = kAnyWidth) const;
  /// Heads and the first `most` rows; with `colour` what is absent is dim.
  void append(std::string& out, bool colour, std::size_t most = SIZE_MAX) const;

 private:
  std::vector<Column> columns_;
  Layout layout_;
  // The cells of many rows, in two pieces of memory.
  std::string text_;
  std::vector<std::size_t> ends_;
};

/// Adds `text` and, before or after it, what blanks `width` columns have beyond it.
void append_padded(std::string& out, std::string_view text, std::size_t width, bool right);

/// No more than `width` columns of `text`.
std::string_view cut(std::string_view text, std::size_t width);

enum class LongWords { Whole, Broken };
/// Words on lines of at most `width` columns, the first of `first`. A longer word is alone on its
/// line, or broken.
std::vector<std::string> wrapped(std::string_view text, std::size_t width, LongWords longer,
                                 std::size_t first);
inline std::vector<std::string> wrapped(std::string_view text, std::size_t width) {
  return wrapped(text, width, LongWords::Broken, width);
}
/// Appends `text` and a line break where a line has `used` columns already; further lines begin at
/// `indent`.
void append_paragraph(std::string& out, std::string_view text, std::size_t used, std::size_t indent,
                      std::size_t columns);

}  // namespace tcpdwell
