// SPDX-License-Identifier: BSD-2-Clause
#include "util/escape.h"

#include <algorithm>
#include <cstddef>

#include "util/utf8.h"

namespace tcpdwell {
namespace {

constexpr char kHex[] = "0123456789abcdef";

/// Whether a terminal acts on the character instead of showing it, or shows what follows somewhere
/// else: C0, DEL, C1, line and paragraph separator, bidirectional embeddings, overrides, isolates.
bool is_active(char32_t code) {
  if (code < 0x20 || (code >= 0x7f && code <= 0x9f)) return true;
  return (code >= 0x2028 && code <= 0x202e) || (code >= 0x2066 && code <= 0x2069);
}

bool is_plain_ascii(char c) { return c >= 0x20 && c < 0x7f && c != '"' && c != '\\'; }

/// Moves the characters at the front that need no escape in any format; they are nearly all.
std::string_view take_plain(std::string_view& text) {
  const auto end = std::find_if_not(text.begin(), text.end(), is_plain_ascii);
  const std::string_view plain = text.substr(0, static_cast<std::size_t>(end - text.begin()));
  text.remove_prefix(plain.size());
  return plain;
}

/// \uXXXX; every active character is below U+10000.
void append_unicode_escape(std::string& out, char32_t code) {
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

/// printable(), except that the ASCII characters in `kept` stay as they are.
std::string escaped_except(std::string_view text, std::string_view kept) {
  std::string out;
  out.reserve(text.size());
  while (true) {
    out += take_plain(text);
    if (text.empty()) return out;
    const Utf8Char c = first_utf8_char(text);
    const std::string_view bytes = text.substr(0, std::max(c.bytes, 1U));
    if (c.code == '\\') {
      out += "\\\\";
    } else if (kept.find(bytes) == std::string_view::npos && (c.bytes == 0 || is_active(c.code))) {
      append_hex_bytes(out, bytes);
    } else {
      out += bytes;
    }
    text.remove_prefix(bytes.size());
  }
}

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
    } else if (c.code == '"' || c.code == '\\' || is_active(c.code)) {
      append_json_escape(out, c.code);
    } else {
      out += bytes;
    }
    text.remove_prefix(bytes.size());
  }
  out += '"';
}

std::string printable(std::string_view text) { return escaped_except(text, ""); }

std::string csv_field(std::string_view text) {
  constexpr std::string_view kFormulaStarts = "=+-@\t\r\n";
  std::string field;
  if (!text.empty() && kFormulaStarts.find(text.front()) != std::string_view::npos) field += '\'';
  field += escaped_except(text, "\r\n");
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
