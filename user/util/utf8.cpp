// SPDX-License-Identifier: BSD-2-Clause
#include "util/utf8.h"

namespace tcpdwell {
namespace {

/// Length and payload of a first byte past ASCII, and the lowest code that needs that length.
struct Lead {
  unsigned bytes;
  char32_t payload;
  char32_t lowest;
};

Lead lead_of(unsigned char byte) {
  if ((byte & 0xe0U) == 0xc0) return {2, byte & 0x1fU, 0x80};
  if ((byte & 0xf0U) == 0xe0) return {3, byte & 0x0fU, 0x800};
  if ((byte & 0xf8U) == 0xf0) return {4, byte & 0x07U, 0x10000};
  return {0, 0, 0};
}

}  // namespace

Utf8Char first_utf8_char(std::string_view text) {
  const auto first = static_cast<unsigned char>(text.front());
  if (first < 0x80) return {first, 1};
  const Lead lead = lead_of(first);
  if (lead.bytes == 0 || text.size() < lead.bytes) return {};
  char32_t code = lead.payload;
  for (unsigned i = 1; i < lead.bytes; ++i) {
    const auto next = static_cast<unsigned char>(text[i]);
    if ((next & 0xc0U) != 0x80) return {};
    code = code << 6 | (next & 0x3fU);
  }
  const bool surrogate = code >= 0xd800 && code <= 0xdfff;
  if (code < lead.lowest || code > 0x10ffff || surrogate) return {};
  return {code, lead.bytes};
}

}  // namespace tcpdwell
