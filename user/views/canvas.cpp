// SPDX-License-Identifier: BSD-2-Clause
#include "views/canvas.h"

#include <algorithm>
#include <array>

#include "model/colour.h"
#include "util/escape.h"

namespace tcpdwell {
namespace {

constexpr std::array<std::string_view, 9> kBlocks = {" ", "▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"};
constexpr std::array<std::string_view, 9> kMarks = {" ", ".", ".", ":", "-", "=", "+", "*", "#"};

std::size_t level_of(std::uint64_t value, std::uint64_t most) {
  if (value == 0) return 0;
  // Whatever there is shows.
  return std::max<std::size_t>(
      1,
      static_cast<std::size_t>(8.0 * static_cast<double>(value) / static_cast<double>(most) + 0.5));
}

}  // namespace

Style style_of(State state) {
  using enum Style;
  constexpr std::array<Style, kMeaningCount> kStyles = {Dim,     Healthy,   Opening,
                                                        Closing, Lingering, Stuck};
  return entry_of(kStyles, meaning_of(state));
}

Line& Line::add(std::string text, Style style) {
  if (text.empty()) return *this;
  width_ += display_width(text);
  spans_.push_back({std::move(text), style});
  return *this;
}

Line& Line::pad(std::size_t column, Style style) {
  return column > width_ ? add(std::string(column - width_, ' '), style) : *this;
}

std::string Line::text() const {
  std::string all;
  for (const Span& span : spans_) all += span.text;
  return all;
}

Line Line::styled(Style style) const {
  Line line;
  for (const Span& span : spans_) line.add(span.text, style);
  return line;
}

std::string shown(std::string_view text, const Look& look) {
  return spelled(printable(text), look);
}

std::string spelled(std::string_view safe, const Look& look) {
  if (look.utf8) return std::string(safe);
  std::string ascii;
  for (; !safe.empty(); safe.remove_prefix(std::max(1U, first_utf8_char(safe).bytes)))
    ascii += static_cast<unsigned char>(safe.front()) < 0x80 ? safe.front() : '?';
  return ascii;
}

std::string cut(std::string_view text, std::size_t width, const Look& look) {
  if (display_width(text) <= width) return std::string(text);
  return width == 0 ? "" : std::string(cut(text, width - 1)) + (look.utf8 ? "…" : "~");
}

std::string sparkline(const std::vector<std::uint64_t>& values, std::size_t width,
                      const Look& look) {
  if (values.empty() || width == 0) return {};
  const std::uint64_t most =
      std::max<std::uint64_t>(1, *std::max_element(values.begin(), values.end()));
  const std::size_t each = (values.size() + width - 1) / width;
  std::string line;
  // The newest is whole: what does not divide is at the old end.
  std::size_t from = 0, to = values.size() % each == 0 ? each : values.size() % each;
  for (; from < values.size(); from = to, to += each) {
    const auto begin = values.begin();
    const std::uint64_t value = *std::max_element(begin + static_cast<std::ptrdiff_t>(from),
                                                  begin + static_cast<std::ptrdiff_t>(to));
    line += (look.utf8 ? kBlocks : kMarks)[level_of(value, most)];
  }
  return line;
}

}  // namespace tcpdwell
