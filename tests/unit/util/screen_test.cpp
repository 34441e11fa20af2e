// SPDX-License-Identifier: BSD-2-Clause
#include "util/screen.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <pty.h>
#include <termios.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <regex>
#include <string>
#include <thread>

namespace tcpdwell {
namespace {

/// A terminal without line editing; `ours` is the side of whoever looks at it.
struct Terminal {
  Terminal() {
    termios raw{};
    cfmakeraw(&raw);
    EXPECT_EQ(openpty(&ours, &its, nullptr, &raw, nullptr), 0);
  }
  ~Terminal() {
    close(ours);
    close_its();
  }
  void close_its() {
    if (its >= 0) close(its);
    its = -1;
  }
  std::string read_to_end() const {
    std::string text;
    std::array<char, 4096> chunk;
    for (ssize_t n; (n = read(ours, chunk.data(), chunk.size())) > 0;)
      text.append(chunk.data(), static_cast<std::size_t>(n));
    return text;
  }
  int ours = -1, its = -1;
};

TEST(ScreenOutput, ShowsAllOnATerminalThatIsRead) {
  Terminal terminal;
  std::string shown;
  std::thread reader([&] { shown = terminal.read_to_end(); });
  ScreenOutput out(terminal.its, "the terminal");
  for (const char* line : {"one\n", "two\n", "three\n"}) ASSERT_TRUE(out.write(line));
  ASSERT_TRUE(out.flush());
  ASSERT_TRUE(out.close());
  terminal.close_its();
  reader.join();
  EXPECT_EQ(shown, "one\ntwo\nthree\n");
  EXPECT_EQ(out.skipped(), 0U);
}

TEST(ScreenOutput, NeverWaitsAndSaysWhatItLeftOut) {
  constexpr std::uint64_t kLines = 100'000;
  Terminal terminal;
  ScreenOutput out(terminal.its, "the terminal");
  // Nobody reads: would it wait, this would never end.
  for (std::uint64_t i = 0; i < kLines; ++i) {
    ASSERT_TRUE(out.write("line " + std::to_string(i) + "\n"));
    ASSERT_TRUE(out.flush());
  }
  std::string shown;
  std::thread reader([&] { shown = terminal.read_to_end(); });
  ASSERT_TRUE(out.close());
  terminal.close_its();
  reader.join();

  std::uint64_t lines = 0, said = 0;
  const std::regex line("line \\d+\n"),
      gap("\\.\\.\\. (\\d+) lines not shown: the terminal is too slow\n");
  for (std::sregex_iterator it(shown.begin(), shown.end(), line), end; it != end; ++it) ++lines;
  for (std::sregex_iterator it(shown.begin(), shown.end(), gap), end; it != end; ++it)
    said += std::stoull((*it)[1]);
  EXPECT_GT(out.skipped(), 0U);
  EXPECT_EQ(said, out.skipped());
  EXPECT_EQ(lines + said, kLines);
}

TEST(ScreenOutput, ATerminalThatHasGoneIsAnError) {
  Terminal terminal;
  ScreenOutput out(terminal.its, "the terminal");
  close(terminal.ours);
  terminal.ours = -1;
  ASSERT_TRUE(out.write("line\n"));
  const Status status = out.flush();
  ASSERT_FALSE(status);
  EXPECT_EQ(status.error().os_errno, EIO);
}

}  // namespace
}  // namespace tcpdwell
