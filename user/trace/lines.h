// SPDX-License-Identifier: BSD-2-Clause
/// Cuts an input into lines, in one reused buffer.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include "trace/compress.h"

namespace tcpdwell {

/// A line of ours is below 2 KiB; what is longer than this is none.
inline constexpr std::size_t kMaxLine = 64U << 10;

class LineReader {
 public:
  explicit LineReader(Input& input);

  struct Line {
    char* data = nullptr;  ///< may be changed; a NUL follows it; valid until the next call
    std::size_t size = 0;
    bool too_long = false;  ///< then there is no data
  };
  /// nullopt at the end. The last line need not end with a newline.
  std::optional<Line> next();
  /// Why the input ended early; "" if it did not.
  const std::string& damage() const { return damage_; }

 private:
  bool more();
  Line take(std::size_t end);
  std::optional<Line> rest();

  Input& input_;
  std::vector<char> buffer_;
  std::size_t begin_ = 0, searched_ = 0, end_ = 0;
  bool overlong_ = false;  ///< the line's beginning was thrown away
  std::string damage_;
};

}  // namespace tcpdwell
