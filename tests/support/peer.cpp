// SPDX-License-Identifier: BSD-2-Clause
#include "support/peer.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <stdexcept>

namespace tcpdwell::test {
namespace {

constexpr const char* kDevice = "peer";

/// struct in6_ifreq of linux/ipv6.h, a header that does not go with netinet/in.h.
struct In6Request {
  in6_addr address;
  std::uint32_t prefix;
  int index;
};

ifreq request_for_device() {
  ifreq request{};
  std::strcpy(request.ifr_name, kDevice);
  return request;
}

Fd open_tun(Delivery delivery) {
  Fd tun(sys(open("/dev/net/tun", O_RDWR | O_CLOEXEC | O_NONBLOCK), "open /dev/net/tun"));
  ifreq request = request_for_device();
  request.ifr_flags = IFF_TUN | IFF_NO_PI;
  if (delivery == Delivery::Softirq) request.ifr_flags |= IFF_NAPI;
  sys(ioctl(tun.get(), TUNSETIFF, &request), "TUNSETIFF");
  return tun;
}

void put_ipv4(ifreq& request, const char* address) {
  sockaddr_in v4{};
  v4.sin_family = AF_INET;
  inet_pton(AF_INET, address, &v4.sin_addr);
  std::memcpy(&request.ifr_addr, &v4, sizeof v4);
}

void bring_up() {
  const Fd any(sys(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0), "socket"));
  ifreq request = request_for_device();
  put_ipv4(request, "10.77.0.1");
  sys(ioctl(any.get(), SIOCSIFADDR, &request), "SIOCSIFADDR");
  put_ipv4(request, "255.255.255.0");
  sys(ioctl(any.get(), SIOCSIFNETMASK, &request), "SIOCSIFNETMASK");
  sys(ioctl(any.get(), SIOCGIFFLAGS, &request), "SIOCGIFFLAGS");
  request.ifr_flags = static_cast<short>(request.ifr_flags | IFF_UP);
  sys(ioctl(any.get(), SIOCSIFFLAGS, &request), "SIOCSIFFLAGS");
}

void add_ipv6_address() {
  const Fd any(sys(socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0), "socket AF_INET6"));
  In6Request request{};
  inet_pton(AF_INET6, "fd77::1", &request.address);
  request.prefix = 64;
  request.index = static_cast<int>(if_nametoindex(kDevice));
  sys(ioctl(any.get(), SIOCSIFADDR, &request), "SIOCSIFADDR IPv6");
}

/// As it is on the wire, where a mapped address is plain IPv4.
Endpoint wire_endpoint(Net net, std::uint8_t host, std::uint16_t port) {
  return host_endpoint(net == Net::Mapped ? Net::V4 : net, host, port);
}

}  // namespace

Endpoint host_endpoint(Net net, std::uint8_t host, std::uint16_t port) {
  Endpoint endpoint;
  endpoint.port = port;
  switch (net) {
    case Net::V4:
      endpoint.addr = {10, 77, 0, host};
      break;
    case Net::Mapped:
      endpoint.addr = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 10, 77, 0, host};
      break;
    case Net::V6:
      endpoint.addr = {0xfd, 0x77};
      endpoint.addr[15] = host;
  }
  return endpoint;
}

Wire::Wire(Delivery delivery) : tun_(open_tun(delivery)) {
  bring_up();
  add_ipv6_address();
}

// tun_get_user() hands the packet to the stack, or runs the softirq that does, before write()
// returns.
Stamp Wire::send(const Segment& segment) {
  const auto packet = encode(segment);
  Stamp when;
  when.before = monotonic_ns();
  sys(write(tun_.get(), packet.data(), packet.size()), "write to tun");
  when.after = monotonic_ns();
  return when;
}

bool Wire::read_one(std::chrono::milliseconds limit) {
  pollfd ready{tun_.get(), POLLIN, 0};
  if (sys(poll(&ready, 1, static_cast<int>(limit.count())), "poll tun") == 0) return false;
  std::array<std::uint8_t, 2048> packet;
  const auto size = sys(read(tun_.get(), packet.data(), packet.size()), "read tun");
  auto segment = decode_packet(std::span(packet).first(static_cast<std::size_t>(size)));
  if (segment) unread_.push_back(std::move(*segment));
  return true;
}

std::optional<Segment> Wire::receive(std::uint16_t from, std::uint16_t to,
                                     std::chrono::milliseconds limit) {
  using Clock = std::chrono::steady_clock;
  const auto end = Clock::now() + limit;
  while (true) {
    const auto found = std::find_if(unread_.begin(), unread_.end(), [&](const Segment& segment) {
      return segment.from.port == from && segment.to.port == to;
    });
    if (found != unread_.end()) {
      Segment segment = std::move(*found);
      unread_.erase(found);
      return segment;
    }
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(end - Clock::now());
    if (!read_one(std::max(left, std::chrono::milliseconds(0))) && left.count() <= 0) {
      return std::nullopt;
    }
  }
}

Remote::Remote(Wire& wire, Net net, Ports ports, std::uint32_t isn)
    : wire_(&wire), net_(net), ports_(ports), seq_(isn) {}

Stamp Remote::send(unsigned flags, std::string_view payload) {
  last_ = Segment{};
  last_.family = net_ == Net::V6 ? Family::V6 : Family::V4;
  last_.from = wire_endpoint(net_, kPeerHost, ports_.remote);
  last_.to = wire_endpoint(net_, kKernelHost, ports_.local);
  last_.seq = seq_;
  last_.ack = (flags & kAck) != 0 ? ack_ : 0;
  last_.flags = flags;
  last_.payload = payload;
  last_.asks_for_cookie = asks_for_cookie_ && (flags & kSyn) != 0;
  if (timestamps_) {
    last_.timestamps = {static_cast<std::uint32_t>(monotonic_ns() / kMillisecond), echo_};
  }
  seq_ += last_.length();
  return wire_->send(last_);
}

Stamp Remote::repeat() { return wire_->send(last_); }

Segment Remote::expect(unsigned flags, std::chrono::milliseconds limit) {
  std::string others;
  while (auto segment = wire_->receive(ports_.local, ports_.remote, limit)) {
    if ((segment->flags & ~kPsh) != flags) {
      others += " " + flags_text(segment->flags);
      continue;
    }
    ack_ = segment->seq + segment->length();
    if (segment->timestamps) echo_ = segment->timestamps->value;
    return *segment;
  }
  throw std::runtime_error("peer waits for " + flags_text(flags) +
                           ", came:" + (others.empty() ? " nothing" : others));
}

}  // namespace tcpdwell::test
