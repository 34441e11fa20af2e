// SPDX-License-Identifier: BSD-2-Clause
#include "views/explain.h"

#include <gtest/gtest.h>

#include <array>
#include <cstddef>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "model/colour.h"
#include "views/explain_texts.h"

namespace tcpdwell {
namespace {

std::string explain(std::optional<State> state, int columns = 80, bool colour = false) {
  return explanation(state, {.colour = colour, .columns = columns});
}

std::vector<std::string> lines_of(std::string_view text) {
  std::vector<std::string> lines(1);
  for (const char c : text) {
    if (c == '\n') {
      lines.emplace_back();
    } else {
      lines.back() += c;
    }
  }
  lines.pop_back();
  return lines;
}

/// Characters of valid UTF-8; every one used here is one column wide.
std::vector<std::string> glyphs_of(std::string_view line) {
  std::vector<std::string> glyphs;
  for (const char c : line) {
    if ((c & 0xC0) == 0x80) {
      glyphs.back() += c;
    } else {
      glyphs.emplace_back(1, c);
    }
  }
  return glyphs;
}

void expect_no_wider(std::string_view text, std::size_t columns) {
  for (const std::string& line : lines_of(text)) EXPECT_LE(glyphs_of(line).size(), columns) << line;
}

std::string without_colour(std::string_view text) {
  std::string plain;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\x1b') {
      i = text.find('m', i);
    } else {
      plain += text[i];
    }
  }
  return plain;
}

TEST(Explain, EveryStateHasEverySection) {
  constexpr std::array<std::string_view, 8> kTitles = {
      "What it means", "Who waits for whom",    "Comes from", "Goes to",
      "In the kernel", "What a long stay says", "What to do", "What tcpdwell measures"};
  for (const State state : kLifeOrder) {
    const std::string page = explain(state);
    EXPECT_EQ(page.find(std::string(name_of(state)) + ": "), 0U);
    std::size_t at = 0;
    for (const std::string_view title : kTitles) {
      const std::size_t next = page.find('\n' + std::string(title) + "\n  ", at);
      ASSERT_NE(next, std::string::npos) << title << " in " << page;
      at = next;
    }
  }
}

TEST(Explain, NoTwoStatesShareAText) {
  std::map<std::string, State> pages;
  for (const State state : kLifeOrder) EXPECT_TRUE(pages.emplace(explain(state), state).second);
}

TEST(Explain, FitsTheTerminal) {
  expect_no_wider(explain(std::nullopt), 80);
  for (const State state : kLifeOrder) {
    expect_no_wider(explain(state, 80), 80);
    expect_no_wider(explain(state, 100), 100);
    expect_no_wider(explain(state, 0), 70);  // advice keeps its line; the rest wraps at 40
  }
}

TEST(Explain, WideTerminalsMakeFewerLines) {
  const std::string narrow = explain(State::TimeWait, 60), wide = explain(State::TimeWait, 100);
  EXPECT_GT(lines_of(narrow).size(), lines_of(wide).size());
  EXPECT_EQ(explain(State::TimeWait, 100), explain(State::TimeWait, 500));
}

TEST(Explain, WrappingLosesNoWord) {
  const std::string page = explain(State::CloseWait, 50);
  std::string joined;
  bool blank = false;
  for (const char c : page) {
    const bool space = c == ' ' || c == '\n';
    if (!space) (blank ? joined += ' ' : joined) += c;
    blank = space;
  }
  const Explanation e = explain_close_wait();
  for (const std::string_view text : {e.summary, e.meaning, e.waiting, e.kernel, e.long_stay}) {
    EXPECT_NE(joined.find(text), std::string::npos) << text;
  }
}

TEST(Explain, NoLineEndsInBlanks) {
  for (const State state : kLifeOrder) {
    for (const std::string& line : lines_of(explain(state))) {
      EXPECT_TRUE(line.empty() || line.back() != ' ') << line;
    }
  }
  for (const std::string& line : lines_of(explain(std::nullopt))) {
    EXPECT_TRUE(line.empty() || line.back() != ' ') << line;
  }
}

