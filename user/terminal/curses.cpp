// SPDX-License-Identifier: BSD-2-Clause
#include "terminal/curses.h"

#define NCURSES_WIDECHAR 1
#define NCURSES_NOMACROS 1
#include <curses.h>
#include <fmt/format.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <span>
#include <string_view>
#include <utility>

#include "terminal/characters.h"
#include "util/screen.h"
#include "util/utf8.h"

namespace tcpdwell {
namespace {

constexpr std::size_t kMostRows = 1000, kMostColumns = 1000;
constexpr std::size_t kMostKeys = 256;  ///< read at once, of what may have been pasted
constexpr int kEscapeDelayMs = 25;      ///< after it, Escape is a key and not the begin of one
constexpr std::chrono::milliseconds kLeaveWithin(2000);  ///< given to a slow terminal at the end

constexpr short kNoColour = -1;
/// The pairs: those of model/colour.h.
enum Pair : short { kRed = 1, kGreen, kYellow, kMagenta, kCyan };

attr_t attributes_of(Style style, bool colour) {
  const auto paired = [colour](Pair pair) {
    return colour ? static_cast<attr_t>(COLOR_PAIR(pair)) : attr_t{0};
  };
  switch (style) {
    case Style::Plain:
      break;
    case Style::Bold:
      return A_BOLD;
    case Style::Dim:
      return A_DIM;
    case Style::Heading:
      return A_BOLD | A_UNDERLINE;
    case Style::Chosen:
      return A_REVERSE;
    case Style::Alarm:
      return colour ? paired(kRed) | A_BOLD : attr_t{A_BOLD | A_REVERSE};
    case Style::Healthy:
      return paired(kGreen);
    case Style::Opening:
      return paired(kCyan);
    case Style::Closing:
      return paired(kMagenta);
    case Style::Lingering:
      return paired(kYellow);
    case Style::Stuck:
      return colour ? paired(kRed) : attr_t{A_BOLD};
  }
  return A_NORMAL;
}

std::wstring wide(std::string_view text) {
  std::wstring all;
  while (!text.empty()) {
    const Utf8Char next = first_utf8_char(text);
    all += next.bytes == 0 ? L'?' : static_cast<wchar_t>(next.code);
    text.remove_prefix(std::max(1U, next.bytes));
  }
  return all;
}

std::string utf8_of(wint_t code) {
  std::string text;
  append_utf8(text, code);
  return text;
}

using Kind = TopKey::Kind;
const std::pair<int, TopKey> kFunctionKeys[] = {{KEY_UP, {Kind::Up, ""}},
                                                {KEY_DOWN, {Kind::Down, ""}},
                                                {KEY_LEFT, {Kind::Left, ""}},
                                                {KEY_RIGHT, {Kind::Right, ""}},
                                                {KEY_PPAGE, {Kind::PageUp, ""}},
                                                {KEY_NPAGE, {Kind::PageDown, ""}},
                                                {KEY_HOME, {Kind::Home, ""}},
                                                {KEY_END, {Kind::End, ""}},
                                                {KEY_ENTER, {Kind::Enter, ""}},
                                                {KEY_BTAB, {Kind::BackTab, ""}},
                                                {KEY_BACKSPACE, {Kind::Backspace, ""}},
                                                {KEY_F(1), {Kind::Text, "?"}},
                                                {KEY_F(10), {Kind::Text, "q"}}};
const std::pair<int, TopKey> kControlKeys[] = {
    {'\n', {Kind::Enter, ""}}, {'\r', {Kind::Enter, ""}},  {'\t', {Kind::Tab, ""}},
    {27, {Kind::Escape, ""}},  {8, {Kind::Backspace, ""}}, {127, {Kind::Backspace, ""}}};

TopKey key_of(wint_t code, bool function) {
  for (const auto& [number, key] :
       function ? std::span<const std::pair<int, TopKey>>(kFunctionKeys) : kControlKeys)
    if (number == static_cast<int>(code)) return key;
  return function || code < 32 ? TopKey{} : TopKey{Kind::Text, utf8_of(code)};
}

constexpr wint_t kControlL = 12;

/// A locale's codeset is what follows the dot of its name, up to a modifier: de_DE.UTF-8@euro.
bool is_utf8(std::string_view locale) {
  const std::string_view rest = locale.substr(std::min(locale.find('.'), locale.size()));
  const std::string_view codeset = rest.substr(0, rest.find('@'));
  return codeset == ".UTF-8" || codeset == ".utf8" || codeset == ".UTF8" || codeset == ".utf-8";
}

}  // namespace

bool CursesScreen::has_utf8() {
  bool said = false;
  for (const char* const name : {"LC_ALL", "LC_CTYPE", "LANG"}) {
    const char* const value = std::getenv(name);
    if (value == nullptr || *value == '\0') continue;
    said = is_utf8(value);
    break;
  }
  use_utf8(said);
  return said;
}

Result<std::unique_ptr<CursesScreen>> CursesScreen::open(bool colour) {
  std::unique_ptr<CursesScreen> screen(new CursesScreen(colour));
  if (Status status = screen->start(); !status) return status.error();
  return screen;
}

Status CursesScreen::start() {
  const auto failed = [](const char* what) {
    return os_error(Fault::Runtime, errno, std::string("cannot ") + what);
  };
  if (tcgetattr(STDIN_FILENO, &saved_) != 0) return failed("read the terminal's modes");
  memory_ = memfd_create("screen", MFD_CLOEXEC);
  if (memory_ < 0) return failed("make a memory file");
  const int copy = dup(memory_), keys = dup(STDIN_FILENO);
  out_ = copy < 0 ? nullptr : fdopen(copy, "w");
  in_ = keys < 0 ? nullptr : fdopen(keys, "r");
  if (out_ == nullptr || in_ == nullptr) return failed("open the terminal");
  screen_ = newterm(nullptr, out_, in_);
  if (screen_ == nullptr) return failed("start the screen");
  start_colours();
  set_escdelay(kEscapeDelayMs);
  cbreak();
  noecho();
  nonl();
  keypad(stdscr, TRUE);
  nodelay(stdscr, TRUE);
  leaveok(stdscr, FALSE);
  enter();
  return Ok;
}

void CursesScreen::start_colours() {
  colour_ = colour_ && has_colors() && start_color() == OK && use_default_colors() == OK;
  if (!colour_) return;
  init_pair(kRed, COLOR_RED, kNoColour);
  init_pair(kGreen, COLOR_GREEN, kNoColour);
  init_pair(kYellow, COLOR_YELLOW, kNoColour);
  init_pair(kMagenta, COLOR_MAGENTA, kNoColour);
  init_pair(kCyan, COLOR_CYAN, kNoColour);
}

CursesScreen::~CursesScreen() {
  leave();
  if (screen_ != nullptr) delscreen(static_cast<SCREEN*>(screen_));
  if (out_ != nullptr) std::fclose(out_);
  if (in_ != nullptr) std::fclose(in_);
  if (memory_ >= 0) close(memory_);
}

/// Keys one by one and not shown; Ctrl-C and Ctrl-Z stay signals. ncurses would set the modes of
/// what it writes to, which is no terminal.
void CursesScreen::set_modes() {
  termios modes = saved_;
  modes.c_lflag &= ~static_cast<tcflag_t>(ICANON | ECHO);
  modes.c_oflag &= ~static_cast<tcflag_t>(OPOST);
  modes.c_cc[VMIN] = 1;
  modes.c_cc[VTIME] = 0;
  tcsetattr(STDIN_FILENO, TCSANOW, &modes);
}

void CursesScreen::enter() {
  entered_ = true;
  set_modes();
  refit();
}

void CursesScreen::refit() {
  if (!entered_) return;
  winsize window{};
  if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &window) != 0 || window.ws_row == 0 || window.ws_col == 0)
    window = {24, 80, 0, 0};
  size_ = {std::min<std::size_t>(window.ws_row, kMostRows),
           std::min<std::size_t>(window.ws_col, kMostColumns)};
  resizeterm(static_cast<int>(size_.rows), static_cast<int>(size_.columns));
  clearok(curscr, TRUE);
}

