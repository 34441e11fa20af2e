// SPDX-License-Identifier: BSD-2-Clause
#include "util/escape.h"

#include <algorithm>
#include <cstddef>

#include "util/names.h"
#include "util/utf8.h"

namespace tcpdwell {
namespace {

constexpr char kHex[] = "0123456789abcdef";

bool is_plain_ascii(char c) { return c >= 0x20 && c < 0x7f && c != '"' && c != '\\'; }

/// Moves the characters at the front that need no escape in any format; they are nearly all.
std::string_view take_plain(std::string_view& text) {
  const auto end = std::find_if_not(text.begin(), text.end(), is_plain_ascii);
  const std::string_view plain = text.substr(0, static_cast<std::size_t>(end - text.begin()));
  text.remove_prefix(plain.size());
  return plain;
}

/// \uXXXX, twice past U+FFFF: JSON's escapes are UTF-16.
void append_unicode_escape(std::string& out, char32_t code) {
  if (code > 0xffff) {
    append_unicode_escape(out, 0xd7c0 + (code >> 10));
    code = 0xdc00 + (code & 0x3ffU);
  }
  out += "\\u";
  for (int shift = 12; shift >= 0; shift -= 4) out += kHex[code >> shift & 0xfU];
}

void append_json_escape(std::string& out, char32_t code) {
  constexpr std::u32string_view kShort = U"\"\\\n\r\t";
  const auto at = kShort.find(code);
  if (at == std::u32string_view::npos) return append_unicode_escape(out, code);
  (out += '\\') += "\"\\nrt"[at];
}

void append_hex_bytes(std::string& out, std::string_view bytes) {
  for (const char c : bytes) {
    const auto byte = static_cast<unsigned char>(c);
    out += "\\x";
    out += kHex[byte >> 4];
    out += kHex[byte & 0xfU];
  }
}

/// Plain characters as they are; `escape(character, its bytes)` appends each of the others.
template <class Escape>
void append_escaped(std::string& out, std::string_view text, const Escape& escape) {
  while (true) {
    out += take_plain(text);
    if (text.empty()) return;
    const Utf8Char c = first_utf8_char(text);
    const std::string_view bytes = text.substr(0, std::max(c.bytes, 1U));
    escape(c, bytes);
    text.remove_prefix(bytes.size());
  }
}

/// One character as printable() writes it.
void append_printable(std::string& out, const Utf8Char& c, std::string_view bytes) {
  if (c.code == '\\') {
    out += "\\\\";
  } else if (c.bytes == 0 || is_hidden(c.code)) {
    append_hex_bytes(out, bytes);
  } else {
    out += bytes;
  }
}

/// `c` as the first of a cell: a spreadsheet takes what follows for a formula.
bool begins_formula(char32_t c) {
  constexpr std::u32string_view kStarts = U"=+-@\u2212";  // the last is the minus of mathematics
  return kStarts.find(plain_form(c)) != std::u32string_view::npos;
}

/// What may stand before a cell's first character and is no part of its value.
bool precedes_value(char32_t c) { return c == '"' || plain_form(c) == ' '; }

bool divides_cells(char32_t c) { return c == ';' || c == '|' || c == '\n' || c == '\r'; }

}  // namespace

void append_json_string(std::string& out, std::string_view text) {
  out += '"';
  append_escaped(out, text, [&out](const Utf8Char& c, std::string_view bytes) {
    if (c.bytes == 0) {
      out += "\xef\xbf\xbd";  // U+FFFD
    } else if (c.code == '"' || c.code == '\\' || is_hidden(c.code)) {
      append_json_escape(out, c.code);
    } else {
      out += bytes;
    }
  });
  out += '"';
}

std::string printable(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  append_escaped(out, text, [&out](const Utf8Char& c, std::string_view bytes) {
    append_printable(out, c, bytes);
  });
  return out;
}

std::string csv_field(std::string_view text) {
  const auto is_harmless = [](char c) {
    return is_plain_ascii(c) && c != ',' && !divides_cells(static_cast<unsigned char>(c));
  };
  if (std::all_of(text.begin(), text.end(), is_harmless) &&
      std::string_view(" =+-@").find(text.empty() ? 'x' : text.front()) == std::string_view::npos)
    return std::string(text);  // nearly always
  std::string field;
  if (text.starts_with('\t') || text.starts_with('\r') || text.starts_with('\n')) field += '\'';
  for (bool at_start = true; !text.empty();) {
    const Utf8Char c = first_utf8_char(text);
    const std::string_view bytes = text.substr(0, std::max(c.bytes, 1U));
    if (at_start && c.bytes != 0 && begins_formula(c.code)) field += '\'';
    if (c.code == '\n' || c.code == '\r') {
      field += bytes;
    } else {
      append_printable(field, c, bytes);
    }
    at_start = divides_cells(c.code) || (at_start && precedes_value(c.code));
    text.remove_prefix(bytes.size());
  }
  if (field.find_first_of(",\"\r\n") == std::string::npos) return field;

  std::string quoted = "\"";
  for (const char c : field) {
    if (c == '"') quoted += '"';
    quoted += c;
  }
  return quoted += '"';
}

std::string html_text(std::string_view text) {
  constexpr std::string_view kSpecial = "&<>\"'";
  constexpr Names<5> kEntities = {"&amp;", "&lt;", "&gt;", "&quot;", "&#39;"};
  std::string escaped;
  for (const char c : printable(text)) {
    const std::size_t special = kSpecial.find(c);
    special == std::string_view::npos ? escaped += c : escaped += kEntities[special];
  }
  return escaped;
}

}  // namespace tcpdwell
