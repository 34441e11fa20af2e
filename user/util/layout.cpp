// SPDX-License-Identifier: BSD-2-Clause
#include "util/layout.h"

#include <numeric>
#include <utility>

namespace tcpdwell {
namespace {

/// The first character, or a byte that is none.
std::string_view first_of(std::string_view text) {
  return text.substr(0, std::max(1U, first_utf8_char(text).bytes));
}

std::size_t least_width(const Column& column, std::size_t widest) {
  return column.least == 0 ? widest
                           : std::min(widest, std::max(column.least, column.head.size() + 1));
}

void drop_least_important(const std::vector<Column>& columns, std::vector<std::size_t>& kept) {
  kept.erase(std::min_element(kept.begin(), kept.end(), [&](std::size_t a, std::size_t b) {
    // Of two that are equal the right one goes.
    return columns[a].importance != columns[b].importance
               ? columns[a].importance < columns[b].importance
               : a > b;
  }));
}

/// A wide column that went leaves room for narrow ones that had gone before it.
template <class Fits>
void put_back(const std::vector<Column>& columns, std::vector<std::size_t>& kept, Fits fits) {
  std::vector<std::size_t> gone;
  for (std::size_t i = 0; i < columns.size(); ++i)
    if (!std::binary_search(kept.begin(), kept.end(), i)) gone.push_back(i);
  std::stable_sort(gone.begin(), gone.end(), [&](std::size_t a, std::size_t b) {
    return columns[a].importance > columns[b].importance;
  });
  for (const std::size_t column : gone) {
    const auto at = kept.insert(std::upper_bound(kept.begin(), kept.end(), column), column);
    if (!fits()) kept.erase(at);
  }
}

/// A row on its way to a terminal: no blanks before they are needed, nothing past the last column.
template <class TextOf>
void append_cells(std::string& out, const std::vector<Column>& columns, const Layout& layout,
                  TextOf text_of, const Table::Paint& paint, std::size_t most) {
  std::size_t used = 0, owed = 0;
  place_row(columns, layout, text_of,
            [&](std::size_t blanks, std::string_view text, std::size_t column) {
              owed += blanks;
              if (text.empty() || used + owed >= most) return;
              out.append(owed, ' ');
              used += owed;
              owed = 0;
              text = cut(text, most - used);
              used += display_width(text);
              const std::string_view style = paint(column);
              out += style;
              out += text;
              if (!style.empty()) out += kSgrReset;
            });
  out += '\n';
}

}  // namespace

Layout lay_out(const std::vector<Column>& columns, const std::vector<std::size_t>& widest,
               std::size_t width) {
  Layout layout;
  std::vector<std::size_t>& kept = layout.columns;
  kept.resize(columns.size());
  std::iota(kept.begin(), kept.end(), std::size_t{0});
  const auto needed = [&] {
    std::size_t sum = 0;
    for (const std::size_t i : kept) sum += least_width(columns[i], widest[i]) + kColumnGap;
    return sum - std::min(sum, kColumnGap);
  };
  while (kept.size() > 1 && needed() > width) drop_least_important(columns, kept);
  put_back(columns, kept, [&] { return needed() <= width; });
  std::size_t left = width - std::min(width, needed());
  for (const std::size_t i : kept) {
    const std::size_t least = least_width(columns[i], widest[i]);
    const std::size_t more = std::min(left, widest[i] - least);
    layout.widths.push_back(std::min(width, least + more));
    left -= more;
  }
  return layout;
}

Table::Table(const std::vector<std::string>& heads) {
  std::vector<std::size_t> widths;
  for (const std::string& head : heads) {
    const bool left = head.starts_with('<');
    columns_.push_back({head.substr(left ? 1 : 0), 0, !left});
    widths.push_back(display_width(columns_.back().head));
  }
  layout_ = lay_out(columns_, widths, kAnyWidth);
}

void Table::add(const std::vector<std::string>& cells) {
  for (std::size_t i = 0; i < cells.size(); ++i) {
    layout_.widths[i] = std::max(layout_.widths[i], display_width(cells[i]));
    text_ += cells[i];
    ends_.push_back(text_.size());
  }
}

void Table::fit(std::size_t width, const std::vector<Rank>& ranks) {
  for (std::size_t i = 0; i < columns_.size(); ++i) {
    columns_[i].importance = ranks[i].importance;
    columns_[i].least = ranks[i].least;
  }
  layout_ = lay_out(columns_, layout_.widths, width);
}

std::string_view Table::cell(std::size_t row, std::size_t column) const {
  const std::size_t at = row * columns_.size() + column, begin = at == 0 ? 0 : ends_[at - 1];
  return std::string_view(text_).substr(begin, ends_[at] - begin);
}

void Table::append_heads(std::string& out, bool colour, std::size_t columns) const {
  append_cells(
      out, columns_, layout_,
      [&](std::size_t column, std::size_t width) { return cut(columns_[column].head, width); },
      [colour](std::size_t) { return colour ? kSgrBold : std::string_view(); }, columns);
}

void Table::append_row(std::string& out, std::size_t row, const Paint& paint,
                       std::size_t columns) const {
  append_cells(
      out, columns_, layout_,
      [&](std::size_t column, std::size_t width) { return cut(cell(row, column), width); }, paint,
      columns);
}

void Table::append(std::string& out, bool colour, std::size_t most) const {
  append_heads(out, colour);
  for (std::size_t row = 0; row < std::min(rows(), most); ++row)
    append_row(out, row, [&](std::size_t column) {
      return colour && cell(row, column) == kAbsent ? kSgrDim : std::string_view();
    });
}

void append_padded(std::string& out, std::string_view text, std::size_t width, bool right) {
  const std::size_t blanks = width - std::min(width, display_width(text));
  if (right) out.append(blanks, ' ');
  out += text;
  if (!right) out.append(blanks, ' ');
}

std::string_view cut(std::string_view text, std::size_t width) {
  if (display_width(text) <= width) return text;
  std::size_t kept = 0, columns = 0;
  while (true) {
    const std::string_view next = first_of(text.substr(kept));
    columns += display_width(next);
    if (columns > width) return text.substr(0, kept);
    kept += next.size();
  }
}

std::vector<std::string> wrapped(std::string_view text, std::size_t width, LongWords longer,
                                 std::size_t first) {
  std::vector<std::string> lines;
  std::string line, word;
  const auto end_word = [&] {
    const std::size_t room = lines.empty() ? first : width;
    if (!line.empty() && display_width(line) + 1 + display_width(word) > room) {
      lines.push_back(line);
      line.clear();
    }
    if (!line.empty() && !word.empty()) line += ' ';
    line += word;
    word.clear();
  };
  for (; !text.empty(); text.remove_prefix(first_of(text).size())) {
    const std::string_view next = first_of(text);
    if (next == " " || next == "\n") {
      end_word();
      continue;
    }
    if (longer == LongWords::Broken && display_width(word) + display_width(next) > width)
      end_word();
    word += next;
  }
  end_word();
  if (!line.empty()) lines.push_back(line);
  return lines;
}

void append_paragraph(std::string& out, std::string_view text, std::size_t used, std::size_t indent,
                      std::size_t columns) {
  const auto room = [columns](std::size_t begin) { return columns - std::min(columns, begin); };
  bool first = true;
  for (const std::string& line : wrapped(text, room(indent), LongWords::Whole, room(used))) {
    if (!std::exchange(first, false)) out.append(1, '\n').append(indent, ' ');
    out += line;
  }
  out += '\n';
}

}  // namespace tcpdwell
