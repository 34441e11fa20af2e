// SPDX-License-Identifier: BSD-2-Clause
/// Text with attributes, to be painted on a terminal: what full-screen views draw on. Nothing here
/// knows a terminal.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "model/state.h"
#include "util/layout.h"

namespace tcpdwell {

enum class Style : std::uint8_t {
  Plain,
  Bold,
  Dim,
  Heading,  ///< of a table
  Chosen,   ///< what keys act on
  Alarm,    ///< something went missing
  Healthy,  ///< the states, as model/colour.h colours them
  Opening,
  Closing,
  Lingering,
  Stuck,
};
Style style_of(State state);

/// What the terminal can show.
struct Look {
  bool utf8 = false;
  bool colour = false;  ///< without it, what colour alone would tell is told by letters
};

struct Span {
  std::string text;
  Style style = Style::Plain;
};

/// One line of a screen.
class Line {
 public:
  Line() = default;
  Line(std::string text, Style style = Style::Plain) { add(std::move(text), style); }
  Line& add(std::string text, Style style = Style::Plain);
  /// Blanks up to this column.
  Line& pad(std::size_t column, Style style = Style::Plain);
  std::size_t width() const { return width_; }
  const std::vector<Span>& spans() const { return spans_; }
  std::string text() const;
  /// All of it in one style.
  Line styled(Style style) const;

 private:
  std::vector<Span> spans_;
  std::size_t width_ = 0;  ///< columns of the terminal
};

struct Canvas {
  std::vector<Line> lines;
  /// Where the cursor stands while somebody types; none: hidden.
  std::optional<std::pair<std::size_t, std::size_t>> cursor;  ///< row, column
};

/// `text` from outside as it can be shown: nothing in it acts on a terminal (util/escape.h), and
/// where there is no UTF-8 a `?` stands for what is not ASCII.
std::string shown(std::string_view text, const Look& look);
/// The same for text that is safe already.
std::string spelled(std::string_view safe, const Look& look);

/// cut() of util/layout.h; what is missing is told by a last `…` or `~`.
std::string cut(std::string_view text, std::size_t width, const Look& look);

/// One column per `values`, 0 the lowest, the largest the highest. Of more values than `width` the
/// largest of each few is shown.
std::string sparkline(const std::vector<std::uint64_t>& values, std::size_t width,
                      const Look& look);

}  // namespace tcpdwell
