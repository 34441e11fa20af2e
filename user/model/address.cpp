// SPDX-License-Identifier: BSD-2-Clause
#include "model/address.h"

#include <array>
#include <charconv>
#include <cstddef>
#include <cstdint>

namespace tcpdwell {
namespace {

using Words = std::array<std::uint16_t, 8>;

void append_number(std::string& out, unsigned number, int base) {
  std::array<char, 5> digits;
  const char* end = std::to_chars(digits.data(), digits.data() + digits.size(), number, base).ptr;
  out.append(digits.data(), static_cast<std::size_t>(end - digits.data()));
}

void append_v4(std::string& out, const std::uint8_t* bytes) {
  for (std::size_t i = 0; i < 4; ++i) {
    if (i > 0) out.push_back('.');
    append_number(out, bytes[i], 10);
  }
}

struct Run {
  std::size_t begin = 0, size = 0;
};

/// The longest run of zero words, the first of equals; a single zero is none (RFC 5952, 4.2).
Run longest_zeros(const Words& words) {
  Run longest;
  for (std::size_t i = 0; i < words.size();) {
    Run run{i, 0};
    while (i < words.size() && words[i] == 0) ++i, ++run.size;
    if (run.size > longest.size) longest = run;
    if (run.size == 0) ++i;
  }
  return longest.size > 1 ? longest : Run{};
}

/// `::a.b.c.d` and `::ffff:a.b.c.d`.
bool ends_in_v4(const Words& words, const Run& zeros) {
  if (zeros.begin != 0) return false;
  return zeros.size == 6 || (zeros.size == 5 && words[5] == 0xffff);
}

void append_v6(std::string& out, const std::array<std::uint8_t, 16>& addr) {
  Words words;
  for (std::size_t i = 0; i < words.size(); ++i) {
    words[i] = static_cast<std::uint16_t>(addr[2 * i] << 8 | addr[2 * i + 1]);
  }
  const Run zeros = longest_zeros(words);
  const std::size_t in_hex = ends_in_v4(words, zeros) ? 6 : 8;
  for (std::size_t i = 0; i < in_hex;) {
    if (zeros.size > 0 && i == zeros.begin) {
      out.append("::");
      i += zeros.size;
      continue;
    }
    if (i > 0 && i != zeros.begin + zeros.size) out.push_back(':');
    append_number(out, words[i++], 16);
  }
  if (in_hex == 8) return;
  if (zeros.size == 5) out.push_back(':');
  append_v4(out, &addr[12]);
}

}  // namespace

void append_address(std::string& out, Family family, const Endpoint& endpoint) {
  if (family == Family::V4) {
    append_v4(out, endpoint.addr.data());
  } else {
    append_v6(out, endpoint.addr);
  }
}

}  // namespace tcpdwell
