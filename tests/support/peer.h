// SPDX-License-Identifier: BSD-2-Clause
/// A scripted TCP on the far side of a TUN device: it sends what it is told to, when it is told to,
/// and never answers by itself. What it talks to is the kernel's own stack.
#pragma once

#include <chrono>
#include <deque>
#include <optional>
#include <span>
#include <string_view>

#include "support/packet.h"
#include "support/sys.h"
#include "support/truth.h"
#include "support/workload.h"

namespace tcpdwell::test {

/// 10.77.0.1, fd77::1 or ::ffff:10.77.0.1 as the socket's address has it; `host` is the last byte.
inline constexpr std::uint8_t kKernelHost = 1, kPeerHost = 2;
Endpoint host_endpoint(Net net, std::uint8_t host, std::uint16_t port);
constexpr Family family_of(Net net) { return net == Net::V4 ? Family::V4 : Family::V6; }

/// Where the stack works on a packet.
enum class Delivery {
  Softirq,  ///< as with a network card
  Process,  ///< in write() itself, as with most VPN programs
};

/// The device, in the caller's network namespace.
class Wire {
 public:
  explicit Wire(Delivery delivery);
  /// The kernel has processed the packet when this returns.
  Stamp send(const Segment& segment);
  /// The next segment the kernel sent from port `from` to port `to`; nullopt after `limit`.
  std::optional<Segment> receive(std::uint16_t from, std::uint16_t to,
                                 std::chrono::milliseconds limit);

 private:
  bool read_one(std::chrono::milliseconds limit);
  Fd tun_;
  std::deque<Segment> unread_;
};

struct Ports {
  std::uint16_t local = 0, remote = 0;  ///< the kernel's, the peer's
  friend bool operator==(const Ports&, const Ports&) = default;
};

/// The far end of one connection. Sequence numbers are kept: what it sent is not sent again, and it
/// acknowledges what it has expected, nothing more.
class Remote {
 public:
  Remote(Wire& wire, Net net, Ports ports, std::uint32_t isn = 1'000'000);

  Stamp send(unsigned flags, std::string_view payload = {});
  /// The last segment once more, to the byte.
  Stamp repeat();
  /// Waits for a segment with exactly these flags (PSH aside), reading away others. Throws with
  /// what came instead.
  Segment expect(unsigned flags, std::chrono::milliseconds limit = std::chrono::seconds(3));
  /// From now on segments carry the timestamps option.
  void use_timestamps() { timestamps_ = true; }
  /// From now on a SYN asks for a Fast Open cookie.
  void ask_for_cookie() { asks_for_cookie_ = true; }
  bool has_timestamps() const { return timestamps_; }
  std::uint32_t next_seq() const { return seq_; }

 private:
  Wire* wire_;
  Net net_;
  Ports ports_;
  std::uint32_t seq_, ack_ = 0, echo_ = 0;
  bool timestamps_ = false;
  bool asks_for_cookie_ = false;
  Segment last_;
};

}  // namespace tcpdwell::test
