// SPDX-License-Identifier: BSD-2-Clause
#include "views/explain.h"

#include <algorithm>
#include <cctype>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "model/colour.h"
#include "util/layout.h"
#include "views/explain_texts.h"

namespace tcpdwell {
namespace {

constexpr std::size_t kIndent = 2, kAdviceIndent = 6;
constexpr std::size_t kStateColumn = 13;  // the longest name and two blanks

Explanation explanation_of(State state) {
  constexpr std::array<Explanation (*)(), kStateCount> kAll = {
      // as State is numbered
      explain_unknown,    explain_established, explain_syn_sent,  explain_syn_recv,
      explain_fin_wait1,  explain_fin_wait2,   explain_time_wait, explain_close,
      explain_close_wait, explain_last_ack,    explain_listen,    explain_closing};
  return entry_of(kAll, state)();
}

bool part_of_word(char c) { return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_'; }

/// The state whose name is exactly this word, in capitals.
std::optional<State> state_named(std::string_view word) {
  const auto state = parse_state(word);
  return state && name_of(*state) == word ? state : std::nullopt;
}

/// Gathers the page. Colour is added last, so that it never counts as width.
class Page {
 public:
  explicit Page(const ExplainOptions& options)
      : colour_(options.colour),
        columns_(static_cast<std::size_t>(std::clamp(options.columns, 40, 100))) {}

  void line(std::string_view text) {
    append_coloured(text);
    text_ += '\n';
  }

  void heading(std::string_view text) {
    text_ += '\n';
    if (colour_) text_ += kSgrBold;
    text_ += text;
    if (colour_) text_ += kSgrReset;
    text_ += '\n';
  }

  /// Wrapped; `lead` stands in front of the first line and is at most `indent` wide.
  void paragraph(std::string_view text, std::size_t indent, std::string_view lead = {}) {
    std::string rows(lead);
    rows.resize(indent, ' ');
    append_paragraph(rows, text, indent, indent, columns_);
    append_coloured(rows);
  }

  void section(std::string_view title, std::string_view text) {
    heading(title);
    paragraph(text, kIndent);
  }

  const std::string& text() const { return text_; }

 private:
  void append_coloured(std::string_view text) {
    if (!colour_) {
      text_ += text;
      return;
    }
    while (!text.empty()) {
      const bool word = part_of_word(text.front());
      const auto end = std::find_if(text.begin(), text.end(),
                                    [word](char c) { return part_of_word(c) != word; });
      const std::string_view piece = text.substr(0, static_cast<std::size_t>(end - text.begin()));
      const std::optional<State> state = word ? state_named(piece) : std::nullopt;
      if (state) text_ += sgr_of(*state);
      text_ += piece;
      if (state) text_ += kSgrReset;
      text.remove_prefix(piece.size());
    }
  }

  bool colour_;
  std::size_t columns_;
  std::string text_;
};

void add_picture(Page& page, std::string_view picture) {
  picture.remove_prefix(1);  // the line break after R"(
  while (!picture.empty()) {
    const std::size_t end = picture.find('\n');
    page.line(picture.substr(0, end));
    picture.remove_prefix(end + 1);
  }
}

void add_ways(Page& page, std::string_view title, const std::vector<Way>& ways) {
  page.heading(title);
  for (const Way& way : ways) {
    const std::string_view other = way.other ? name_of(*way.other) : "(any other)";
    const std::string lead = std::string(kIndent, ' ') + std::string(other);
    page.paragraph(way.event, kIndent + kStateColumn, lead);
  }
}

void add_state(Page& page, State state) {
  const Explanation e = explanation_of(state);
  page.paragraph(e.summary, name_of(state).size() + 2, std::string(name_of(state)) + ':');
  page.section("What it means", e.meaning);
  page.section("Who waits for whom", e.waiting);
  add_ways(page, "Comes from", e.in);
  add_ways(page, "Goes to", e.out);
  page.section("In the kernel", e.kernel);
  page.section("What a long stay says", e.long_stay);
  page.heading("What to do");
  for (const Advice& advice : e.advice) {
    page.paragraph(advice.what, kIndent);
    page.paragraph(advice.why, kAdviceIndent);
  }
  page.section("What tcpdwell measures", e.measured);
}

void add_overview(Page& page) {
  page.line("The states of a TCP connection (RFC 9293), with Linux's names:");
  add_picture(page, kStateDiagram);
  page.line("");
  page.paragraph(
      "<X: X arrives. >X: X is sent. listen(), connect(), send(), close(): called by the "
      "local application; shutdown() for writing counts as close(). Not drawn: a reset, "
      "a timeout or an abort leads from any state to CLOSE.",
      1);
  page.paragraph("In the RFC only: Linux does not let a listener connect.", 5, " (a)");
  page.paragraph("Only the connection goes back; its listener never left LISTEN.", 5, " (b)");
  page.heading("The twelve names");
  for (const State state : kLifeOrder) {
    const std::string lead = std::string(kIndent, ' ') + std::string(name_of(state));
    page.paragraph(explanation_of(state).summary, kIndent + kStateColumn, lead);
  }
  page.heading("One side closes first: left, and it pays with TIME_WAIT");
  add_picture(page, kOneSideCloses);
  page.heading("Both close at once: the FINs cross");
  add_picture(page, kBothSidesClose);
  page.line("");
  page.line("More about one of them: tcpdwell explain STATE, as in tcpdwell explain time-wait");
}

}  // namespace

std::string explanation(std::optional<State> state, const ExplainOptions& options) {
  Page page(options);
  if (state) {
    add_state(page, *state);
  } else {
    add_overview(page);
  }
  return page.text();
}

}  // namespace tcpdwell
