// SPDX-License-Identifier: BSD-2-Clause
/// A terminal that may be slower than what is shown on it, and must hold nobody up.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "util/output.h"
#include "util/result.h"

namespace tcpdwell {

/// Writes as much of `bytes` as a terminal takes at once, and never waits; how much that was.
Result<std::size_t> write_what_fits(int terminal, std::string_view bytes);

/// Writes whole lines to a terminal as fast as it takes them and never waits for it. What is more
/// than a screenful or two behind is left out; the gap says how many lines it is. Not thread-safe.
class ScreenOutput : public Output {
 public:
  /// Does not own `fd`.
  ScreenOutput(int fd, std::string name);
  /// `lines` ends with a newline. Taken, or left out, as a whole.
  Status write(std::string_view lines) override;
  /// Writes what the terminal takes at once.
  Status flush() override;
  /// Waits for the terminal to take the rest: at most kBufferBytes.
  Status close() override;
  /// Lines left out until now.
  std::uint64_t skipped() const { return skipped_; }

 private:
  static constexpr std::size_t kBufferBytes = std::size_t{16} * 1024;
  void tell_skipped();

  int fd_;
  FdOutput whole_;  ///< for the end, where waiting is right
  std::string pending_;
  std::uint64_t skipped_ = 0, told_ = 0;
};

}  // namespace tcpdwell
