// SPDX-License-Identifier: BSD-2-Clause
/// A host may keep BPF programs from running while one of certain tasks is current, and tell
/// nobody: neither as a run nor as a recursion miss. (Seen on a sandbox: a softirq on top of a
/// thread of its init process.) The kernel's own event trace is not kept from anything; so it is
/// the witness of what the programs could not see, and exactly that much may be missing from the
/// lines. On other hosts it is nothing.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "support/ledger.h"

namespace tcpdwell::test {

class Shadow {
 public:
  /// Records state changes, and timers of time-wait and request sockets, while other processes are
  /// current, in a trace instance of its own. Without tracefs it sees nothing, and excuses nothing.
  Shadow();
  ~Shadow();
  Shadow(const Shadow&) = delete;
  Shadow& operator=(const Shadow&) = delete;

  /// Events that came while a task was current under which not one line was ever written, though
  /// there was something to tell. Prints them. To be asked at the end.
  std::uint64_t hidden(const Ledger& books);

 private:
  void open();
  std::string mount_, instance_;
};

}  // namespace tcpdwell::test
