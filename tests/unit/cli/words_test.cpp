// SPDX-License-Identifier: BSD-2-Clause
/// What the command line's words are taken for.
#include <gtest/gtest.h>

#include <algorithm>
#include <limits>
#include <string>
#include <vector>

#include "cli/command_outline.h"
#include "cli/help.h"
#include "run/options.h"

namespace tcpdwell {
namespace {

using Words = std::vector<std::string>;

TEST(Words, WholeNumbers) {
  const auto up_to_ten = whole_number_up_to(10);
  for (const char* text : {"1", "10", "007"}) EXPECT_EQ(up_to_ten(text), "") << text;
  for (const char* text :
       {"", "0", "11", "-1", "+1", " 1", "1 ", "1.0", "1e1", "0x1", "99999999999999999999"})
    EXPECT_EQ(up_to_ten(text),
              "'" + std::string(text) + "' is no whole number of 1 or more, at most 10");
  const auto any = whole_number_up_to(std::numeric_limits<std::uint64_t>::max());
  EXPECT_EQ(any("18446744073709551615"), "");
  EXPECT_EQ(any("18446744073709551616"), "'18446744073709551616' is no whole number of 1 or more");
}

TEST(Words, WhatACompletionOffersForAState) {
  std::size_t options = 0;
  for (const CommandOutline& command : outline()) {
    for (const OptionOutline& option : command.options) {
      if (std::find(option.names.begin(), option.names.end(), "--state") == option.names.end())
        continue;
      ++options;
      EXPECT_EQ(option.choices.size(), kStateCount - 1U) << command.name;
    }
  }
  EXPECT_GT(options, 4U);
}

/// The completions offer what help names: the parser must know each of them.
TEST(Words, EveryFormatThatHelpNamesIsOne) {
  std::size_t formats = 0;
  for (const CommandOutline& command : outline()) {
    for (const OptionOutline& option : command.options) {
      if (std::find(option.names.begin(), option.names.end(), "--format") == option.names.end())
        continue;
      EXPECT_GE(option.choices.size(), 1U) << command.name;
      for (const std::string& word : option.choices) {
        RawOptions raw;
        raw.format = word;
        EXPECT_TRUE(parse_format(raw).ok() || parse_report_format(raw).ok())
            << command.name << " " << word;
        ++formats;
      }
    }
  }
  EXPECT_GT(formats, 10U);
}

}  // namespace
}  // namespace tcpdwell
