// SPDX-License-Identifier: BSD-2-Clause
#include "views/canvas.h"

#include <algorithm>
#include <array>

#include "util/escape.h"
#include "util/utf8.h"

namespace tcpdwell {
namespace {

constexpr std::array<std::string_view, 9> kBlocks = {" ", "▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"};
constexpr std::array<std::string_view, 9> kMarks = {" ", ".", ".", ":", "-", "=", "+", "*", "#"};

/// The first character, or what is no UTF-8, as one.
std::string_view first_of(std::string_view text) {
  return text.substr(0, std::max(1U, first_utf8_char(text).bytes));
}

std::size_t level_of(std::uint64_t value, std::uint64_t most) {
  if (value == 0) return 0;
  // Whatever there is shows.
  return std::max<std::size_t>(
      1,
      static_cast<std::size_t>(8.0 * static_cast<double>(value) / static_cast<double>(most) + 0.5));
}

}  // namespace

Style style_of(State state) {
  switch (state) {
    case State::Established:
      return Style::Healthy;
    case State::Listen:
    case State::SynSent:
    case State::SynRecv:
      return Style::Opening;
    case State::FinWait1:
    case State::FinWait2:
    case State::Closing:
    case State::LastAck:
      return Style::Closing;
    case State::TimeWait:
      return Style::Lingering;
    case State::CloseWait:
      return Style::Stuck;
    case State::Close:
    case State::Unknown:
      break;
  }
  return Style::Dim;
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
  for (std::string_view rest = safe; !rest.empty(); rest.remove_prefix(first_of(rest).size()))
    ascii += static_cast<unsigned char>(rest.front()) < 0x80 ? rest.front() : '?';
  return ascii;
}

std::string cut(std::string_view text, std::size_t width, const Look& look) {
  if (display_width(text) <= width) return std::string(text);
  if (width == 0) return {};
  std::string kept;
  std::size_t columns = 0;
  for (std::string_view rest = text; !rest.empty();) {
    const std::string_view next = first_of(rest);
    const std::size_t takes = display_width(next);
    if (columns + takes > width - 1) break;
    columns += takes;
    kept += next;
    rest.remove_prefix(next.size());
  }
  return kept + (look.utf8 ? "…" : "~");
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

std::vector<std::string> wrapped(std::string_view text, std::size_t width) {
  std::vector<std::string> lines;
  std::string line, word;
  const auto end_word = [&] {
    if (!line.empty() && display_width(line) + 1 + display_width(word) > width) {
      lines.push_back(line);
      line.clear();
    }
    if (!line.empty() && !word.empty()) line += ' ';
    line += word;
    word.clear();
  };
  for (std::string_view rest = text; !rest.empty();) {
    const std::string_view next = first_of(rest);
    rest.remove_prefix(next.size());
    if (next == " " || next == "\n") {
      end_word();
      continue;
    }
    if (display_width(word) + display_width(next) > width) end_word();
    word += next;
  }
  end_word();
  if (!line.empty()) lines.push_back(line);
  return lines;
}

}  // namespace tcpdwell
