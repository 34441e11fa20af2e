// SPDX-License-Identifier: BSD-2-Clause
#include "util/escape.h"

#include <algorithm>
#include <cstddef>

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
  switch (code) {
    case '"':
      out += "\\\"";
      return;
    case '\\':
      out += "\\\\";
      return;
    case '\n':
      out += "\\n";
      return;
    case '\r':
      out += "\\r";
      return;
    case '\t':
      out += "\\t";
      return;
    default:
      append_unicode_escape(out, code);
  }
}

void append_hex_bytes(std::string& out, std::string_view bytes) {
  for (const char c : bytes) {
    const auto byte = static_cast<unsigned char>(c);
    out += "\\x";
    out += kHex[byte >> 4];
    out += kHex[byte & 0xfU];
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
  while (true) {
    out += take_plain(text);
    if (text.empty()) break;
    const Utf8Char c = first_utf8_char(text);
    const std::string_view bytes = text.substr(0, std::max(c.bytes, 1U));
    if (c.bytes == 0) {
      out += "\xef\xbf\xbd";  // U+FFFD
    } else if (c.code == '"' || c.code == '\\' || is_hidden(c.code)) {
      append_json_escape(out, c.code);
    } else {
      out += bytes;
    }
    text.remove_prefix(bytes.size());
  }
  out += '"';
}

std::string printable(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  while (true) {
    out += take_plain(text);
    if (text.empty()) return out;
    const Utf8Char c = first_utf8_char(text);
    const std::string_view bytes = text.substr(0, std::max(c.bytes, 1U));
    append_printable(out, c, bytes);
    text.remove_prefix(bytes.size());
  }
}

std::string csv_field(std::string_view text) {
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
  std::string escaped;
  for (const char c : printable(text)) {
    switch (c) {
      case '&':
        escaped += "&amp;";
        break;
      case '<':
        escaped += "&lt;";
        break;
      case '>':
        escaped += "&gt;";
        break;
      case '"':
        escaped += "&quot;";
        break;
      case '\'':
        escaped += "&#39;";
        break;
      default:
        escaped += c;
    }
  }
  return escaped;
}

}  // namespace tcpdwell