TEST(Explain, OverviewHasAllStatesAndTheHint) {
  const std::string page = explain(std::nullopt);
  for (const State state : kLifeOrder) {
    EXPECT_NE(page.find("\n  " + std::string(name_of(state)) + "  "), std::string::npos);
    if (state == State::Unknown) continue;
    EXPECT_NE(kStateDiagram.find(name_of(state)), std::string_view::npos) << name_of(state);
  }
  EXPECT_NE(page.find("tcpdwell explain STATE"), std::string::npos);
  EXPECT_NE(page.find(kOneSideCloses), std::string::npos);
  EXPECT_NE(page.find(kBothSidesClose), std::string::npos);
  EXPECT_NE(kBothSidesClose.find("CLOSING"), std::string_view::npos);
}

TEST(Explain, SummariesAreOneLineInTheOverview) {
  const std::vector<std::string> lines = lines_of(explain(std::nullopt));
  std::size_t named = 0;
  while (lines.at(named) != "The twelve names") ++named;
  for (std::size_t i = 0; i < kStateCount; ++i) {
    EXPECT_EQ(lines.at(named + 1 + i).find("  " + std::string(name_of(kLifeOrder[i]))), 0U);
  }
}

TEST(Explain, ColourOnlyWhenAskedAndOnlyAround) {
  for (const std::optional<State> state : {std::optional<State>(), std::optional(State::LastAck)}) {
    const std::string plain = explain(state), coloured = explain(state, 80, true);
    EXPECT_EQ(plain.find('\x1b'), std::string::npos);
    EXPECT_EQ(without_colour(coloured), plain);
    const std::string close_wait = std::string(sgr_of(State::CloseWait)) + "CLOSE_WAIT\x1b[0m";
    EXPECT_NE(coloured.find(close_wait), std::string::npos);
  }
}

TEST(Explain, WaysAgreeInBothDirections) {
  using Maker = Explanation (*)();
  const std::map<State, Maker> pages = {{State::Close, explain_close},
                                        {State::Listen, explain_listen},
                                        {State::SynSent, explain_syn_sent},
                                        {State::SynRecv, explain_syn_recv},
                                        {State::Established, explain_established},
                                        {State::FinWait1, explain_fin_wait1},
                                        {State::FinWait2, explain_fin_wait2},
                                        {State::Closing, explain_closing},
                                        {State::TimeWait, explain_time_wait},
                                        {State::CloseWait, explain_close_wait},
                                        {State::LastAck, explain_last_ack}};
  const auto leads = [](const std::vector<Way>& ways, State state) {
    for (const Way& way : ways) {
      if (way.other == state) return true;
    }
    return false;
  };
  for (const auto& [from, page] : pages) {
    for (const Way& way : page().out) {
      if (!way.other || *way.other == State::Close) continue;  // CLOSE gathers the rest
      EXPECT_TRUE(leads(pages.at(*way.other)().in, from)) << name_of(from) << ' ' << way.event;
    }
    for (const Way& way : page().in) {
      if (!way.other) continue;
      EXPECT_TRUE(leads(pages.at(*way.other)().out, from)) << name_of(from) << ' ' << way.event;
    }
  }
}

enum Arm : unsigned { kUp = 1, kDown = 2, kLeft = 4, kRight = 8 };

