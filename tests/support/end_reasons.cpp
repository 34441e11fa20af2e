// SPDX-License-Identifier: BSD-2-Clause
#include "support/end_reasons.h"

#include <fmt/format.h>

#include <numeric>

namespace tcpdwell::test {
namespace {

/// Both sides have sent their FINs, or nothing was open. Where time-wait sockets are told the side
/// that closed first goes on to TIME_WAIT, which ends for a reason.
bool plain(State from, bool minisockets) {
  if (from == State::Listen || from == State::LastAck) return true;
  return !minisockets && (from == State::FinWait2 || from == State::Closing);
}

}  // namespace

void EndReasons::add(const Transition& line, bool minisockets) {
  if (!line.last()) return;
  if (line.reason != Reason::None)
    ++reasoned_;
  else if (plain(line.from, minisockets))
    ++plain_;
  else if (line.gap)
    ++gaps_;  // what led to it was lost, which was counted
  else
    ++without_[line.path.empty() ? std::string(name_of(line.from)) : line.path.to_string()];
}

std::uint64_t EndReasons::unexplained() const {
  return std::accumulate(without_.begin(), without_.end(), std::uint64_t{0},
                         [](std::uint64_t sum, const auto& kind) { return sum + kind.second; });
}

std::string EndReasons::text() const {
  std::string text = fmt::format(
      "{} ends: {} plain closes, {} with a reason, {} after a gap, {} without\n",
      plain_ + reasoned_ + gaps_ + unexplained(), plain_, reasoned_, gaps_, unexplained());
  for (const auto& [path, count] : without_) text += fmt::format("no reason: {} {}\n", count, path);
  return text;
}

EndReasons& end_reasons() {
  static EndReasons all;
  return all;
}

}  // namespace tcpdwell::test
