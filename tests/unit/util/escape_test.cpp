// SPDX-License-Identifier: BSD-2-Clause
#include "util/escape.h"

#include <gtest/gtest.h>

#include <array>
#include <string>
#include <string_view>
#include <utility>

#include "util/utf8.h"

namespace tcpdwell {
namespace {

using namespace std::string_view_literals;

std::string json(std::string_view text) {
  std::string out;
  append_json_string(out, text);
  return out;
}

/// `code` in UTF-8, written independently of the decoder under test.
std::string utf8(char32_t code) {
  const auto tail = [code](int shift) {
    return static_cast<char>(0x80U | (code >> shift & 0x3fU));
  };
  if (code < 0x80) return {static_cast<char>(code)};
  if (code < 0x800) return {static_cast<char>(0xc0U | code >> 6), tail(0)};
  if (code < 0x10000) return {static_cast<char>(0xe0U | code >> 12), tail(6), tail(0)};
  return {static_cast<char>(0xf0U | code >> 18), tail(12), tail(6), tail(0)};
}

constexpr std::string_view kReplacement = "\xef\xbf\xbd";

/// Byte sequences no character has; every byte of each stands alone.
constexpr std::array kInvalid = {
    "\x80"sv,              // continuation first
    "\xbf\xbf"sv,          // two of them
    "\xc3"sv,              // cut after 1 of 2
    "\xe2\x82"sv,          // cut after 2 of 3
    "\xf0\x9f\x98"sv,      // cut after 3 of 4
    "\xc0\x80"sv,          // overlong NUL
    "\xc1\xbf"sv,          // overlong DEL
    "\xe0\x80\xaf"sv,      // overlong slash
    "\xe0\x9f\xbf"sv,      // overlong U+07FF
    "\xf0\x8f\xbf\xbf"sv,  // overlong U+FFFF
    "\xed\xa0\x80"sv,      // surrogate U+D800
    "\xed\xbf\xbf"sv,      // surrogate U+DFFF
    "\xf4\x90\x80\x80"sv,  // U+110000
    "\xf8\x88\x80\x80\x80"sv,
    "\xfe"sv,
    "\xff"sv,
};

TEST(Utf8, DecodesEveryCharacter) {
  for (char32_t code = 0; code <= 0x10ffff; ++code) {
    if (code >= 0xd800 && code <= 0xdfff) continue;
    const std::string text = utf8(code);
    const Utf8Char c = first_utf8_char(text);
    ASSERT_EQ(c.code, code);
    ASSERT_EQ(c.bytes, text.size());
  }
}

TEST(Utf8, RejectsWhatIsInvalid) {
  for (const auto bytes : kInvalid) EXPECT_EQ(first_utf8_char(bytes).bytes, 0U) << printable(bytes);
  EXPECT_EQ(first_utf8_char("\xc3(").bytes, 0U);
}

TEST(JsonString, QuotesAndEscapes) {
  EXPECT_EQ(json(""), R"("")");
  EXPECT_EQ(json("nginx"), R"("nginx")");
  EXPECT_EQ(json(R"(a"b\c/)"), R"("a\"b\\c/")");
  EXPECT_EQ(json("\t\n\r"), R"("\t\n\r")");
  EXPECT_EQ(json("\b\f\x1f\x7f"), R"("\u0008\u000c\u001f\u007f")");
  EXPECT_EQ(json("a\0b"sv), R"("a\u0000b")");
}

TEST(JsonString, AppendsToWhatIsThere) {
  std::string out = "{\"comm\":";
  append_json_string(out, "x");
  EXPECT_EQ(out, R"({"comm":"x")");
}

TEST(JsonString, KeepsUtf8) {
  EXPECT_EQ(json("žluťoučký 日本 😀"), "\"žluťoučký 日本 😀\"");
  EXPECT_EQ(json("\xf4\x8f\xbf\xbf"), "\"\xf4\x8f\xbf\xbf\"");
}

TEST(JsonString, EscapesWhatMovesATerminal) {
  EXPECT_EQ(json("\xc2\x9b"), R"("\u009b")");
  EXPECT_EQ(json("\u202e"), R"("\u202e")");
  EXPECT_EQ(json("\u2028\u2029"), R"("\u2028\u2029")");
}

TEST(JsonString, EscapesWhatCannotBeSeen) {
  EXPECT_EQ(json("a\u200b\ufeff\u00ad\ufe0f"), R"("a\u200b\ufeff\u00ad\ufe0f")");
  EXPECT_EQ(json("\U000e0041\U000e0100"), R"("\udb40\udc41\udb40\udd00")")
      << "UTF-16, as JSON asks";
}

TEST(JsonString, ReplacesEveryInvalidByte) {
  for (const auto bytes : kInvalid) {
    std::string expected = "\"a";
    for (std::size_t i = 0; i < bytes.size(); ++i) expected += kReplacement;
    expected += "z\"";
    EXPECT_EQ(json("a" + std::string(bytes) + "z"), expected) << printable(bytes);
  }
}

TEST(JsonString, IsValidForEveryPairOfBytes) {
  for (unsigned i = 0; i < 0x10000; ++i) {
    const std::array<char, 2> pair = {static_cast<char>(i >> 8), static_cast<char>(i & 0xffU)};
    std::string_view rest(pair.data(), pair.size());
    const std::string out = json(rest);
    ASSERT_EQ(out.find_first_of("\n\r\t\x1b\x7f"), std::string::npos);
    for (rest = out; !rest.empty();) {
      const Utf8Char c = first_utf8_char(rest);
      ASSERT_GT(c.bytes, 0U) << i;
      ASSERT_GE(c.code, 0x20U) << i;
      rest.remove_prefix(c.bytes);
    }
  }
}

TEST(Printable, LeavesOrdinaryTextAlone) {
  for (const auto text : {"", "nginx", "kworker/0:1", "a \"b\" 'c'", "žluťoučký", "日本", "😀"}) {
    EXPECT_EQ(printable(text), text);
  }
}

TEST(Printable, ShowsControlsAsBytes) {
  EXPECT_EQ(printable("\x1b[2J"), "\\x1b[2J");
  EXPECT_EQ(printable("a\nb\tc\rd\0e\x7f"sv), "a\\x0ab\\x09c\\x0dd\\x00e\\x7f");
  EXPECT_EQ(printable("\xc2\x80\xc2\x9b\xc2\x9f"), "\\xc2\\x80\\xc2\\x9b\\xc2\\x9f");
  EXPECT_EQ(printable("\xc2\xa0"), "\xc2\xa0") << "a no-break space is no control";
}

TEST(Printable, ShowsBidiAndSeparatorsAsBytes) {
  for (char32_t code = 0x2000; code <= 0x2070; ++code) {
    const bool hidden = (code >= 0x200b && code <= 0x200f) || (code >= 0x2028 && code <= 0x202e) ||
                        (code >= 0x2060 && code <= 0x206f);
    const std::string text = utf8(code);
    EXPECT_EQ(printable(text) != text, hidden) << std::hex << static_cast<unsigned>(code);
  }
  EXPECT_EQ(printable("a\u202ec"), "a\\xe2\\x80\\xaec");
  EXPECT_EQ(printable("\u2066"), "\\xe2\\x81\\xa6");
}

TEST(Printable, ShowsWhatCannotBeSeenAsBytes) {
  // Two names that look the same are not written the same.
  EXPECT_EQ(printable("sshd\u200b"), "sshd\\xe2\\x80\\x8b");
  EXPECT_EQ(printable("\ufeffsshd"), "\\xef\\xbb\\xbfsshd");
  EXPECT_EQ(printable("ss\u00adhd"), "ss\\xc2\\xadhd");
  for (const auto& [first, last] : {std::pair<char32_t, char32_t>{0xe0000, 0xe0fff},
                                    {0xfe00, 0xfe0f},
                                    {0xfff0, 0xfffb},
                                    {0x180b, 0x180f},
                                    {0x600, 0x605},
                                    {0x1d173, 0x1d17a},
                                    {0x1bca0, 0x1bca3}})
    for (char32_t code = first; code <= last; ++code)
      EXPECT_EQ(printable(utf8(code)).substr(0, 2), "\\x")
          << std::hex << static_cast<unsigned>(code);
  for (const auto text : {"\u034f", "\u061c", "\u115f", "\u1160", "\u17b4", "\u3164", "\uffa0"})
    EXPECT_EQ(printable(text).substr(0, 2), "\\x") << text;
  for (const auto text : {"\u00a0", "\u3000", "e\u0301", "\ue000", "\U0010fffd", "한글"})
    EXPECT_EQ(printable(text), text) << "seen, or room";
}

TEST(Printable, CannotBeImitated) {
  EXPECT_EQ(printable("\\x1b"), "\\\\x1b");
  EXPECT_EQ(printable("\\"), "\\\\");
}

TEST(Printable, ShowsInvalidBytes) {
  for (const auto bytes : kInvalid) {
    const std::string shown = printable(bytes);
    EXPECT_EQ(shown.size(), 4 * bytes.size()) << shown;
  }
  EXPECT_EQ(printable("abc\xe2\x82"), "abc\\xe2\\x82");
  EXPECT_EQ(printable("\xe2(\xa1"), "\\xe2(\\xa1");
}

TEST(CsvField, QuotesOnlyWhenNeeded) {
  EXPECT_EQ(csv_field(""), "");
  EXPECT_EQ(csv_field("nginx"), "nginx");
  EXPECT_EQ(csv_field("a b;c"), "a b;c");
  EXPECT_EQ(csv_field("a,b"), "\"a,b\"");
  EXPECT_EQ(csv_field("a\"b"), "\"a\"\"b\"");
  EXPECT_EQ(csv_field("a\nb"), "\"a\nb\"");
  EXPECT_EQ(csv_field("a\r\nb"), "\"a\r\nb\"");
}

TEST(CsvField, RunsNoFormula) {
  EXPECT_EQ(csv_field("=1+1"), "'=1+1");
  EXPECT_EQ(csv_field("+1"), "'+1");
  EXPECT_EQ(csv_field("-1"), "'-1");
  EXPECT_EQ(csv_field("@SUM(A1)"), "'@SUM(A1)");
  EXPECT_EQ(csv_field("\t=1"), "'\\x09=1");
  EXPECT_EQ(csv_field("\r=1"), "\"'\r'=1\"");
  EXPECT_EQ(csv_field("\n=1"), "\"'\n'=1\"");
  EXPECT_EQ(csv_field("=HYPERLINK(\"x\",1)"), "\"'=HYPERLINK(\"\"x\"\",1)\"");
  EXPECT_EQ(csv_field("a=1"), "a=1");
}

TEST(CsvField, RunsNoFormulaInAnotherForm) {
  for (const auto text :
       {"＝1+1", "＋1", "－1", "＠SUM(A1)", "﹦1", "﹢1", "﹣1", "﹫A", "⁼1", "⁺1", "₌1", "−1"})
    EXPECT_EQ(csv_field(text), "'" + std::string(text));
  EXPECT_EQ(csv_field(" =1"), " '=1") << "some take blanks away first";
  EXPECT_EQ(csv_field("\u00a0\u3000=1"), "\u00a0\u3000'=1");
  EXPECT_EQ(csv_field("a＝1"), "a＝1");
  EXPECT_EQ(csv_field("\u200b=1"), "\\xe2\\x80\\x8b=1") << "what stands before it is seen";
}

TEST(CsvField, RunsNoFormulaWhereAnotherSeparatorHolds) {
  EXPECT_EQ(csv_field(";=1+1"), ";'=1+1");
  EXPECT_EQ(csv_field("a;=1+1;b"), "a;'=1+1;b");
  EXPECT_EQ(csv_field("a; ＝1"), "a; '＝1");
  EXPECT_EQ(csv_field("a|@SUM(A1)"), "a|'@SUM(A1)");
  EXPECT_EQ(csv_field("a;\"=1\""), "\"a;\"\"'=1\"\"\"");
  EXPECT_EQ(csv_field("a\n=1"), "\"a\n'=1\"");
  EXPECT_EQ(csv_field("a;b;c=1"), "a;b;c=1");
}

TEST(CsvField, EscapesControlsAndInvalidBytes) {
  EXPECT_EQ(csv_field("a\x1b[0m"), "a\\x1b[0m");
  EXPECT_EQ(csv_field("a\0b"sv), "a\\x00b");
  EXPECT_EQ(csv_field("\xff"), "\\xff");
  EXPECT_EQ(csv_field("a\\b"), "a\\\\b");
  EXPECT_EQ(csv_field("\u202e"), "\\xe2\\x80\\xae");
}

TEST(DisplayWidth, CountsColumns) {
  EXPECT_EQ(display_width(""), 0U);
  EXPECT_EQ(display_width("nginx"), 5U);
  EXPECT_EQ(display_width("žluť"), 4U);
  EXPECT_EQ(display_width("日本"), 4U);
  EXPECT_EQ(display_width("한글"), 4U);
  EXPECT_EQ(display_width("ｆｕ"), 4U);
  EXPECT_EQ(display_width("😀"), 2U);
  EXPECT_EQ(display_width("\U00020000\U0003fffd"), 3U) << "a plane 2 ideograph, an unassigned code";
}

TEST(DisplayWidth, CombiningTakesNone) {
  EXPECT_EQ(display_width("e\u0301"), 1U);
  EXPECT_EQ(display_width("a\u200bb\u200d"), 2U);
  EXPECT_EQ(display_width("\ufeffx"), 1U);
  EXPECT_EQ(display_width("\u00adx"), 2U) << "terminals show the soft hyphen";
}

TEST(DisplayWidth, EndsOfTheTables) {
  EXPECT_EQ(display_width("\u02ff"), 1U);
  EXPECT_EQ(display_width("\u0300"), 0U);
  EXPECT_EQ(display_width("\u10ff"), 1U);
  EXPECT_EQ(display_width("\u1100"), 2U);
  EXPECT_EQ(display_width("\u115f"), 2U);
  EXPECT_EQ(display_width("\u1160"), 0U);
  EXPECT_EQ(display_width("\U0010fffd"), 1U);
}

TEST(DisplayWidth, InvalidBytesTakeOneEach) {
  EXPECT_EQ(display_width("\xff\xfe"), 2U);
  EXPECT_EQ(display_width("a\xe2\x82"), 3U);
  EXPECT_EQ(display_width("\x1b\x7f"), 0U);
}

}  // namespace
}  // namespace tcpdwell
