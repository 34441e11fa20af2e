// SPDX-License-Identifier: BSD-2-Clause
/// The command line as data: the manual page is made from what `--help` prints, the completions
/// from that and from what options offer (Offer).
#pragma once

#include <string>
#include <vector>

namespace tcpdwell {

struct OptionOutline {
  std::vector<std::string> names;  ///< "-p", "--pid"; of a positional one: "FILE"
  std::string value;               ///< "LIST", "DURATION"; empty: takes none
  std::string text, group;
  std::vector<std::string> choices;  ///< words that a value may be; empty where they are no list
  bool files = false;                ///< a value is the name of a file
  bool positional = false;
};

struct CommandOutline {
  std::string name;  ///< empty: the program itself
  std::string summary, usage, footer;
  std::vector<OptionOutline> options;  ///< in help's order
  bool program = false;                ///< words after `--` are a program
};

/// The program first, then its commands in help's order.
std::vector<CommandOutline> outline();

}  // namespace tcpdwell
