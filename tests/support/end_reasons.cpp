// SPDX-License-Identifier: BSD-2-Clause
#include "support/end_reasons.h"

#include <fmt/format.h>

#include <numeric>

#include "capture/probe.h"

namespace tcpdwell::test {
namespace {

/// Both sides have sent their FINs, or nothing was open. Where time-wait sockets are told the side
/// that closed first goes on to TIME_WAIT, which ends for a reason; else the hand-over to a
/// time-wait socket looks like an end.
bool plain(State from, Minisockets way) {
  if (from == State::Listen || from == State::LastAck) return true;
  return way == Minisockets::Off && (from == State::FinWait2 || from == State::Closing);
}

}  // namespace

bool tells_resets_of_orphans(Minisockets way) {
  return way == Minisockets::Fentry || kernel_tells_resets_of_time_wait();
}

void EndReasons::add(const Transition& line, Minisockets way) {
  if (!line.last()) return;
  if (line.reason != Reason::None)
    ++reasoned_;
  else if (plain(line.from, way))
    ++plain_;
  else if (line.gap)
    ++gaps_;  // what led to it was lost, which was counted
  else if (line.from == State::FinWait2 && !tells_resets_of_orphans(way))
    ++untold_;
  else
    ++without_[line.path.empty() ? std::string(name_of(line.from)) : line.path.to_string()];
}

std::uint64_t EndReasons::unexplained() const {
  return std::accumulate(without_.begin(), without_.end(), std::uint64_t{0},
                         [](std::uint64_t sum, const auto& kind) { return sum + kind.second; });
}

std::string EndReasons::text() const {
  std::string text = fmt::format(
      "{} ends: {} plain closes, {} with a reason, {} after a gap, {} not told here, {} without\n",
      plain_ + reasoned_ + gaps_ + untold_ + unexplained(), plain_, reasoned_, gaps_, untold_,
      unexplained());
  for (const auto& [path, count] : without_) text += fmt::format("no reason: {} {}\n", count, path);
  return text;
}

EndReasons& end_reasons() {
  static EndReasons all;
  return all;
}

}  // namespace tcpdwell::test
