// SPDX-License-Identifier: BSD-2-Clause
/// Strict UTF-8 (RFC 3629), one character at a time, and what Unicode says of a character.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace tcpdwell {

struct Utf8Char {
  char32_t code = 0;
  unsigned bytes = 0;  ///< 1 to 4, or 0 where the text does not start with a valid character
};

/// The character `text` (not empty) starts with. Overlong forms, surrogates, cut sequences and
/// codes past U+10FFFF are not valid.
Utf8Char first_utf8_char(std::string_view text);

/// `code` is a character's: no surrogate, not past U+10FFFF.
void append_utf8(std::string& out, char32_t code);

/// Whether a reader sees nothing of the character itself: a terminal acts on it (controls), it
/// moves or joins what is beside it (format characters), divides lines, or is drawn as nothing at
/// all (what Unicode calls default ignorable: variation selectors, fillers, tags). Spaces are seen,
/// as room.
bool is_hidden(char32_t code);

/// What `code` begins with where a form of presentation (full width, small, raised) is undone.
char32_t plain_form(char32_t code);

/// Columns `text` takes on a terminal (East Asian wide counts 2, combining and control 0; a byte
/// that is not valid UTF-8 counts 1).
std::size_t display_width(std::string_view text);

}  // namespace tcpdwell
