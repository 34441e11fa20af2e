// SPDX-License-Identifier: BSD-2-Clause
#include "util/screen.h"

#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <utility>

namespace tcpdwell {
namespace {

/// A terminal that says it can be written to has room for this much (WAKEUP_CHARS,
/// include/linux/tty.h): a write of no more never waits.
constexpr std::size_t kSurelyTaken = 256;

bool takes_more(int fd) {
  pollfd terminal{fd, POLLOUT, 0};
  return ::poll(&terminal, 1, 0) > 0;
}

}  // namespace

Result<std::size_t> write_what_fits(int terminal, std::string_view bytes) {
  std::size_t taken = 0;
  while (taken < bytes.size() && takes_more(terminal)) {
    const std::string_view part = bytes.substr(taken, kSurelyTaken);
    const ssize_t written = ::write(terminal, part.data(), part.size());
    if (written > 0) {
      taken += static_cast<std::size_t>(written);
    } else if (errno == EAGAIN) {
      break;
    } else if (errno != EINTR) {
      return os_error(Fault::Runtime, errno, "cannot write to the terminal");
    }
  }
  return taken;
}

ScreenOutput::ScreenOutput(int fd, std::string name)
    : fd_(fd), whole_(fd, std::move(name), false) {}

Status ScreenOutput::write(std::string_view lines) {
  if (pending_.size() + lines.size() > kBufferBytes)
    if (Status status = flush(); !status) return status;
  if (pending_.size() + lines.size() > kBufferBytes) {
    skipped_ += static_cast<std::uint64_t>(std::count(lines.begin(), lines.end(), '\n'));
    return Ok;
  }
  tell_skipped();
  pending_ += lines;
  return Ok;
}

Status ScreenOutput::flush() {
  std::size_t taken = 0;
  Status status = Ok;
  while (status && taken < pending_.size() && takes_more(fd_)) {
    const std::string_view part = std::string_view(pending_).substr(taken, kSurelyTaken);
    status = whole_.write(part);
    if (status) status = whole_.flush();
    taken += part.size();
  }
  pending_.erase(0, taken);
  return status;
}

Status ScreenOutput::close() {
  tell_skipped();
  static_cast<void>(whole_.write(std::exchange(pending_, {})));
  return whole_.close();
}

void ScreenOutput::tell_skipped() {
  if (skipped_ == told_) return;
  pending_ +=
      "... " + std::to_string(skipped_ - told_) + " lines not shown: the terminal is too slow\n";
  told_ = skipped_;
}

}  // namespace tcpdwell
