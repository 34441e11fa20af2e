// SPDX-License-Identifier: BSD-2-Clause
// Whether the terminal can be a screen. Alone in its file: term.h makes macros of some hundred
// words, so it comes last.
// clang-format off
#include "terminal/curses.h"

#include <curses.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <iterator>
#include <string>

#include "terminal/built_in.h"

#include <term.h>
// clang-format on

namespace tcpdwell {
namespace {

/// True where ncurses knows the terminal: from the host's files, else from what is built in.
/// `found` is setupterm(3)'s: 1 where it is known and no screen.
bool set_up(const std::string& term, int& found) {
  if (setupterm(term.c_str(), STDOUT_FILENO, &found) == 0) return true;
  const auto known = std::find_if(std::begin(kBuiltInTerminals), std::end(kBuiltInTerminals),
                                  [&](const auto& entry) { return entry.first == term; });
  if (found == 1 || known == std::end(kBuiltInTerminals)) return false;
  setenv("TERMINFO", known->second, 1);
  return setupterm(term.c_str(), STDOUT_FILENO, &found) == 0;
}

Error no_screen(const std::string& why) {
  return {Fault::Usage, fmt::format("top {}: try 'tcpdwell stat 1'", why)};
}

}  // namespace

Status CursesScreen::usable() {
  if (!isatty(STDIN_FILENO) || !isatty(STDOUT_FILENO))
    return no_screen("needs a terminal for input and output");
  const char* const value = std::getenv("TERM");
  const std::string term = value == nullptr ? "" : value;
  if (term.empty()) return no_screen("needs to know the terminal, and TERM is not set");
  int found = 0;
  if (!set_up(term, found)) {
    return found == 1 ? no_screen(fmt::format("needs a screen, and TERM={} is none", term))
                      : no_screen(fmt::format("knows no terminal called TERM={}", term));
  }
  char capability[] = "cup";
  const char* const moves = tigetstr(capability);
  // tigetstr(3): (char*)-1 for what is no string.
  const bool usable = moves != nullptr &&
                      moves != reinterpret_cast<char*>(-1);  // NOLINT(performance-no-int-to-ptr)
  del_curterm(cur_term);
  if (!usable)
    return no_screen(
        fmt::format("needs a terminal whose cursor can be moved; TERM={} is not one", term));
  return Ok;
}

}  // namespace tcpdwell
