// SPDX-License-Identifier: BSD-2-Clause
#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>
#include <zstd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>

#include "trace/compress.h"

namespace tcpdwell {
namespace {

constexpr std::size_t kChunk = 64U << 10;
constexpr std::string_view kGzipMagic = "\x1f\x8b";
constexpr std::string_view kZstdMagic = "\x28\xb5\x2f\xfd";

Error read_error(const std::string& name, int reason) {
  return Error{Fault::Usage, "cannot read " + name + ": " + std::generic_category().message(reason),
               reason};
}

class FdInput : public Input {
 public:
  FdInput(int fd, std::string name, bool owned) : fd_(fd), name_(std::move(name)), owned_(owned) {}
  ~FdInput() override {
    if (owned_) ::close(fd_);
  }
  FdInput(const FdInput&) = delete;
  FdInput& operator=(const FdInput&) = delete;

  Result<std::size_t> read(char* data, std::size_t size) override {
    for (;;) {
      const ssize_t got = ::read(fd_, data, size);
      if (got >= 0) return static_cast<std::size_t>(got);
      if (errno == EAGAIN) {
        wait_until_readable();
      } else if (errno != EINTR) {
        return read_error(name_, errno);
      }
    }
  }

 private:
  /// Whoever shares a terminal or a pipe with us may have made it non-blocking.
  void wait_until_readable() const {
    pollfd waiting{fd_, POLLIN, 0};
    ::poll(&waiting, 1, -1);
  }

  int fd_;
  std::string name_;
  bool owned_;
};

class BytesInput : public Input {
 public:
  explicit BytesInput(std::string_view bytes) : bytes_(bytes) {}
  Result<std::size_t> read(char* data, std::size_t size) override {
    const std::size_t got = bytes_.copy(data, size);
    bytes_.remove_prefix(got);
    return got;
  }

 private:
  std::string_view bytes_;
};

/// The bytes of a file as they are, a buffer at a time; they can be looked at before they are used.
class Feed {
 public:
  explicit Feed(std::unique_ptr<Input> raw) : raw_(std::move(raw)) {}

  /// At least `wanted` bytes, fewer only at the end of the file or before an error.
  std::string_view peek(std::size_t wanted) {
    while (end_ - begin_ < wanted && more()) {
    }
    return {buffer_.data() + begin_, end_ - begin_};
  }
  void consume(std::size_t count) { begin_ += count; }
  /// What stopped the reading, if it was not the end of the file.
  const Status& status() const { return status_; }

 private:
  bool more() {
    if (!status_) return false;
    std::copy(buffer_.begin() + begin_, buffer_.begin() + end_, buffer_.begin());
    end_ -= std::exchange(begin_, 0);
    const Result<std::size_t> got = raw_->read(buffer_.data() + end_, buffer_.size() - end_);
    if (!got) status_ = got.error();
    end_ += got ? *got : 0;
    return got && *got > 0;
  }

  std::unique_ptr<Input> raw_;
  std::array<char, kChunk> buffer_;
  std::size_t begin_ = 0, end_ = 0;
  Status status_ = Ok;
};

/// A stream of members (gzip) or frames (zstd), one after the other.
class DecodedInput : public Input {
 public:
  explicit DecodedInput(std::unique_ptr<Feed> feed) : feed_(std::move(feed)) {}

  Result<std::size_t> read(char* data, std::size_t size) override {
    std::size_t made = 0;
    while (made == 0 && state_ && size > 0) {
      const std::string_view raw = feed_->peek(1);
      if (raw.empty() && !inside_) break;
      made = decode(raw, data, size);
      // A decoder that makes nothing of nothing waits for bytes that will not come.
      if (made == 0 && raw.empty() && inside_ && state_) damaged("is cut off");
    }
    if (made > 0) return made;
    if (!feed_->status()) return feed_->status().error();
    return state_ ? Result<std::size_t>(std::size_t{0}) : state_.error();
  }

 protected:
  /// Consumes some of `raw` and returns how many bytes of `data` it filled.
  virtual std::size_t decode(std::string_view raw, char* data, std::size_t size) = 0;

  void damaged(const std::string& how) {
    state_ = Error{Fault::Usage, "the compressed data " + how};
  }

  std::unique_ptr<Feed> feed_;
  bool inside_ = false;  ///< a member was begun and not ended

