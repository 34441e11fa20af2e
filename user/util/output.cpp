// SPDX-License-Identifier: BSD-2-Clause
#include "util/output.h"

#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <utility>

namespace tcpdwell {
namespace {

constexpr std::size_t kBufferBytes = 64 * 1024;

Error write_error(const std::string& name, int os_errno) {
  return os_error(Fault::Runtime, os_errno, "cannot write to " + name);
}

/// Whoever shares a terminal or a pipe with us may have made it non-blocking; we have nothing else
/// to do than to wait.
void wait_until_writable(int fd) {
  pollfd waiting{fd, POLLOUT, 0};
  ::poll(&waiting, 1, -1);
}

/// 0, or the errno that ended it.
int write_all(int fd, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t written = ::write(fd, bytes.data(), bytes.size());
    if (written > 0) {
      bytes.remove_prefix(static_cast<std::size_t>(written));
    } else if (written == 0) {
      return EIO;  // no device takes nothing of something; trying again could last for ever
    } else if (errno == EAGAIN) {
      wait_until_writable(fd);
    } else if (errno != EINTR) {
      return errno;
    }
  }
  return 0;
}

/// A file that nobody can open any more: what is in it goes with its last descriptor.
bool has_no_name(int fd) {
  struct stat about {};
  return ::fstat(fd, &about) == 0 && S_ISREG(about.st_mode) && about.st_nlink == 0;
}

}  // namespace

Status finish(Output& out, Status written) {
  if (written) written = out.close();
  return !written && written.error().os_errno == EPIPE ? Status(Ok) : written;
}

Status print(std::string_view text) {
  FdOutput out(STDOUT_FILENO, "standard output", false);
  return finish(out, out.write(text));
}

FdOutput::FdOutput(int fd, std::string name, bool owned)
    : fd_(fd), name_(std::move(name)), owned_(owned) {}

FdOutput::~FdOutput() { static_cast<void>(FdOutput::close()); }

Status FdOutput::write(std::string_view bytes) {
  if (!state_.ok()) return state_;
  if (fd_ < 0) return write_error(name_, EBADF);
  if (buffer_.size() + bytes.size() < kBufferBytes) {
    buffer_ += bytes;
    return Ok;
  }
  if (Status flushed = flush(); !flushed.ok()) return flushed;
  if (bytes.size() >= kBufferBytes) return drain(bytes);
  buffer_ += bytes;
  return Ok;
}

Status FdOutput::flush() {
  if (!state_.ok()) return state_;
  Status drained = drain(buffer_);
  buffer_.clear();
  return drained;
}

Status FdOutput::close() {
  if (fd_ < 0) return state_;
  static_cast<void>(FdOutput::flush());
  const int fd = std::exchange(fd_, -1);
  const bool lost = owned_ && has_no_name(fd);
  // Linux has closed the descriptor even where it reports EINTR.
  const bool failed = owned_ && ::close(fd) != 0 && errno != EINTR;
  if (failed && state_.ok()) state_ = write_error(name_, errno);
  if (lost && state_.ok())
    state_ = Error{Fault::Runtime, name_ + ": deleted while it was written; what it held is lost",
                   ENOENT};
  return state_;
}

Status FdOutput::drain(std::string_view bytes) {
  if (const int os_errno = write_all(fd_, bytes)) state_ = write_error(name_, os_errno);
  return state_;
}

}  // namespace tcpdwell
