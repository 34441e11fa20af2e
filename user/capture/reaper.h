// SPDX-License-Identifier: BSD-2-Clause
/// Lets the kernel side look over the time-wait sockets it follows, some at a time, for those whose
/// end it was not shown.
#pragma once

#include <chrono>
#include <cstdint>

namespace tcpdwell {

class Reaper {
 public:
  /// Both are the caller's and stay open: `program` is the one that looks at a socket
  /// (bpf/sweep.bpf.h), `map` the one whose keys are the sockets' cookies.
  Reaper(int program, int map) : program_(program), map_(map) {}
  /// A thousand sockets, in about a millisecond. At the end of the map it rests for a while.
  void step(std::chrono::steady_clock::time_point now);

 private:
  bool look_at_next();

  int program_, map_;
  bool walking_ = false;
  std::uint64_t cookie_ = 0;  ///< looked at last
  std::chrono::steady_clock::time_point next_{};
};

}  // namespace tcpdwell
