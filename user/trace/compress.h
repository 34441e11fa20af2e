// SPDX-License-Identifier: BSD-2-Clause
/// Files that are compressed according to their name (.zst, .gz) when written, and according to
/// their first bytes when read.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "util/create.h"
#include "util/output.h"

namespace tcpdwell {

/// Writes to `fd`, which it closes; compressed as the suffix of `named` says. `path` stands in
/// messages. A flush of a compressed file makes what was written readable, and ends the frame or
/// member where it is large enough: damage reaches no further.
std::unique_ptr<Output> trace_output(int fd, const std::string& path, std::string_view named);

/// The same for open_to_write(path, mode); "-" is standard output.
Result<std::unique_ptr<Output>> create_trace_file(const std::string& path, mode_t mode = kPrivate,
                                                  const Spare& spare = {});

/// Bytes of a trace, decompressed.
class Input {
 public:
  virtual ~Input() = default;
  /// Up to `size` bytes into `data`; 0 at the end. A damaged or cut compressed stream yields what
  /// came before it and then an Error (Fault::Usage); so does one that is larger than a trace of
  /// its size can be, so that the work it makes is bounded by the bytes of the file.
  virtual Result<std::size_t> read(char* data, std::size_t size) = 0;
  /// Bytes of the file read so far, before decompression.
  virtual std::uint64_t file_offset() const = 0;
};

/// Opens `path`, or standard input for "-". Fault::Usage when it cannot be opened.
Result<std::unique_ptr<Input>> open_trace_file(const std::string& path);
/// The same for a regular file in the open directory, and not behind a link. It does not wait for
/// what is none.
Result<std::unique_ptr<Input>> open_trace_in(int directory, const std::string& name);
/// Over bytes in memory; `bytes` must outlive the result. For tests and fuzzing.
std::unique_ptr<Input> open_trace_bytes(std::string_view bytes);

}  // namespace tcpdwell
