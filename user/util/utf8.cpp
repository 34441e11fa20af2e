// SPDX-License-Identifier: BSD-2-Clause
#include "util/utf8.h"

#include <utf8proc.h>

#include <algorithm>
#include <array>

namespace tcpdwell {
namespace {

/// wcwidth() would ask the locale, and tables must not change with it.
std::size_t width_of(char32_t character) {
  const auto code = static_cast<utf8proc_int32_t>(character);
  // A Hangul syllable has its two columns from its first letter.
  if ((code >= 0x1160 && code <= 0x11ff) || (code >= 0xd7b0 && code <= 0xd7fb)) return 0;
  switch (utf8proc_category(code)) {
    case UTF8PROC_CATEGORY_CN:  // a box
    case UTF8PROC_CATEGORY_MC:  // beside its letter, not above or below
      return 1;
    default:
      return static_cast<std::size_t>(utf8proc_charwidth(code));
  }
}

}  // namespace

Utf8Char first_utf8_char(std::string_view text) {
  utf8proc_int32_t code = 0;
  const auto bytes = utf8proc_iterate(reinterpret_cast<const utf8proc_uint8_t*>(text.data()),
                                      static_cast<utf8proc_ssize_t>(text.size()), &code);
  if (bytes <= 0) return {};
  return {static_cast<char32_t>(code), static_cast<unsigned>(bytes)};
}

void append_utf8(std::string& out, char32_t code) {
  std::array<utf8proc_uint8_t, 4> bytes{};
  const auto count = utf8proc_encode_char(static_cast<utf8proc_int32_t>(code), bytes.data());
  out.append(bytes.begin(), bytes.begin() + count);
}

bool is_hidden(char32_t character) {
  // Codes that have no character yet, but are to be ignored where there is one: the library knows
  // those it has.
  if (character == 0x2065 || (character >= 0xfff0 && character <= 0xfff8)) return true;
  if (character >= 0xe0000 && character <= 0xe0fff) return true;
  const auto code = static_cast<utf8proc_int32_t>(character);
  switch (utf8proc_category(code)) {
    case UTF8PROC_CATEGORY_CC:
    case UTF8PROC_CATEGORY_CF:
    case UTF8PROC_CATEGORY_ZL:
    case UTF8PROC_CATEGORY_ZP:
      return true;
    default:
      return utf8proc_get_property(code)->ignorable;
  }
}

char32_t plain_form(char32_t code) {
  constexpr auto kUndone = static_cast<utf8proc_option_t>(UTF8PROC_DECOMPOSE | UTF8PROC_COMPAT);
  std::array<utf8proc_int32_t, 32> parts{};  // 18 at most
  int ignored = 0;
  const auto count =
      utf8proc_decompose_char(static_cast<utf8proc_int32_t>(code), parts.data(),
                              static_cast<utf8proc_ssize_t>(parts.size()), kUndone, &ignored);
  return count < 1 ? code : static_cast<char32_t>(parts[0]);
}

std::size_t display_width(std::string_view text) {
  const auto is_plain = [](char c) { return c >= 0x20 && c < 0x7f; };
  if (std::all_of(text.begin(), text.end(), is_plain)) return text.size();
  std::size_t width = 0;
  while (!text.empty()) {
    const Utf8Char c = first_utf8_char(text);
    // What is not valid is shown as one replacement character.
    width += c.bytes == 0 ? 1 : width_of(c.code);
    text.remove_prefix(std::max(c.bytes, 1U));
  }
  return width;
}

}  // namespace tcpdwell
