// SPDX-License-Identifier: BSD-2-Clause
/// TCP segments to IP packets and back, written by hand.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "model/event.h"

namespace tcpdwell::test {

// RFC 9293 section 3.1
inline constexpr unsigned kFin = 0x01, kSyn = 0x02, kRst = 0x04, kPsh = 0x08, kAck = 0x10;
/// "SYN|ACK"
std::string flags_text(unsigned flags);

/// RFC 7323 section 3.2
struct Timestamps {
  std::uint32_t value = 0, echo = 0;
};

struct Segment {
  Family family = Family::V4;
  Endpoint from, to;
  std::uint32_t seq = 0, ack = 0;
  unsigned flags = 0;
  std::optional<Timestamps> timestamps;
  bool asks_for_cookie = false;  ///< Fast Open's option without a cookie; not decoded
  std::string payload;

  /// Numbers it takes of the sequence space.
  std::uint32_t length() const;
};

std::vector<std::uint8_t> encode(const Segment& segment);

/// nullopt: not TCP, or cut off. Checksums are the kernel's business and not verified.
std::optional<Segment> decode_packet(std::span<const std::uint8_t> packet);

}  // namespace tcpdwell::test
