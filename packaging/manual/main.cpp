// SPDX-License-Identifier: BSD-2-Clause
/// tcpdwell_manual man|bash|zsh|fish: `man` reads docs/man/tcpdwell.1.in from standard input.
#include <iostream>
#include <string_view>

#include "manual.h"

int main(int argc, char** argv) {
  using namespace tcpdwell;
  const std::string_view what = argc == 2 ? argv[1] : "";
  const auto commands = outline();
  if (what == "man")
    write_man(std::cout, std::cin, commands);
  else if (what == "bash")
    write_bash(std::cout, commands);
  else if (what == "zsh")
    write_zsh(std::cout, commands);
  else if (what == "fish")
    write_fish(std::cout, commands);
  else
    return std::cerr << "usage: tcpdwell_manual man|bash|zsh|fish\n", 2;
  return std::cout.flush() ? 0 : 1;
}
