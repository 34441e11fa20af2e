// SPDX-License-Identifier: BSD-2-Clause
#include "util/layout.h"

#include <gtest/gtest.h>

namespace tcpdwell {
namespace {

Table sample() {
  Table table({"<name", "count", "<"});
  table.add({"日本", "1", ""});
  table.add({"a", "-", "note"});
  return table;
}

std::string lines_of(const Table& table, bool colour, std::size_t columns) {
  std::string text;
  table.append_heads(text, colour, columns);
  for (std::size_t row = 0; row < table.rows(); ++row)
    table.append_row(
        text, row, [&](std::size_t column) { return colour && column == 0 ? kSgrBold : ""; },
        columns);
  return text;
}

TEST(Table, ColumnsAreAlignedAsATerminalCountsThem) {
  std::string text;
  sample().append(text, false);
  EXPECT_EQ(text, "name  count\n日本      1\na         -  note\n");
}

TEST(Table, ColourIsNoWidth) {
  std::string text;
  sample().append(text, true);
  EXPECT_EQ(
      text,
      "\x1b[1mname\x1b[0m  \x1b[1mcount\x1b[0m\n日本      1\na         \x1b[2m-\x1b[0m  note\n");
}

TEST(Table, ANarrowTerminalCutsOnTheRightAndNeverInsideACharacter) {
  EXPECT_EQ(lines_of(sample(), false, 13), "name  count\n日本      1\na         -\n");
  EXPECT_EQ(lines_of(sample(), false, 14), "name  count\n日本      1\na         -  n\n");
  EXPECT_EQ(lines_of(sample(), false, 3), "nam\n日\na\n");
  EXPECT_EQ(lines_of(sample(), true, 3), "\x1b[1mnam\x1b[0m\n\x1b[1m日\x1b[0m\n\x1b[1ma\x1b[0m\n");
}

TEST(Table, GivesItsCellsBack) {
  const Table table = sample();
  EXPECT_EQ(table.rows(), 2U);
  EXPECT_EQ(table.cell(0, 0), "日本");
  EXPECT_EQ(table.cell(0, 2), "");
  EXPECT_EQ(table.cell(1, 2), "note");
  EXPECT_EQ(table.columns()[0].head, "name");
}

TEST(Wrap, BreaksBetweenWords) {
  EXPECT_EQ(wrapped("one two three", 7), (std::vector<std::string>{"one two", "three"}));
  EXPECT_EQ(wrapped("abcdefghij", 4), (std::vector<std::string>{"abcd", "efgh", "ij"}));
  EXPECT_EQ(wrapped("a abcdefghij b", 4, LongWords::Whole, 4),
            (std::vector<std::string>{"a", "abcdefghij", "b"}));
  EXPECT_EQ(wrapped("one two three", 9, LongWords::Whole, 4),
            (std::vector<std::string>{"one", "two three"}));
  EXPECT_TRUE(wrapped("", 10).empty());
}

TEST(Paragraph, GoesOnUnderItsIndent) {
  std::string text = "    yes  ";
  append_paragraph(text, "one two three four", 9, 2, 16);
  EXPECT_EQ(text, "    yes  one two\n  three four\n");
  text = "x";
  append_paragraph(text, "", 1, 5, 80);
  EXPECT_EQ(text, "x\n");
}

}  // namespace
}  // namespace tcpdwell
