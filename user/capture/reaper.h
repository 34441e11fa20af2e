// SPDX-License-Identifier: BSD-2-Clause
/// Lets the kernel side look over the time-wait sockets it follows, some at a time, for those whose
/// end it was not shown.
#pragma once

#include <chrono>
#include <cstddef>
#include <optional>

#include "capture/batches.h"

struct tcpdwell_bpf;

namespace tcpdwell {

class Reaper {
 public:
  /// `skeleton` must outlive it.
  explicit Reaper(tcpdwell_bpf& skeleton) : skeleton_(&skeleton) {}
  /// A thousand sockets, in two tenths of a millisecond. After the last of them it rests for a
  /// while.
  void step(std::chrono::steady_clock::time_point now);

 private:
  void look_at(std::size_t count);

  tcpdwell_bpf* skeleton_;
  std::optional<Batches> walk_;  ///< of now, none while it rests
  std::chrono::steady_clock::time_point next_{};
};

}  // namespace tcpdwell
