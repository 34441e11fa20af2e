// SPDX-License-Identifier: BSD-2-Clause
/// The command line as data: the manual page and the completions are made from what `--help`
/// prints.
#pragma once

#include <string>
#include <vector>

namespace tcpdwell {

struct OptionOutline {
  std::vector<std::string> names;  ///< "-p", "--pid"; of a positional one: "FILE"
  std::string value;               ///< "LIST", "DURATION"; empty: takes none
  std::string text, group;
  bool positional = false;

  /// The words its text offers as values ("text, json or csv"); empty where they are no list.
  std::vector<std::string> choices() const;
};

struct CommandOutline {
  std::string name;  ///< empty: the program itself
  std::string summary, usage, footer;
  std::vector<OptionOutline> options;  ///< in help's order
};

/// The program first, then its commands in help's order.
std::vector<CommandOutline> outline();

}  // namespace tcpdwell
