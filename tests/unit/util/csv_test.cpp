// SPDX-License-Identifier: BSD-2-Clause
#include "util/csv.h"

#include <gtest/gtest.h>

#include <cstdint>

namespace tcpdwell {
namespace {

TEST(CsvText, PutsCommasBetweenCellsAndNoneElsewhere) {
  std::string text;
  CsvText csv(text);
  csv.cells("a", std::string("b")).cell(std::string_view("c")).end_row();
  csv.row(UINT64_MAX, std::int64_t{-1}, true, std::optional<int>(), std::optional(0));
  EXPECT_EQ(text, "a,b,c\n18446744073709551615,-1,true,,0\n");
}

TEST(CsvText, EscapesWhatNamesHold) {
  std::string text;
  CsvText(text).row("=1", "a,b", "x\"y", "", std::optional(std::string("-")));
  EXPECT_EQ(text, "'=1,\"a,b\",\"x\"\"y\",,'-\n");
}

}  // namespace
}  // namespace tcpdwell
