// SPDX-License-Identifier: BSD-2-Clause
#include "terminal/characters.h"

#include <langinfo.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstdio>
#include <cwchar>
#include <cwctype>
#include <string>
#include <string_view>

#include "util/utf8.h"

namespace tcpdwell {
namespace {

bool utf8 = false;

constexpr std::size_t kInvalid = static_cast<std::size_t>(-1);
constexpr std::size_t kCut = static_cast<std::size_t>(-2);

bool is_ascii(char32_t code) { return code < 0x80; }
bool is_character(char32_t code) {
  return is_ascii(code) || (utf8 && code <= 0x10ffff && (code < 0xd800 || code > 0xdfff));
}
bool is_control(char32_t code) { return code < 0x20 || (code >= 0x7f && code < 0xa0); }

/// As mbrtowc(3): bytes of the first character, 0 of NUL, or one of the two above.
std::size_t decode(wchar_t* code, std::string_view text) {
  const Utf8Char first = first_utf8_char(text);
  if (first.bytes == 0 || !is_character(first.code)) {
    const auto lead = static_cast<unsigned char>(text[0]);
    const bool may_go_on = utf8 && text.size() < 4 && lead >= 0xc2 && lead <= 0xf4;
    errno = EILSEQ;
    return may_go_on ? kCut : kInvalid;
  }
  if (code != nullptr) *code = static_cast<wchar_t>(first.code);
  return first.code == 0 ? 0 : first.bytes;
}

int decode_all(wchar_t* code, const char* text, std::size_t size) {
  if (text == nullptr) return 0;  // nothing is remembered between calls
  const std::size_t bytes = size == 0 ? kInvalid : decode(code, {text, size});
  return bytes == kInvalid || bytes == kCut ? -1 : static_cast<int>(bytes);
}

}  // namespace

void use_utf8(bool is_utf8) { utf8 = is_utf8; }

}  // namespace tcpdwell

using namespace tcpdwell;

// NOLINTBEGIN(bugprone-reserved-identifier): the linker's names.
extern "C" {

int __wrap_wcwidth(wchar_t code) {
  const auto character = static_cast<char32_t>(code);
  if (code == 0) return 0;
  if (!is_character(character) || is_control(character)) return -1;
  std::string text;
  append_utf8(text, static_cast<char32_t>(code));
  return static_cast<int>(display_width(text));
}

int __wrap_iswprint(wint_t code) { return is_character(code) && !is_control(code) ? 1 : 0; }

std::size_t __wrap_wcrtomb(char* to, wchar_t code, std::mbstate_t*) {
  if (to == nullptr) return 1;
  if (!is_character(static_cast<char32_t>(code))) return errno = EILSEQ, kInvalid;
  std::string text;
  append_utf8(text, static_cast<char32_t>(code));
  std::copy(text.begin(), text.end(), to);
  return text.size();
}

std::size_t __wrap_mbrtowc(wchar_t* code, const char* text, std::size_t size, std::mbstate_t*) {
  if (text == nullptr) return 0;
  return size == 0 ? kCut : decode(code, {text, size});
}

int __wrap_mbtowc(wchar_t* code, const char* text, std::size_t size) {
  return decode_all(code, text, size);
}

int __wrap_mblen(const char* text, std::size_t size) { return decode_all(nullptr, text, size); }

wint_t __wrap_btowc(int byte) {
  return byte >= 0 && is_ascii(static_cast<char32_t>(byte)) ? static_cast<wint_t>(byte) : WEOF;
}

int __wrap_wctob(wint_t code) { return is_ascii(code) ? static_cast<int>(code) : EOF; }

char* __wrap_nl_langinfo(nl_item) {
  static char utf8_name[] = "UTF-8", ascii_name[] = "ANSI_X3.4-1968";
  return utf8 ? utf8_name : ascii_name;
}

char* __wrap_setlocale(int, const char*) {
  static char utf8_name[] = "C.UTF-8", ascii_name[] = "C";
  return utf8 ? utf8_name : ascii_name;
}

}  // extern "C"
// NOLINTEND(bugprone-reserved-identifier)
