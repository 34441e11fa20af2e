// SPDX-License-Identifier: BSD-2-Clause
/// Where bytes go: a file descriptor with a buffer, whose errors are seen and kept.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "util/result.h"

namespace tcpdwell {

/// Something bytes can be written to. Not thread-safe.
class Output {
 public:
  virtual ~Output() = default;
  /// May buffer. After the first error every call returns it.
  virtual Status write(std::string_view bytes) = 0;
  /// Hands everything buffered to the operating system.
  virtual Status flush() = 0;
  /// Flushes, writes any trailer, closes. Later writes are an error.
  virtual Status close() = 0;
};

/// Closes `out`, if nothing failed before. A pipe whose reader has left ends a command; it is no
/// failure.
Status finish(Output& out, Status written);

/// `text` and nothing else on standard output; finish().
Status print(std::string_view text);

/// Writes to a file descriptor through a 64 KiB buffer. Retries EINTR and short writes. A closed
/// pipe is an Error with os_errno EPIPE (SIGPIPE is ignored by main); an owned file that was
/// deleted, ENOENT of close().
class FdOutput : public Output {
 public:
  /// `name` stands in messages ("standard output", "/tmp/x.json"). Takes ownership of fd if
  /// `owned`.
  FdOutput(int fd, std::string name, bool owned);
  ~FdOutput() override;
  FdOutput(const FdOutput&) = delete;
  FdOutput& operator=(const FdOutput&) = delete;
  Status write(std::string_view bytes) override;
  Status flush() override;
  Status close() override;

 private:
  Status drain(std::string_view bytes);
  int fd_;
  std::string name_;
  bool owned_;
  std::string buffer_;
  Status state_ = Ok;
};

/// Collects into a string; for tests and for rendering.
class StringOutput : public Output {
 public:
  Status write(std::string_view bytes) override {
    text.append(bytes);
    return Ok;
  }
  Status flush() override { return Ok; }
  Status close() override { return Ok; }
  std::string text;
};

}  // namespace tcpdwell
