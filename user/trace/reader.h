// SPDX-License-Identifier: BSD-2-Clause
/// Reads a JSON trace and plays it to a consumer. Trusts nothing: every line is checked, a line
/// that is not right is skipped and counted, and the rest is used.
#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "model/event.h"
#include "trace/compress.h"

namespace tcpdwell {

struct ReadReport {
  std::uint64_t lines = 0;               ///< lines understood
  std::uint64_t skipped = 0;             ///< lines not understood
  std::uint64_t first_skipped_line = 0;  ///< 1-based, 0 if none
  std::string first_skipped_why;
  bool has_header = false;
  bool complete = false;           ///< the `end` line was there
  std::uint64_t suspended_ns = 0;  ///< the machine slept so long meanwhile, by all `end` lines
  std::string damage;  ///< what stopped the reading, or was passed over, in a damaged file; else ""
};

struct ReadOptions {
  /// Threads that read at once, this one included. The consumer is called in the caller's thread
  /// alone, in the order of the file.
  unsigned threads = 1;
  /// Told now and then how many bytes of the file have been read.
  std::function<void(std::uint64_t file_offset)> on_progress;
};

/// The header that a trace begins with; no more is read than brings it. Errors as read_trace().
Result<Header> read_first_header(Input& input, const std::string& name);

/// Fault::Usage when the input holds no header, is of an unknown schema, or no line of a trace at
/// all; a consumer's Error is passed on. `name` stands in messages.
Result<ReadReport> read_trace(Input& input, const std::string& name, Consumer& consumer,
                              const ReadOptions& options = {});

}  // namespace tcpdwell
