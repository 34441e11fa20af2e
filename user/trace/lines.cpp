// SPDX-License-Identifier: BSD-2-Clause
#include "trace/lines.h"

#include <algorithm>
#include <cstring>
#include <utility>

namespace tcpdwell {
namespace {

constexpr std::size_t kChunk = 64U << 10;

}  // namespace

LineReader::LineReader(Input& input) : input_(input), buffer_(kMaxLine + kChunk + 1) {}

std::optional<LineReader::Line> LineReader::next() {
  for (;;) {
    const void* newline = std::memchr(&buffer_[searched_], '\n', end_ - searched_);
    if (newline != nullptr) {
      return take(static_cast<std::size_t>(static_cast<const char*>(newline) - buffer_.data()));
    }
    searched_ = end_;
    if (!more()) return rest();
  }
}

bool LineReader::more() {
  if (end_ - begin_ > kMaxLine) {
    overlong_ = true;
    begin_ = end_;
  }
  std::copy(&buffer_[begin_], &buffer_[end_], buffer_.data());
  end_ -= std::exchange(begin_, 0);
  searched_ = end_;
  // One byte stays free for the NUL after the last line.
  const Result<std::size_t> got = input_.read(&buffer_[end_], buffer_.size() - 1 - end_);
  if (!got) damage_ = got.error().message;
  if (!got || *got == 0) return false;
  end_ += *got;
  return true;
}

LineReader::Line LineReader::take(std::size_t end) {
  Line line{&buffer_[begin_], end - begin_, std::exchange(overlong_, false)};
  if (line.size > kMaxLine) line.too_long = true;
  buffer_[end] = '\0';
  begin_ = searched_ = std::min(end + 1, end_);
  return line;
}

std::optional<LineReader::Line> LineReader::rest() {
  if (begin_ == end_ && !overlong_) return std::nullopt;
  return take(end_);
}

}  // namespace tcpdwell
