// SPDX-License-Identifier: BSD-2-Clause
#include "util/line_text.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <limits>
#include <string>

namespace tcpdwell {
namespace {

std::string text_of(const LineText& line) {
  std::string text = "before ";
  line.append_to(text);
  return text;
}

TEST(LineText, WordsOfEverySize) {
  const std::string letters = "abcdefghijklmnopqrst";
  LineText line;
  std::string expected = "before ";
  for (std::size_t size = 0; size <= letters.size(); ++size) {
    line.append_word(std::string_view(letters).substr(0, size));
    line += '|';
    expected += letters.substr(0, size) + '|';
  }
  EXPECT_EQ(text_of(line), expected);
}

TEST(LineText, Numbers) {
  LineText line;
  for (const std::uint64_t number : {std::uint64_t{0}, std::uint64_t{9}, std::uint64_t{10},
                                     std::numeric_limits<std::uint64_t>::max()}) {
    line.append_number(number);
    line += ',';
  }
  line.append_number(std::numeric_limits<std::int64_t>::min());
  line.append_number(std::uint16_t{65535});
  EXPECT_EQ(text_of(line), "before 0,9,10,18446744073709551615,-922337203685477580865535");
}

TEST(LineText, IsAsLongAsItHasToBe) {
  LineText line;
  std::string expected = "before ";
  for (int i = 0; i < 1000; ++i) {
    line.append("1234567");
    line.append_word("abc");
    line.append_number(i);
    expected += "1234567abc" + std::to_string(i);
  }
  const std::string large(5000, 'x');
  line.append(large);
  line += 'y';
  EXPECT_EQ(text_of(line), expected + large + 'y');
}

}  // namespace
}  // namespace tcpdwell
