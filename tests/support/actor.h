// SPDX-License-Identifier: BSD-2-Clause
/// A process with a name that makes system calls when told to and says when it made them.
#pragma once

#include <sys/types.h>

#include <string>

#include "model/event.h"
#include "support/sys.h"
#include "support/truth.h"

namespace tcpdwell::test {

/// What the kernel says about a socket.
struct SocketFacts {
  std::uint64_t cookie = 0;
  Family family = Family::V4;
  Endpoint local, remote;
};

/// Runs in the actor. Returns a value, or -1 with errno. The actor is a fork of this program, so a
/// plain function (or a lambda without captures) has the same address there.
using Action = long (*)(long a, long b, SocketFacts& facts);

struct Answer {
  long value = 0;
  int error = 0;
  Stamp when;
  SocketFacts facts;
};

/// Single-threaded, so its pid and name are also its sockets' owner. It keeps no descriptor of this
/// process: a BPF link held by a child would outlive its tracer. In the caller's network namespace.
class Actor {
 public:
  explicit Actor(std::string name);
  ~Actor();
  Actor(const Actor&) = delete;
  Actor& operator=(const Actor&) = delete;

  pid_t pid() const { return pid_; }
  const std::string& name() const { return name_; }

  /// Waits for the action's end; throws its error.
  Answer ask(const char* what, Action action, long a = 0, long b = 0);
  /// The two halves of ask(), for an action that blocks until another actor does something.
  void tell(Action action, long a = 0, long b = 0);
  Answer hear(const char* what);

 private:
  std::string name_;
  Fd line_;
  pid_t pid_ = -1;
};

/// For use in actions: fills `facts` about `fd`; 0, or -1 with errno.
long describe_socket(int fd, SocketFacts& facts);

}  // namespace tcpdwell::test