 private:
  Status state_ = Ok;
};

class GzipInput : public DecodedInput {
 public:
  explicit GzipInput(std::unique_ptr<Feed> feed) : DecodedInput(std::move(feed)) {
    constexpr int kGzipOnly = 15 + 16;
    ready_ = inflateInit2(&stream_, kGzipOnly) == Z_OK;
    if (!ready_) damaged("needs more memory than there is");
  }
  ~GzipInput() override {
    if (ready_) inflateEnd(&stream_);
  }
  GzipInput(const GzipInput&) = delete;
  GzipInput& operator=(const GzipInput&) = delete;

 private:
  std::size_t decode(std::string_view raw, char* data, std::size_t size) override {
    if (!std::exchange(inside_, true)) inflateReset(&stream_);
    // zlib never writes through next_in; its type is older than const.
    stream_.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(raw.data()));
    stream_.avail_in = static_cast<uInt>(raw.size());
    stream_.next_out = reinterpret_cast<Bytef*>(data);
    const uInt space = static_cast<uInt>(std::min<std::size_t>(size, 1U << 30));
    stream_.avail_out = space;
    const int result = inflate(&stream_, Z_NO_FLUSH);
    feed_->consume(raw.size() - stream_.avail_in);
    if (result == Z_STREAM_END) {
      inside_ = false;
    } else if (result != Z_OK && result != Z_BUF_ERROR) {
      damaged("is damaged (" + std::string(stream_.msg ? stream_.msg : zError(result)) + ")");
    }
    return space - stream_.avail_out;
  }

  z_stream stream_{};
  bool ready_ = false;
};

class ZstdInput : public DecodedInput {
 public:
  explicit ZstdInput(std::unique_ptr<Feed> feed)
      : DecodedInput(std::move(feed)), context_(ZSTD_createDCtx(), &ZSTD_freeDCtx) {
    if (!context_) damaged("needs more memory than there is");
  }

 private:
  std::size_t decode(std::string_view raw, char* data, std::size_t size) override {
    ZSTD_inBuffer in{raw.data(), raw.size(), 0};
    ZSTD_outBuffer out{data, size, 0};
    const std::size_t left = ZSTD_decompressStream(context_.get(), &out, &in);
    feed_->consume(in.pos);
    inside_ = left != 0;
    if (ZSTD_isError(left)) damaged(std::string("is damaged (") + ZSTD_getErrorName(left) + ")");
    return out.pos;
  }

  std::unique_ptr<ZSTD_DCtx, decltype(&ZSTD_freeDCtx)> context_;
};

class PlainInput : public Input {
 public:
  explicit PlainInput(std::unique_ptr<Feed> feed) : feed_(std::move(feed)) {}
  Result<std::size_t> read(char* data, std::size_t size) override {
    const std::size_t got = feed_->peek(1).copy(data, size);
    feed_->consume(got);
    if (got == 0 && !feed_->status()) return feed_->status().error();
    return got;
  }

 private:
  std::unique_ptr<Feed> feed_;
};

std::unique_ptr<Input> by_magic(std::unique_ptr<Input> raw) {
  auto feed = std::make_unique<Feed>(std::move(raw));
  const std::string_view head = feed->peek(kZstdMagic.size());
  if (head.starts_with(kGzipMagic)) return std::make_unique<GzipInput>(std::move(feed));
  if (head.starts_with(kZstdMagic)) return std::make_unique<ZstdInput>(std::move(feed));
  return std::make_unique<PlainInput>(std::move(feed));
}

}  // namespace

Result<std::unique_ptr<Input>> open_trace_file(const std::string& path) {
  if (path == "-") {
    return by_magic(std::make_unique<FdInput>(STDIN_FILENO, "standard input", false));
  }
  const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOCTTY);
  if (fd < 0) return read_error(path, errno);
  auto file = std::make_unique<FdInput>(fd, path, true);
  struct stat about {};
  if (fstat(fd, &about) == 0 && S_ISDIR(about.st_mode)) return read_error(path, EISDIR);
  return by_magic(std::move(file));
}

std::unique_ptr<Input> open_trace_bytes(std::string_view bytes) {
  return by_magic(std::make_unique<BytesInput>(bytes));
}

}  // namespace tcpdwell