/// Which ways a line runs out of a glyph; arrow heads are checked by their one tail.
unsigned arms_of(const std::string& glyph) {
  static const std::map<std::string, unsigned> kArms = {{"─", kLeft | kRight},
                                                        {"┄", kLeft | kRight},
                                                        {"│", kUp | kDown},
                                                        {"┌", kDown | kRight},
                                                        {"┐", kDown | kLeft},
                                                        {"└", kUp | kRight},
                                                        {"┘", kUp | kLeft},
                                                        {"├", kUp | kDown | kRight},
                                                        {"┤", kUp | kDown | kLeft},
                                                        {"┬", kDown | kLeft | kRight},
                                                        {"┴", kUp | kLeft | kRight},
                                                        {"┼", 15},
                                                        {"▶", kLeft},
                                                        {"◀", kRight},
                                                        {"▲", kDown},
                                                        {"▼", kUp}};
  const auto found = kArms.find(glyph);
  return found == kArms.end() ? 0 : found->second;
}

bool joins(const std::string& glyph, unsigned arm) {
  const bool head = glyph == "▶" || glyph == "◀" || glyph == "▲" || glyph == "▼";
  return head || (arms_of(glyph) & arm) != 0;
}

/// Every arm of every line meets one: nothing is shifted by a column. The life of a connection
/// begins and ends somewhere on its `time_line`.
void expect_connected(std::string_view picture, bool time_line) {
  std::vector<std::vector<std::string>> grid;
  const std::vector<std::string> lines = lines_of(picture);
  for (const std::string& line : lines) grid.push_back(glyphs_of(line));
  const auto at = [&grid](std::size_t row, std::size_t column) -> std::string {
    return row < grid.size() && column < grid[row].size() ? grid[row][column] : " ";
  };
  for (std::size_t row = 0; row < grid.size(); ++row) {
    for (std::size_t column = 0; column < grid[row].size(); ++column) {
      const std::string& glyph = grid[row][column];
      const unsigned arms = arms_of(glyph);
      const bool may_end = time_line && (glyph == "│" || glyph == "├" || glyph == "┤");
      const std::string where = lines[row] + " column " + std::to_string(column);
      if (arms & kRight) {
        const bool label = at(row, column + 1) == " ";  // a word interrupts the line
        EXPECT_TRUE(label || joins(at(row, column + 1), kLeft)) << where;
      }
      if ((arms & kDown) && !may_end) {
        EXPECT_TRUE(joins(at(row + 1, column), kUp)) << where;
      }
      if ((arms & kUp) && !may_end) {
        EXPECT_TRUE(joins(at(row - 1, column), kDown)) << where;
      }
    }
  }
}

TEST(Explain, PicturesAreConnectedAndNarrow) {
  for (const std::string_view picture : {kStateDiagram, kOneSideCloses, kBothSidesClose}) {
    expect_no_wider(picture, 79);
    expect_connected(picture, picture != kStateDiagram);
  }
}

TEST(Explain, KnowsWhichSettingGovernsWhat) {
  const auto says = [](State state, std::string_view words) {
    return explain(state, 100).find(words) != std::string::npos;
  };
  EXPECT_TRUE(says(State::TimeWait, "TCP_TIMEWAIT_LEN"));
  EXPECT_TRUE(says(State::TimeWait, "not net.ipv4.tcp_fin_timeout"));
  EXPECT_TRUE(says(State::TimeWait, "tcp_tw_reuse"));
  EXPECT_TRUE(says(State::TimeWait, "tcp_max_tw_buckets"));
  EXPECT_TRUE(says(State::FinWait2, "net.ipv4.tcp_fin_timeout"));
  EXPECT_TRUE(says(State::SynSent, "tcp_syn_retries"));
  EXPECT_TRUE(says(State::SynRecv, "tcp_synack_retries"));
  EXPECT_TRUE(says(State::SynRecv, "tcp_max_syn_backlog"));
  EXPECT_TRUE(says(State::SynRecv, "request socket"));
  EXPECT_TRUE(says(State::CloseWait, "does not call close()"));
  EXPECT_TRUE(says(State::Established, "tcp_keepalive_time"));
  for (const State state : {State::FinWait1, State::LastAck, State::Closing}) {
    EXPECT_TRUE(says(state, "tcp_orphan_retries"));
  }
}

}  // namespace
}  // namespace tcpdwell
