// SPDX-License-Identifier: BSD-2-Clause
/// Making hostile text (process names) safe for each kind of output.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace tcpdwell {

/// Appends `text` as a JSON string with its quotes. The result is valid UTF-8 and round-trips any
/// valid UTF-8; a byte that is not valid UTF-8 becomes U+FFFD. What printable() escapes for its
/// effect on a terminal is written as \uXXXX.
void append_json_string(std::string& out, std::string_view text);

/// For terminals and tables: control characters, DEL, C1 controls, bidirectional overrides, line
/// separators and invalid UTF-8 appear as \xNN (bytes); a backslash as "\\". Everything else as it
/// is.
std::string printable(std::string_view text);

/// One CSV field (RFC 4180): quoted when needed; a field that starts with = + - @ TAB CR or LF is
/// prefixed with a single quote so that no spreadsheet runs it as a formula. Everything but line
/// breaks is escaped as printable() does, the backslash too. For text only: a number needs none of
/// it.
std::string csv_field(std::string_view text);

/// For the text and the attributes of an HTML page: what printable() makes of it, with & < > and
/// quotes as entities.
std::string html_text(std::string_view text);

/// Columns `text` takes on a terminal (UTF-8; East Asian wide counts 2, combining and control 0; a
/// byte that is not valid UTF-8 counts 1).
std::size_t display_width(std::string_view text);

}  // namespace tcpdwell