std::vector<TopKey> CursesScreen::keys() {
  std::vector<TopKey> pressed;
  for (std::size_t i = 0; i < kMostKeys; ++i) {
    wint_t code = 0;
    const int what = get_wch(&code);
    if (what == ERR) break;
    if (what != KEY_CODE_YES && code == kControlL) clearok(curscr, TRUE);
    pressed.push_back(key_of(code, what == KEY_CODE_YES));
  }
  collect();
  return pressed;
}

void CursesScreen::paint(const Canvas& canvas) {
  if (!entered_) return;
  werase(stdscr);
  for (std::size_t row = 0; row < std::min(canvas.lines.size(), size_.rows); ++row)
    put_line(static_cast<int>(row), canvas.lines[row]);
  curs_set(canvas.cursor ? 1 : 0);
  if (canvas.cursor)
    wmove(stdscr, static_cast<int>(canvas.cursor->first), static_cast<int>(canvas.cursor->second));
  wrefresh(stdscr);
  collect();
}

/// Every span begins in its column, however wide the C library takes what is left of it.
void CursesScreen::put_line(int row, const Line& line) {
  std::size_t column = 0;
  for (const Span& span : line.spans()) {
    Line alone(span.text);
    const std::wstring text = wide(span.text);
    wattrset(stdscr, static_cast<int>(attributes_of(span.style, colour_)));
    mvwaddnwstr(stdscr, row, static_cast<int>(column), text.data(), static_cast<int>(text.size()));
    column += alone.width();
  }
  wattrset(stdscr, A_NORMAL);
}

/// Takes over what ncurses has written.
void CursesScreen::collect() {
  std::fflush(out_);
  const off_t size = lseek(memory_, 0, SEEK_CUR);
  if (size <= 0) return;
  if (drained()) {
    pending_.clear();
    taken_ = 0;
  }
  const std::size_t before = pending_.size();
  pending_.resize(before + static_cast<std::size_t>(size));
  const ssize_t got = pread(memory_, pending_.data() + before, static_cast<std::size_t>(size), 0);
  pending_.resize(before + static_cast<std::size_t>(std::max<ssize_t>(0, got)));
  lseek(memory_, 0, SEEK_SET);
}

Status CursesScreen::flush() {
  if (drained()) return Ok;
  auto taken = write_what_fits(STDOUT_FILENO, std::string_view(pending_).substr(taken_));
  if (!taken) return taken.error();
  taken_ += *taken;
  return Ok;
}

void CursesScreen::leave() {
  if (!entered_) return;
  entered_ = false;
  endwin();
  collect();
  const auto deadline = std::chrono::steady_clock::now() + kLeaveWithin;
  while (flush().ok() && !drained() && std::chrono::steady_clock::now() < deadline) {
    pollfd terminal{STDOUT_FILENO, POLLOUT, 0};
    poll(&terminal, 1, 10);
  }
  tcsetattr(STDIN_FILENO, TCSANOW, &saved_);
}

}  // namespace tcpdwell
