// SPDX-License-Identifier: BSD-2-Clause
#include "model/address.h"

#include <array>
#include <charconv>
#include <cstddef>
#include <cstdint>
#include <cstring>

namespace tcpdwell {
namespace {

using Words = std::array<std::uint16_t, 8>;

/// A byte as decimal digits, and how many they are.
struct Octet {
  std::array<char, 3> digits{};
  std::uint8_t size = 0;
};
constexpr auto kOctets = [] {
  std::array<Octet, 256> octets{};
  for (unsigned byte = 0; byte < 256; ++byte) {
    Octet& octet = octets[byte];
    for (const unsigned unit : {100U, 10U, 1U})
      if (byte >= unit || unit == 1)
        octet.digits[octet.size++] = static_cast<char>('0' + byte / unit % 10);
  }
  return octets;
}();

char* put_v4(char* at, const std::uint8_t* bytes) {
  for (std::size_t i = 0; i < 4; ++i) {
    if (i > 0) *at++ = '.';
    const Octet& octet = kOctets[bytes[i]];
    std::memcpy(at, octet.digits.data(), octet.digits.size());
    at += octet.size;
  }
  return at;
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

char* put_v6(char* at, const std::array<std::uint8_t, 16>& addr) {
  Words words;
  for (std::size_t i = 0; i < words.size(); ++i) {
    words[i] = static_cast<std::uint16_t>(addr[2 * i] << 8 | addr[2 * i + 1]);
  }
  const Run zeros = longest_zeros(words);
  const std::size_t in_hex = ends_in_v4(words, zeros) ? 6 : 8;
  for (std::size_t i = 0; i < in_hex;) {
    if (zeros.size > 0 && i == zeros.begin) {
      *at++ = ':';
      *at++ = ':';
      i += zeros.size;
      continue;
    }
    if (i > 0 && i != zeros.begin + zeros.size) *at++ = ':';
    at = std::to_chars(at, at + 4, words[i++], 16).ptr;
  }
  if (in_hex == 8) return at;
  if (zeros.size == 5) *at++ = ':';
  return put_v4(at, &addr[12]);
}

}  // namespace

char* put_address(char* at, Family family, const Endpoint& endpoint) {
  return family == Family::V4 ? put_v4(at, endpoint.addr.data()) : put_v6(at, endpoint.addr);
}

void append_address(std::string& out, Family family, const Endpoint& endpoint) {
  std::array<char, kMostAddressBytes> text;
  char* const end = put_address(text.data(), family, endpoint);
  out.append(text.data(), static_cast<std::size_t>(end - text.data()));
}

}  // namespace tcpdwell
