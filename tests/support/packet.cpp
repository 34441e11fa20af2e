// SPDX-License-Identifier: BSD-2-Clause
#include "support/packet.h"

#include <netinet/in.h>

#include <algorithm>

namespace tcpdwell::test {
namespace {

using Bytes = std::vector<std::uint8_t>;
using View = std::span<const std::uint8_t>;

constexpr std::size_t kHeader4 = 20, kHeader6 = 40, kTcpHeader = 20;
constexpr std::uint8_t kNop = 1, kEndOfOptions = 0, kTimestamps = 8, kTimestampsSize = 10,
                       kFastOpen = 34;
constexpr std::uint16_t kWindow = 0xffff;

void put16(Bytes& out, std::uint32_t value) {
  out.push_back(static_cast<std::uint8_t>(value >> 8));
  out.push_back(static_cast<std::uint8_t>(value));
}

void put32(Bytes& out, std::uint32_t value) {
  put16(out, value >> 16);
  put16(out, value & 0xffff);
}

std::uint16_t get16(View in, std::size_t at) {
  return static_cast<std::uint16_t>(in[at] << 8 | in[at + 1]);
}

std::uint32_t get32(View in, std::size_t at) {
  return static_cast<std::uint32_t>(get16(in, at)) << 16 | get16(in, at + 2);
}

std::size_t address_size(Family family) { return family == Family::V4 ? 4 : 16; }

void put_address(Bytes& out, Family family, const Endpoint& endpoint) {
  out.insert(out.end(), endpoint.addr.begin(),
             endpoint.addr.begin() + static_cast<std::ptrdiff_t>(address_size(family)));
}

/// RFC 1071; both parts have an even number of bytes, or only the last has not.
std::uint16_t checksum(View first, View second = {}) {
  std::uint32_t sum = 0;
  for (const View part : {first, second}) {
    for (std::size_t i = 0; i < part.size(); ++i) sum += i % 2 == 0 ? part[i] << 8 : part[i];
  }
  while (sum >> 16 != 0) sum = (sum & 0xffff) + (sum >> 16);
  return static_cast<std::uint16_t>(~sum);
}

void set16(Bytes& out, std::size_t at, std::uint16_t value) {
  out[at] = static_cast<std::uint8_t>(value >> 8);
  out[at + 1] = static_cast<std::uint8_t>(value);
}

void put_timestamps(Bytes& out, const Timestamps& timestamps) {
  out.insert(out.end(), {kNop, kNop, kTimestamps, kTimestampsSize});
  put32(out, timestamps.value);
  put32(out, timestamps.echo);
}

Bytes encode_tcp(const Segment& segment) {
  Bytes out;
  put16(out, segment.from.port);
  put16(out, segment.to.port);
  put32(out, segment.seq);
  put32(out, segment.ack);
  const std::size_t options = (segment.timestamps ? 12 : 0) + (segment.asks_for_cookie ? 4 : 0);
  put16(out, static_cast<std::uint32_t>((kTcpHeader + options) / 4) << 12 | segment.flags);
  put16(out, kWindow);
  put32(out, 0);  // checksum, urgent pointer
  if (segment.timestamps) put_timestamps(out, *segment.timestamps);
  if (segment.asks_for_cookie) out.insert(out.end(), {kNop, kNop, kFastOpen, 2});
  out.insert(out.end(), segment.payload.begin(), segment.payload.end());

  Bytes pseudo;
  put_address(pseudo, segment.family, segment.from);
  put_address(pseudo, segment.family, segment.to);
  put32(pseudo, IPPROTO_TCP);
  put32(pseudo, static_cast<std::uint32_t>(out.size()));
  set16(out, 16, checksum(pseudo, out));
  return out;
}

Bytes header4(const Segment& segment, std::size_t payload) {
  Bytes out = {0x45, 0};
  put16(out, static_cast<std::uint32_t>(kHeader4 + payload));
  put32(out, 0x4000);  // don't fragment
  out.insert(out.end(), {64, IPPROTO_TCP, 0, 0});
  put_address(out, segment.family, segment.from);
  put_address(out, segment.family, segment.to);
  set16(out, 10, checksum(out));
  return out;
}

Bytes header6(const Segment& segment, std::size_t payload) {
  Bytes out = {0x60, 0, 0, 0};
  put16(out, static_cast<std::uint32_t>(payload));
  out.insert(out.end(), {IPPROTO_TCP, 64});
  put_address(out, segment.family, segment.from);
  put_address(out, segment.family, segment.to);
  return out;
}

Endpoint endpoint(Family family, View address, std::uint16_t port) {
  Endpoint result;
  std::copy_n(address.begin(), address_size(family), result.addr.begin());
  result.port = port;
  return result;
}

std::optional<Timestamps> find_timestamps(View options) {
  while (options.size() >= 2 && options[0] != kEndOfOptions) {
    const std::size_t size = options[0] == kNop ? 1 : options[1];
    if (size == 0 || size > options.size()) break;
    if (options[0] == kTimestamps && size == kTimestampsSize) {
      return Timestamps{get32(options, 2), get32(options, 6)};
    }
    options = options.subspan(size);
  }
  return std::nullopt;
}

}  // namespace

std::string flags_text(unsigned flags) {
  std::string text;
  const auto name = [&](unsigned flag, const char* name) {
    if ((flags & flag) != 0) text.append(text.empty() ? "" : "|").append(name);
  };
  name(kSyn, "SYN");
  name(kFin, "FIN");
  name(kRst, "RST");
  name(kAck, "ACK");
  return text.empty() ? "none" : text;
}

std::uint32_t Segment::length() const {
  const auto size = static_cast<std::uint32_t>(payload.size());
  return size + ((flags & kSyn) != 0 ? 1 : 0) + ((flags & kFin) != 0 ? 1 : 0);
}

Bytes encode(const Segment& segment) {
  const Bytes tcp = encode_tcp(segment);
  Bytes packet =
      segment.family == Family::V4 ? header4(segment, tcp.size()) : header6(segment, tcp.size());
  packet.insert(packet.end(), tcp.begin(), tcp.end());
  return packet;
}

std::optional<Segment> decode_packet(View packet) {
  if (packet.empty()) return std::nullopt;
  Segment segment;
  segment.family = packet[0] >> 4 == 6 ? Family::V6 : Family::V4;
  const bool v4 = segment.family == Family::V4;
  const std::size_t header = v4 ? kHeader4 : kHeader6, size = address_size(segment.family);
  if (packet.size() < header + kTcpHeader || packet[v4 ? 9 : 6] != IPPROTO_TCP) return std::nullopt;
  const View tcp = packet.subspan(header);
  const std::size_t tcp_header = static_cast<std::size_t>(tcp[12] >> 4) * 4;
  if (tcp_header < kTcpHeader || tcp.size() < tcp_header) return std::nullopt;
  const std::size_t addresses = v4 ? 12 : 8;
  segment.from = endpoint(segment.family, packet.subspan(addresses), get16(tcp, 0));
  segment.to = endpoint(segment.family, packet.subspan(addresses + size), get16(tcp, 2));
  segment.seq = get32(tcp, 4);
  segment.ack = get32(tcp, 8);
  segment.flags = tcp[13];
  segment.timestamps = find_timestamps(tcp.subspan(kTcpHeader, tcp_header - kTcpHeader));
  segment.payload.assign(tcp.begin() + static_cast<std::ptrdiff_t>(tcp_header), tcp.end());
  return segment;
}

}  // namespace tcpdwell::test
