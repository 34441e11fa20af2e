// SPDX-License-Identifier: BSD-2-Clause
/// The quick way through a line: nearly all lines of a trace are transitions as append_json()
/// writes them, field after field in one order, and need no JSON parser to be understood.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "model/event.h"

namespace tcpdwell {

/// Of a day, once for all its lines.
struct Midnight {
  std::array<char, 11> date{};  ///< "2026-01-02T"
  std::int64_t ns = 0;          ///< its first nanosecond

  /// Of the day that `stamp` begins with; false if that is none.
  bool of(const char* stamp);
};

/// Paths that lines had: there are few, and one as text is five names or more to compare.
class KnownPaths {
 public:
  /// Bytes that have to follow where one is looked up.
  static constexpr std::size_t kLeast = 32;
  static constexpr std::size_t kMost = 96;
  struct Entry {
    std::array<char, kMost> text{};  ///< with the quote behind it
    std::size_t size = 0;
    Path path;
  };
  /// Where one that begins as `text` does is kept, if it is.
  Entry& entry(const char* text);

 private:
  std::array<Entry, 8> entries_;
};

/// What many lines have in common, so that it is understood once.
struct Known {
  Midnight midnight;
  KnownPaths paths;
};

class QuickReader {
 public:
  /// True if `line` is such a transition; then `event`, new before, is what read_transition() makes
  /// of it. False says nothing about the line: any other order, an escape, a blank, a number too
  /// long is left to the JSON parser, which also knows what is wrong with it.
  bool transition(std::string_view line, Transition& event);
  /// The same of a connection.
  bool connection(std::string_view line, Connection& event);
  /// Whether the line begins as one does.
  static bool is_connection(std::string_view line) {
    return line.starts_with(R"({"type":"connection")");
  }

 private:
  Known known_;
};

}  // namespace tcpdwell
