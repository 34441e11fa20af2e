// SPDX-License-Identifier: BSD-2-Clause
/// A terminal as a screen: paints what views have drawn, reads keys, and never waits for it.
#pragma once

#include <termios.h>

#include <cstddef>
#include <cstdio>
#include <memory>
#include <string>
#include <vector>

#include "util/result.h"
#include "views/canvas.h"
#include "views/top.h"

namespace tcpdwell {

/// Standard input and output, taken over until leave(). ncurses works out what has changed and how
/// this terminal is told; it writes that to memory, from where the terminal gets it as fast as it
/// takes it. There is one ncurses in a process: one CursesScreen at a time.
class CursesScreen {
 public:
  struct Size {
    std::size_t rows = 24, columns = 80;
  };

  /// Fault::Usage where there is no terminal, or none whose cursor can be moved.
  static Status usable();
  /// Whether the environment names a locale of UTF-8 (LC_ALL, LC_CTYPE, LANG); ncurses goes by it
  /// too. Whether the host has that locale does not matter.
  static bool has_utf8();
  static Result<std::unique_ptr<CursesScreen>> open(bool colour);
  ~CursesScreen();
  CursesScreen(const CursesScreen&) = delete;
  CursesScreen& operator=(const CursesScreen&) = delete;

  Size size() const { return size_; }
  /// The terminal may have another size now, or may have been somebody else's: all is painted anew.
  void refit();
  /// Keys that have been pressed.
  std::vector<TopKey> keys();
  /// The terminal has taken all that was painted.
  bool drained() const { return taken_ == pending_.size(); }
  /// Only when drained(), so that a slow terminal gets fewer pictures and not older ones.
  void paint(const Canvas& canvas);
  /// Gives the terminal what it takes at once.
  Status flush();
  /// As it was before; waits for a slow terminal, but not long.
  void leave();
  /// Takes it again after leave().
  void enter();

 private:
  explicit CursesScreen(bool colour) : colour_(colour) {}
  Status start();
  void start_colours();
  void set_modes();
  void put_line(int row, const Line& line);
  void collect();

  bool colour_;
  Size size_;
  termios saved_{};
  bool entered_ = false;
  int memory_ = -1;
  std::FILE *out_ = nullptr, *in_ = nullptr;
  void* screen_ = nullptr;  ///< ncurses' SCREEN
  std::string pending_;
  std::size_t taken_ = 0;
};

}  // namespace tcpdwell
