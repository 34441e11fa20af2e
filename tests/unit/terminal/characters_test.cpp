// SPDX-License-Identifier: BSD-2-Clause
// What ncurses is told of characters: the linker puts these functions in place of the C library's,
// here too.
#include "terminal/characters.h"

#include <gtest/gtest.h>
#include <langinfo.h>

#include <clocale>
#include <cstdlib>
#include <cwchar>
#include <cwctype>
#include <string>

namespace tcpdwell {
namespace {

constexpr auto kInvalid = static_cast<std::size_t>(-1);
constexpr auto kCut = static_cast<std::size_t>(-2);

std::size_t decoded(const std::string& text, wchar_t& code) {
  return mbrtowc(&code, text.data(), text.size(), nullptr);
}

TEST(Characters, Utf8WithoutALocale) {
  use_utf8(true);
  EXPECT_STREQ(nl_langinfo(CODESET), "UTF-8");
  EXPECT_STREQ(setlocale(LC_CTYPE, nullptr), "C.UTF-8");
  EXPECT_EQ(wcwidth(L'│'), 1);
  EXPECT_EQ(wcwidth(L'中'), 2);
  EXPECT_EQ(wcwidth(0x301), 0);
  EXPECT_EQ(wcwidth(0x1b), -1);
  EXPECT_EQ(wcwidth(0), 0);
  EXPECT_NE(iswprint(L'é'), 0);
  EXPECT_EQ(iswprint(0x9b), 0);
  char bytes[8] = {};
  EXPECT_EQ(wcrtomb(bytes, L'│', nullptr), 3U);
  EXPECT_EQ(std::string(bytes), "│");
  EXPECT_EQ(wcrtomb(bytes, static_cast<wchar_t>(0xd800), nullptr), kInvalid);
}

/// As ncurses reads a key: one byte more each time, until it is a character.
TEST(Characters, BytesOfAKey) {
  use_utf8(true);
  const std::string key = "│";
  wchar_t code = 0;
  EXPECT_EQ(mblen(key.data(), 1), -1);
  EXPECT_EQ(mblen(key.data(), 2), -1);
  EXPECT_EQ(mblen(key.data(), 3), 3);
  EXPECT_EQ(mbtowc(&code, key.data(), 3), 3);
  EXPECT_EQ(code, L'│');
  EXPECT_EQ(mbtowc(nullptr, nullptr, 0), 0);
  EXPECT_EQ(decoded(key.substr(0, 2), code), kCut);
  EXPECT_EQ(decoded("\xff", code), kInvalid);
  EXPECT_EQ(decoded(std::string(1, '\0'), code), 0U);
}

TEST(Characters, AsciiWhereTheTerminalTakesNoMore) {
  use_utf8(false);
  EXPECT_STREQ(nl_langinfo(CODESET), "ANSI_X3.4-1968");
  EXPECT_STREQ(setlocale(LC_CTYPE, nullptr), "C");
  char bytes[8] = {};
  wchar_t code = 0;
  EXPECT_EQ(wcrtomb(bytes, L'│', nullptr), kInvalid);
  EXPECT_EQ(decoded("│", code), kInvalid);
  EXPECT_EQ(wcwidth(L'│'), -1);
  EXPECT_EQ(decoded("a", code), 1U);
  EXPECT_EQ(btowc('a'), static_cast<wint_t>('a'));
  EXPECT_EQ(btowc(0xe9), WEOF);
  EXPECT_EQ(wctob(L'é'), EOF);
}

}  // namespace
}  // namespace tcpdwell
