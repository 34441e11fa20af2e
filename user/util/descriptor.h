// SPDX-License-Identifier: BSD-2-Clause
#pragma once

#include <unistd.h>

#include <utility>

namespace tcpdwell {

/// A file descriptor, closed with what holds it.
class Descriptor {
 public:
  Descriptor() = default;
  explicit Descriptor(int fd) : fd_(fd) {}
  Descriptor(Descriptor&& other) noexcept : fd_(other.take()) {}
  Descriptor& operator=(Descriptor&& other) noexcept {
    reset(other.take());
    return *this;
  }
  ~Descriptor() { reset(); }

  explicit operator bool() const { return fd_ >= 0; }
  int get() const { return fd_; }
  /// The caller's from here on.
  int take() { return std::exchange(fd_, -1); }
  void reset(int fd = -1) {
    if (const int before = std::exchange(fd_, fd); before >= 0) close(before);
  }

 private:
  int fd_ = -1;
};

}  // namespace tcpdwell
