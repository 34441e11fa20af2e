// SPDX-License-Identifier: BSD-2-Clause
#include "support/diag.h"

#include <arpa/inet.h>
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <cstring>

namespace tcpdwell::test {
namespace {

struct Request {
  nlmsghdr header{};
  inet_diag_req_v2 what{};
};

Request request_of(std::uint16_t type, Family family, const Endpoint& local,
                   const Endpoint& remote) {
  Request request;
  request.header.nlmsg_len = sizeof request;
  request.header.nlmsg_type = type;
  request.header.nlmsg_flags = NLM_F_REQUEST;
  if (type == SOCK_DESTROY) request.header.nlmsg_flags |= NLM_F_ACK;
  request.what.sdiag_family = family == Family::V4 ? AF_INET : AF_INET6;
  request.what.sdiag_protocol = IPPROTO_TCP;
  request.what.idiag_states = ~0U;
  inet_diag_sockid& id = request.what.id;
  id.idiag_sport = htons(local.port);
  id.idiag_dport = htons(remote.port);
  std::memcpy(id.idiag_src, local.addr.data(), sizeof id.idiag_src);
  std::memcpy(id.idiag_dst, remote.addr.data(), sizeof id.idiag_dst);
  id.idiag_cookie[0] = id.idiag_cookie[1] = INET_DIAG_NOCOOKIE;
  return request;
}

template <class T>
T payload_of(const char* message) {
  T payload;
  std::memcpy(&payload, message + NLMSG_HDRLEN, sizeof payload);
  return payload;
}

}  // namespace

Diag::Diag()
    : netlink_(sys(socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_SOCK_DIAG), "sock_diag")) {}

Diag::Reply Diag::ask(std::uint16_t type, Family family, const Endpoint& local,
                      const Endpoint& remote) {
  const Request request = request_of(type, family, local, remote);
  sys(send(netlink_.get(), &request, sizeof request, 0), "send to sock_diag");
  char message[4096];
  sys(recv(netlink_.get(), message, sizeof message, 0), "receive from sock_diag");
  nlmsghdr header{};
  std::memcpy(&header, message, sizeof header);
  if (header.nlmsg_type == NLMSG_ERROR) return {-payload_of<nlmsgerr>(message).error, 0};
  return {0, payload_of<inet_diag_msg>(message).idiag_state};
}

std::optional<State> Diag::state(Family family, const Endpoint& local, const Endpoint& remote) {
  const Reply reply = ask(SOCK_DIAG_BY_FAMILY, family, local, remote);
  if (reply.error != 0 && reply.error != ENOENT) {
    throw std::system_error(reply.error, std::generic_category(), "sock_diag");
  }
  const auto state = static_cast<State>(reply.state);
  // Without a connection it answers with the listener.
  if (reply.error == ENOENT || state == State::Listen) return std::nullopt;
  return state;
}

Stamp Diag::destroy(Family family, const Endpoint& local, const Endpoint& remote) {
  Stamp when;
  when.before = monotonic_ns();
  const Reply reply = ask(SOCK_DESTROY, family, local, remote);
  when.after = monotonic_ns();
  if (reply.error != 0)
    throw std::system_error(reply.error, std::generic_category(), "SOCK_DESTROY");
  return when;
}

}  // namespace tcpdwell::test
