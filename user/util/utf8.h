// SPDX-License-Identifier: BSD-2-Clause
/// Strict UTF-8 (RFC 3629), one character at a time.
#pragma once

#include <string_view>

namespace tcpdwell {

struct Utf8Char {
  char32_t code = 0;
  unsigned bytes = 0;  ///< 1 to 4, or 0 where the text does not start with a valid character
};

/// The character `text` (not empty) starts with. Overlong forms, surrogates, cut sequences and
/// codes past U+10FFFF are not valid.
Utf8Char first_utf8_char(std::string_view text);

}  // namespace tcpdwell
