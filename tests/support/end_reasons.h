// SPDX-License-Identifier: BSD-2-Clause
/// Whether every end that was told has a reason, or is a plain close: of all connections of all
/// tests of a program.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <unordered_set>

#include "capture/minisockets.h"
#include "model/event.h"

namespace tcpdwell::test {

/// Before Linux 6.10 timers alone do not tell whose RST ended an orphan in FIN_WAIT2
/// (docs/limitations.md).
bool tells_resets_of_orphans(Minisockets way);

class EndReasons {
 public:
  /// Told by a tracer that follows time-wait sockets in that way.
  void add(const Transition& line, Minisockets way);
  /// Without a reason, and no plain close.
  std::uint64_t unexplained() const;
  /// "1,204 ends: 1,000 plain closes, 204 with a reason, 0 after a gap, 0 not told here, 0
  /// without"; those, a line for each kind.
  std::string text() const;

 private:
  std::uint64_t plain_ = 0, reasoned_ = 0, gaps_ = 0, untold_ = 0;
  std::map<std::string, std::uint64_t> without_;
};

/// Of this program: what support/collect.h drains is added, kernel/main.cpp judges.
EndReasons& end_reasons();

}  // namespace tcpdwell::test
