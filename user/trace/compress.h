// SPDX-License-Identifier: BSD-2-Clause
/// Files that are compressed according to their name (.zst, .gz) when written, and according to
/// their first bytes when read.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "util/output.h"

namespace tcpdwell {

/// Creates (truncates) `path`, or takes standard output for "-". Errors are Fault::Runtime with
/// the path and the reason. The suffix that decides on compression is that of `named`, if given. A
/// flush of a compressed file makes what was written readable, and ends the frame or member where
/// it is large enough: damage reaches no further.
Result<std::unique_ptr<Output>> create_trace_file(const std::string& path,
                                                  std::string_view named = {});

/// Bytes of a trace, decompressed.
class Input {
 public:
  virtual ~Input() = default;
  /// Up to `size` bytes into `data`; 0 at the end. A damaged or cut compressed stream yields what
  /// came before it and then an Error (Fault::Usage).
  virtual Result<std::size_t> read(char* data, std::size_t size) = 0;
  /// Bytes of the file read so far, before decompression.
  virtual std::uint64_t file_offset() const = 0;
};

/// Opens `path`, or standard input for "-". Fault::Usage when it cannot be opened.
Result<std::unique_ptr<Input>> open_trace_file(const std::string& path);
/// Over bytes in memory; `bytes` must outlive the result. For tests and fuzzing.
std::unique_ptr<Input> open_trace_bytes(std::string_view bytes);

}  // namespace tcpdwell
