// SPDX-License-Identifier: BSD-2-Clause
/// A host may keep BPF programs from running while one of certain tasks is current, and tell
/// nobody: neither as a run nor as a recursion miss. (Seen on a sandbox: a softirq on top of a
/// thread of its init process.) The kernel's own event trace is not kept from anything. So an event
/// in that trace is hidden where no program ran under its task, ever; that none did is shown by a
/// program that has nothing to do with the tracer (Canary), so what the tracer alone misses is
/// never taken for hidden.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <unordered_set>
#include <vector>

#include "model/event.h"
#include "support/canary.h"
#include "support/sys.h"

namespace tcpdwell::test {

/// What lines were told about: a hidden event of anything else is nobody's business.
class Told {
 public:
  void add(const Transition& line);
  /// A whole connection; where it has ended, when.
  void add(const Socket& socket, std::optional<std::uint64_t> mono_ns);
  /// Something that may start a timer, and that no line is about.
  void happened(std::uint64_t mono_ns);
  Told();
  bool about(unsigned local_port, unsigned remote_port) const;
  /// Some line says, or the test, that something happened at that time, give or take a millisecond
  /// or two.
  bool around(std::uint64_t mono_ns) const;

  const std::uint64_t since_ns;  ///< made, CLOCK_MONOTONIC

 private:
  std::unordered_set<std::uint32_t> ports_;
  std::unordered_set<std::uint64_t> milliseconds_;
};

/// One change of state, or one thing that happened to the timer of a time-wait or request socket.
struct HiddenEvent {
  std::string task;  ///< "tokio-rt-worker-68": name and thread id
  std::uint64_t mono_ns = 0;
  unsigned local_port = 0, remote_port = 0;  ///< of a change of state
  State from = State::Unknown, to = State::Unknown;
  std::string timer;  ///< which one; empty for a change of state
  std::uint64_t timer_start_ns = 0;
};

class Shadow {
 public:
  /// Records state changes, and timers of time-wait and request sockets, while other processes are
  /// current, in a trace instance of its own. Without tracefs or a Canary it sees nothing, and
  /// excuses nothing; so with TCPDWELL_NOTHING_HIDDEN, where a machine is known to hide nothing.
  Shadow();
  ~Shadow();
  Shadow(const Shadow&) = delete;
  Shadow& operator=(const Shadow&) = delete;

  /// Of everybody: all that was hidden so far.
  std::vector<HiddenEvent> hidden_of_all();
  /// What can be the reason that something is wrong with the lines `told`: changes of their
  /// connections, and timers started when something was told or happened, since then.
  std::vector<HiddenEvent> hidden(const Told& told);

 private:
  void open();
  std::optional<Canary> canary_;  ///< there before the recording begins, and until it has ended
  Fd tracefs_;
  std::string instance_;
};

/// "3 events (2 SYN_RECV>ESTABLISHED while tokio-rt-worker-68 was current, …)"
std::string text_of(const std::vector<HiddenEvent>& events);

/// How many timers these are about.
std::uint64_t timers_in(const std::vector<HiddenEvent>& events);

// Of the program, whose tests are one after the other: kernel/main.cpp begins and ends them,
// support/collect.h notes what is told.
void begin_shadow();
void end_shadow();
/// What was told since the test began, which is now where `begins`.
Told& told_in_test(bool begins = false);
/// From the test that runs, so far.
std::vector<HiddenEvent> hidden_in_test();
/// The same, and printed: for a test that knows what each such event makes its lines lack, and
/// holds them to that.
std::vector<HiddenEvent> reckon_with_hidden();

}  // namespace tcpdwell::test
