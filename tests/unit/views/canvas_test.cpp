// SPDX-License-Identifier: BSD-2-Clause
#include "views/canvas.h"

#include <gtest/gtest.h>

#include "util/utf8.h"
#include "views/columns.h"

namespace tcpdwell {
namespace {

constexpr Look kUtf8{true, true}, kAscii{false, false};

TEST(Canvas, CutsAtAColumnAndNeverInsideACharacter) {
  EXPECT_EQ(cut("abcdef", 6, kAscii), "abcdef");
  EXPECT_EQ(cut("abcdef", 5, kAscii), "abcd~");
  EXPECT_EQ(cut("abcdef", 1, kAscii), "~");
  EXPECT_EQ(cut("abcdef", 0, kAscii), "");
  EXPECT_EQ(cut("日本語", 5, kUtf8), "日本…");  // two columns each
  EXPECT_EQ(cut("日本語", 4, kUtf8), "日…");    // a half has no place
  EXPECT_EQ(cut("e\u0301e\u0301e\u0301", 2, kUtf8), "e\u0301…");
}

TEST(Canvas, ShowsHostileTextSafely) {
  const std::string hostile = "\x1b[31m\x1b]0;x\x07\xc2\x9b\xff\u202e\n";
  for (const Look& look : {kUtf8, kAscii}) {
    const std::string safe = shown(hostile, look);
    for (const char c : safe)
      EXPECT_TRUE(static_cast<unsigned char>(c) >= 0x20 && c != 0x7f) << safe;
    EXPECT_EQ(safe.find("\u202e"), std::string::npos);
  }
  EXPECT_EQ(shown("naïve 日", kAscii), "na?ve ?");
  EXPECT_EQ(shown("naïve 日", kUtf8), "naïve 日");
}

TEST(Canvas, ASparklineGoesFromNothingToTheMost) {
  EXPECT_EQ(sparkline({0, 1, 2, 3, 4, 5, 6, 7, 8}, 9, kUtf8), " ▁▂▃▄▅▆▇█");
  EXPECT_EQ(sparkline({0, 4, 8}, 3, kAscii), " -#");
  EXPECT_EQ(sparkline({0, 0}, 2, kUtf8), "  ");
  EXPECT_EQ(sparkline({1, 1'000'000}, 2, kUtf8), "▁█") << "whatever there is shows";
  EXPECT_EQ(sparkline({}, 5, kUtf8), "");
  EXPECT_EQ(sparkline({1}, 0, kUtf8), "");
}

TEST(Canvas, ANarrowSparklineShowsTheLargestOfEachFew) {
  EXPECT_EQ(sparkline({8, 0, 0, 0, 0, 4}, 3, kUtf8), "█ ▄");
  EXPECT_EQ(sparkline({8, 0, 0, 0, 4}, 3, kUtf8), "█ ▄") << "what does not divide is the oldest";
  std::vector<std::uint64_t> minute(60, 3);
  for (std::size_t width = 1; width < 80; ++width)
    EXPECT_LE(display_width(sparkline(minute, width, kUtf8)), width);
}

const std::vector<Column> kColumns = {
    {"NAME", 9, false, 6}, {"A", 5, true, 0}, {"B", 3, true, 0}, {"C", 4, true, 0}};
const std::vector<std::vector<Cell>> kRows = {{{"a long name"}, {"1"}, {"22"}, {"333"}},
                                              {{"b"}, {"4"}, {"5"}, {"6"}}};

TEST(Columns, AllAreThereWhereThereIsRoom) {
  const Layout layout = lay_out(kColumns, kRows, 80);
  EXPECT_EQ(head_line(kColumns, layout, 1, true, kAscii).text(), "NAME         vA   B    C");
  EXPECT_EQ(row_line(kColumns, layout, kRows[0], kAscii).text(), "a long name   1  22  333");
  EXPECT_EQ(row_line(kColumns, layout, kRows[1], kAscii).text(), "b             4   5    6");
}

TEST(Columns, TheLeastImportantGoFirst) {
  const auto shown_at = [](std::size_t width) {
    const Layout layout = lay_out(kColumns, kRows, width);
    const Line line = row_line(kColumns, layout, kRows[0], kAscii);
    EXPECT_LE(line.width(), width);
    return line.text();
  };
  EXPECT_EQ(shown_at(20), "a long~   1  22  333") << "a name is cut before a column goes";
  EXPECT_EQ(shown_at(18), "a long n~   1  333");
  EXPECT_EQ(shown_at(12), "a long ~   1");
  EXPECT_EQ(shown_at(8), "a long ~");
  EXPECT_EQ(shown_at(3), "a ~");
}

TEST(Columns, WhatAWideOneLeavesRoomForComesBack) {
  const std::vector<Column> columns = {{"A", 9}, {"WIDE", 5}, {"B", 3}, {"C", 1}};
  EXPECT_EQ(lay_out(columns, {1, 20, 2, 2}, 9).columns, (std::vector<std::size_t>{0, 2, 3}));
  EXPECT_EQ(lay_out(columns, {1, 20, 2, 2}, 6).columns, (std::vector<std::size_t>{0, 2}));
}

}  // namespace
}  // namespace tcpdwell
