// SPDX-License-Identifier: BSD-2-Clause
/// What a script knows about one connection: which states, from when to when, and why they ended.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "model/event.h"
#include "support/truth.h"

namespace tcpdwell::test {

/// How far a time may be from the script's own.
inline constexpr std::uint64_t kTolerance = 2 * kMillisecond;
/// How far a lower bound may be below the truth: the tracer looks every 200 ms.
inline constexpr std::uint64_t kBoundSlack = 260 * kMillisecond;
/// Added where the tracer reads the kernel's own stamp, which counts in jiffies (CONFIG_HZ=250).
inline constexpr std::uint64_t kJiffy = 4 * kMillisecond;
/// As many of them a busy kernel may be late to count (LATE_JIFFIES, bpf/read.bpf.h).
inline constexpr std::uint64_t kLateJiffies = 8;

struct Step {
  State to = State::Unknown;
  Stamp when;
  Reason reason = Reason::None;
  Bound dwell = Bound::Exact;  ///< what is known of the state that ends here
  std::uint64_t slack = kTolerance;
  bool gap = false;  ///< the line says that one before it was lost
  /// The tracer may know no more than that it was then or earlier: of the states on both sides of
  /// this step a lower bound will do, and nothing of one that is shorter than what is not known of
  /// it. Set for a FIN to a time-wait socket without a stamp, followed by timers.
  bool bounded = false;
};

struct Story {
  State begin = State::Unknown;  ///< before the first step
  std::vector<Step> steps;

  State from(std::size_t step) const { return step == 0 ? begin : steps[step - 1].to; }
  /// The dwell that ends with `step`.
  Span dwell(std::size_t step) const;
  /// The story had a full socket: not only a request.
  bool had_socket() const;
};

/// Who the lines must be about.
struct Identity {
  std::uint64_t cookie = 0;  ///< 0 where the script never had a descriptor to ask
  std::uint32_t use = 1;
  std::uint32_t netns = 0;
  Family family = Family::V4;
  Endpoint local, remote;
  std::optional<std::uint32_t> pid;  ///< absent: the owner is not to be known
  std::string comm;
};

/// These are exactly the lines of `story` and everything they say is true (EXPECT_*).
void expect_told(const std::vector<Transition>& lines, const Story& story, const Identity& who);

}  // namespace tcpdwell::test
