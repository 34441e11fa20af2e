// SPDX-License-Identifier: BSD-2-Clause
/// The quick way through a line: nearly all lines of a trace are transitions as append_json()
/// writes them, field after field in one order, and need no JSON parser to be understood.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

#include "model/event.h"

namespace tcpdwell {

class QuickReader {
 public:
  /// True if `line` is such a transition; then `event`, new before, is what read_transition() makes
  /// of it. False
  /// says nothing about the line: any other order, an escape, a blank, a number too long is left to
  /// the JSON parser, which also knows what is wrong with it.
  bool transition(std::string_view line, Transition& event);

 private:
  bool time(std::string_view stamp, std::int64_t& wall_ns);

  std::array<char, 11> date_{};   ///< "2026-01-02T", of the line before
  std::int64_t midnight_ns_ = 0;  ///< its first nanosecond
};

}  // namespace tcpdwell
