// SPDX-License-Identifier: BSD-2-Clause
/// Whether every end that was told has a reason, or is a plain close: of all connections of all
/// tests of a program.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <unordered_set>

#include "model/event.h"

namespace tcpdwell::test {

class EndReasons {
 public:
  /// `minisockets`: whether the hand-over to a time-wait socket is told, or looks like an end.
  void add(const Transition& line, bool minisockets);
  /// Without a reason, and no plain close.
  std::uint64_t unexplained() const;
  /// "1,204 ends: 1,000 plain closes, 204 with a reason, 0 without"; those, a line for each kind.
  std::string text() const;

 private:
  std::uint64_t plain_ = 0, reasoned_ = 0, gaps_ = 0;
  std::map<std::string, std::uint64_t> without_;
};

/// Of this program: what support/collect.h drains is added, kernel/main.cpp judges.
EndReasons& end_reasons();

}  // namespace tcpdwell::test
