// SPDX-License-Identifier: BSD-2-Clause
#include "model/address.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>

#include <array>
#include <cstdint>
#include <random>
#include <string>

namespace tcpdwell {
namespace {

std::string appended(Family family, const Endpoint& endpoint) {
  std::string out = "<";
  append_address(out, family, endpoint);
  return out;
}

std::string expected(Family family, const Endpoint& endpoint) {
  std::array<char, INET6_ADDRSTRLEN> text{};
  inet_ntop(family == Family::V4 ? AF_INET : AF_INET6, endpoint.addr.data(), text.data(),
            text.size());
  return std::string("<") + text.data();
}

TEST(Address, EveryByteOfV4) {
  for (int byte = 0; byte < 256; ++byte) {
    Endpoint endpoint;
    for (std::size_t i = 0; i < 4; ++i) endpoint.addr[i] = static_cast<std::uint8_t>(byte + i * 85);
    EXPECT_EQ(appended(Family::V4, endpoint), expected(Family::V4, endpoint));
  }
}

/// Every pattern of zero and other words, so every run that can be shortened.
TEST(Address, EveryPatternOfZerosInV6) {
  constexpr std::uint64_t kSeed = 11;
  SCOPED_TRACE("seed " + std::to_string(kSeed));
  std::mt19937 random(kSeed);
  for (int round = 0; round < 200; ++round) {
    for (unsigned pattern = 0; pattern < 256; ++pattern) {
      Endpoint endpoint;
      for (std::size_t word = 0; word < 8; ++word) {
        if ((pattern >> word & 1U) == 0) continue;
        const unsigned value = round % 4 == 0 ? 0xffff : 1U + random() % (0xffffU >> random() % 15);
        endpoint.addr[2 * word] = static_cast<std::uint8_t>(value >> 8);
        endpoint.addr[2 * word + 1] = static_cast<std::uint8_t>(value);
      }
      ASSERT_EQ(appended(Family::V6, endpoint), expected(Family::V6, endpoint));
    }
  }
}

}  // namespace
}  // namespace tcpdwell
