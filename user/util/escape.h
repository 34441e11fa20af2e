// SPDX-License-Identifier: BSD-2-Clause
/// Making hostile text (process names) safe for each kind of output.
#pragma once

#include <string>
#include <string_view>

namespace tcpdwell {

/// Appends `text` as a JSON string with its quotes. The result is valid UTF-8 and round-trips any
/// valid UTF-8; a byte that is not valid UTF-8 becomes U+FFFD. What cannot be seen (is_hidden(),
/// util/utf8.h) is written as \uXXXX, past U+FFFF as a pair of them.
void append_json_string(std::string& out, std::string_view text);

/// For terminals and tables: what cannot be seen (is_hidden(), util/utf8.h) and invalid UTF-8
/// appear as \xNN (bytes); a backslash as "\\". Everything else as it is.
std::string printable(std::string_view text);

/// One CSV field (RFC 4180): quoted when needed. A single quote stands before what a spreadsheet
/// would run as a formula: = + - @ and their full-width and other forms at the start, and TAB CR
/// and LF there; and after a ; or | or line break, where one that divides by those (;  is usual
/// where numbers have commas, and quotes mean nothing then) begins a cell. Everything but line
/// breaks is escaped as printable() does, the backslash too. For text only: a number needs none of
/// it.
std::string csv_field(std::string_view text);

/// For the text and the attributes of an HTML page: what printable() makes of it, with & < > and
/// quotes as entities.
std::string html_text(std::string_view text);

}  // namespace tcpdwell
