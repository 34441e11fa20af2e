// SPDX-License-Identifier: BSD-2-Clause
#include "support/cable.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <poll.h>
#include <sys/ioctl.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <random>
#include <stdexcept>
#include <vector>

#include "support/packet.h"

namespace tcpdwell::test {
namespace {

using Clock = std::chrono::steady_clock;

struct Parcel {
  Clock::time_point due;
  int to;
  std::vector<std::uint8_t> packet;
};

void run(const std::string& command) {
  if (std::system(command.c_str()) != 0) throw std::runtime_error("failed: " + command);
}

void address(const Netns& netns, const std::string& device, unsigned number, int end) {
  netns.enter();
  run(
      fmt::format("ip addr add 10.{0}.0.{1}/24 dev {2} && ip -6 addr add fd00:{0}::{1}/64 dev {2} "
                  "nodad && ip link set {2} up",
                  number, end, device));
}

Fd open_tun(const Netns& netns, const std::string& device, unsigned number, int end) {
  netns.enter();
  Fd tun(sys(open("/dev/net/tun", O_RDWR | O_CLOEXEC | O_NONBLOCK), "open /dev/net/tun"));
  ifreq request{};
  std::strncpy(request.ifr_name, device.c_str(), IFNAMSIZ - 1);
  request.ifr_flags = IFF_TUN | IFF_NO_PI | IFF_NAPI;
  sys(ioctl(tun.get(), TUNSETIFF, &request), "TUNSETIFF");
  address(netns, device, number, end);
  return tun;
}

/// Also false for what is not TCP: nobody needs it.
bool arrives(const std::vector<std::uint8_t>& packet) {
  const auto segment = decode_packet(packet);
  return segment && segment->from.port != kDeadPort && segment->to.port != kDeadPort &&
         segment->from.port != kMutePort;
}

}  // namespace

Cable::Cable(const Netns& left, const Netns& right, unsigned number, const CableOptions& options)
    : left_(open_tun(left, "cable", number, 1)),
      right_(open_tun(right, "cable", number, 2)),
      carrier_([this, options] { carry(options); }) {}

Cable::~Cable() {
  stop_ = true;
  carrier_.join();
}

void Cable::carry(CableOptions options) {
  std::mt19937_64 random(options.seed);
  std::bernoulli_distribution lost(options.loss);
  std::deque<Parcel> under_way;
  std::vector<std::uint8_t> buffer(64 << 10);
  pollfd ends[2] = {{left_.get(), POLLIN, 0}, {right_.get(), POLLIN, 0}};
  while (!stop_) {
    poll(ends, 2, under_way.empty() ? 20 : 1);
    for (int i = 0; i < 2; ++i) {
      while (true) {
        const ssize_t size = read(ends[i].fd, buffer.data(), buffer.size());
        if (size <= 0) break;
        Parcel parcel{
            Clock::now() + options.delay, ends[1 - i].fd, {buffer.begin(), buffer.begin() + size}};
        if (arrives(parcel.packet) && !lost(random)) under_way.push_back(std::move(parcel));
      }
    }
    while (!under_way.empty() && under_way.front().due <= Clock::now()) {
      const Parcel& parcel = under_way.front();
      // A full device loses it, as cables do.
      [[maybe_unused]] const auto written =
          write(parcel.to, parcel.packet.data(), parcel.packet.size());
      under_way.pop_front();
    }
  }
}

void connect_veth(const Netns& left, const Netns& right, unsigned number) {
  right.enter();
  const Fd there(sys(open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC), "open ns/net"));
  left.enter();
  // The descriptor is inherited by `ip` without CLOEXEC only.
  const Fd inherited(sys(dup(there.get()), "dup"));
  const std::string device = fmt::format("veth{}", number);
  run(fmt::format("ip link add {0} type veth peer name {0} netns /proc/self/fd/{1}", device,
                  inherited.get()));
  address(left, device, number, 1);
  address(right, device, number, 2);
}

}  // namespace tcpdwell::test
