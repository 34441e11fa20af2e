// SPDX-License-Identifier: BSD-2-Clause
#include "support/actor.h"

#include <arpa/inet.h>
#include <linux/close_range.h>
#include <netinet/in.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include <csignal>
#include <cstring>

namespace tcpdwell::test {
namespace {

struct Order {
  Action action;
  long a, b;
};

Answer carry_out(const Order& order) {
  Answer answer;
  answer.when.before = monotonic_ns();
  answer.value = order.action(order.a, order.b, answer.facts);
  answer.error = answer.value < 0 ? errno : 0;
  answer.when.after = monotonic_ns();
  return answer;
}

[[noreturn]] void act(int line, const std::string& name) {
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  prctl(PR_SET_NAME, name.c_str());
  constexpr int kLine = 3;
  if (line != kLine) dup2(line, kLine);
  syscall(SYS_close_range, kLine + 1, ~0U, 0);
  Order order{};
  while (recv(kLine, &order, sizeof order, 0) == sizeof order) {
    const Answer answer = carry_out(order);
    if (send(kLine, &answer, sizeof answer, MSG_NOSIGNAL) != sizeof answer) break;
  }
  _exit(0);
}

Endpoint endpoint_of(const sockaddr_storage& address) {
  Endpoint endpoint;
  if (address.ss_family == AF_INET) {
    sockaddr_in v4{};
    std::memcpy(&v4, &address, sizeof v4);
    std::memcpy(endpoint.addr.data(), &v4.sin_addr, sizeof v4.sin_addr);
    endpoint.port = ntohs(v4.sin_port);
  } else {
    sockaddr_in6 v6{};
    std::memcpy(&v6, &address, sizeof v6);
    std::memcpy(endpoint.addr.data(), &v6.sin6_addr, sizeof v6.sin6_addr);
    endpoint.port = ntohs(v6.sin6_port);
  }
  return endpoint;
}

}  // namespace

Actor::Actor(std::string name) : name_(std::move(name)) {
  int ends[2];
  sys(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends), "socketpair");
  line_ = Fd(ends[0]);
  const Fd theirs(ends[1]);
  pid_ = sys(fork(), "fork");
  if (pid_ == 0) act(theirs.get(), name_);
}

Actor::~Actor() {
  line_.reset();
  waitpid(pid_, nullptr, 0);
}

void Actor::tell(Action action, long a, long b) {
  const Order order{action, a, b};
  sys(send(line_.get(), &order, sizeof order, MSG_NOSIGNAL), "order to actor");
}

Answer Actor::hear(const char* what) {
  Answer answer;
  if (recv(line_.get(), &answer, sizeof answer, 0) != sizeof answer) {
    throw std::runtime_error(name_ + " died at " + what);
  }
  if (answer.error != 0) {
    throw std::system_error(answer.error, std::generic_category(), name_ + ": " + what);
  }
  return answer;
}

Answer Actor::ask(const char* what, Action action, long a, long b) {
  tell(action, a, b);
  return hear(what);
}

long describe_socket(int fd, SocketFacts& facts) {
  socklen_t size = sizeof facts.cookie;
  if (getsockopt(fd, SOL_SOCKET, SO_COOKIE, &facts.cookie, &size) < 0) return -1;
  sockaddr_storage address{};
  size = sizeof address;
  if (getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size) < 0) return -1;
  facts.family = address.ss_family == AF_INET ? Family::V4 : Family::V6;
  facts.local = endpoint_of(address);
  size = sizeof address;
  if (getpeername(fd, reinterpret_cast<sockaddr*>(&address), &size) == 0) {
    facts.remote = endpoint_of(address);
  }
  return 0;
}

}  // namespace tcpdwell::test
