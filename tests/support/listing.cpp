// SPDX-License-Identifier: BSD-2-Clause
#include "support/listing.h"

#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>
#include <cstring>

namespace tcpdwell::test {
namespace {

void ask(int netlink, int family) {
  struct {
    nlmsghdr header{};
    inet_diag_req_v2 what{};
  } request;
  request.header.nlmsg_len = sizeof request;
  request.header.nlmsg_type = SOCK_DIAG_BY_FAMILY;
  request.header.nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
  request.what.sdiag_family = static_cast<std::uint8_t>(family);
  request.what.sdiag_protocol = IPPROTO_TCP;
  request.what.idiag_states = 0x1fff;  // up to TCP_NEW_SYN_RECV; none that is bound only
  sys(send(netlink, &request, sizeof request, 0), "send to sock_diag");
}

State state_of(const inet_diag_msg& message) {
  constexpr int kNewSynRecv = 12;
  return message.idiag_state == kNewSynRecv ? State::SynRecv
                                            : static_cast<State>(message.idiag_state);
}

/// False at the end of the dump.
bool take(std::vector<Listed>& sockets, const char* bytes, std::size_t size) {
  while (size >= NLMSG_HDRLEN) {
    nlmsghdr header{};
    std::memcpy(&header, bytes, sizeof header);
    if (header.nlmsg_type == NLMSG_DONE) return false;
    if (header.nlmsg_type == NLMSG_ERROR) throw std::runtime_error("sock_diag refuses");
    inet_diag_msg message{};
    std::memcpy(&message, bytes + NLMSG_HDRLEN, sizeof message);
    const std::uint64_t high = message.id.idiag_cookie[1];
    sockets.push_back({high << 32 | message.id.idiag_cookie[0], state_of(message)});
    const std::size_t whole = NLMSG_ALIGN(header.nlmsg_len);
    if (whole > size) break;
    bytes += whole;
    size -= whole;
  }
  return true;
}

}  // namespace

std::vector<Listed> list_sockets(const Netns& netns) {
  netns.enter();
  const Fd netlink(
      sys(socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_SOCK_DIAG), "sock_diag"));
  std::vector<Listed> sockets;
  std::vector<char> buffer(256 << 10);
  for (const int family : {AF_INET, AF_INET6}) {
    ask(netlink.get(), family);
    while (take(sockets, buffer.data(),
                static_cast<std::size_t>(
                    sys(recv(netlink.get(), buffer.data(), buffer.size(), 0), "sock_diag dump")))) {
    }
  }
  return sockets;
}

std::size_t count_in(const std::vector<Listed>& sockets, State state) {
  return static_cast<std::size_t>(std::count_if(
      sockets.begin(), sockets.end(), [&](const Listed& socket) { return socket.state == state; }));
}

}  // namespace tcpdwell::test
