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
#include <utility>

#include "trace/compress.h"

namespace tcpdwell {
namespace {

constexpr std::size_t kChunk = 64U << 10;
constexpr std::string_view kGzipMagic = "\x1f\x8b";
/// Deflate is the only method there is: with it, the magic is found again among other bytes.
constexpr std::string_view kGzipMember = "\x1f\x8b\x08";
constexpr std::string_view kZstdMagic = "\x28\xb5\x2f\xfd";

/// Traces are some 10 to 50 times the size of their file: times and addresses differ from line to
/// line. What is made of a file as a whole may be this many times as large, and a little more; the
/// rest is not read.
constexpr std::uint64_t kMostExpansion = 1000;
constexpr std::uint64_t kMadeOfAnyFile = 64U << 20;

Error read_error(const std::string& name, int reason) {
  return os_error(Fault::Usage, reason, "cannot read " + name);
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
      if (got >= 0) {
        offset_ += static_cast<std::uint64_t>(got);
        return static_cast<std::size_t>(got);
      }
      if (errno == EAGAIN) {
        wait_until_readable();
      } else if (errno != EINTR) {
        return read_error(name_, errno);
      }
    }
  }
  std::uint64_t file_offset() const override { return offset_; }

 private:
  /// Whoever shares a terminal or a pipe with us may have made it non-blocking.
  void wait_until_readable() const {
    pollfd waiting{fd_, POLLIN, 0};
    ::poll(&waiting, 1, -1);
  }

  int fd_;
  std::string name_;
  bool owned_;
  std::uint64_t offset_ = 0;
};

class BytesInput : public Input {
 public:
  explicit BytesInput(std::string_view bytes) : bytes_(bytes) {}
  Result<std::size_t> read(char* data, std::size_t size) override {
    const std::size_t got = bytes_.copy(data, size);
    bytes_.remove_prefix(got);
    offset_ += got;
    return got;
  }
  std::uint64_t file_offset() const override { return offset_; }

 private:
  std::string_view bytes_;
  std::uint64_t offset_ = 0;
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
  /// The file's bytes that were consumed.
  std::uint64_t consumed() const { return raw_->file_offset() - (end_ - begin_); }
  std::uint64_t file_offset() const { return raw_->file_offset(); }
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

/// A stream of members (gzip) or frames (zstd), one after the other. Behind damage it goes on with
/// the next one whose first bytes are found, and at the end says so.
class DecodedInput : public Input {
 public:
  DecodedInput(std::unique_ptr<Feed> feed, std::string_view magic)
      : feed_(std::move(feed)), magic_(magic) {}

  Result<std::size_t> read(char* data, std::size_t size) override {
    std::size_t made = 0;
    while (made == 0 && size > 0 && !gave_up_) {
      if (std::exchange(line_cut_, false)) {
        *data = '\n';
        return std::size_t{1};
      }
      const std::string_view raw = feed_->peek(1);
      if (raw.empty() && !inside_) break;
      made = decode(raw, data, size);
      // A decoder that makes nothing of nothing waits for bytes that will not come.
      if (made == 0 && raw.empty() && inside_ && now_.empty()) now_ = "is cut off";
      if (!now_.empty()) line_cut_ = find_next_member();
    }
    if (made > 0) {
      made_ += made;
      if (made_ > kMadeOfAnyFile + kMostExpansion * feed_->consumed()) give_up();
      return made;
    }
    if (!feed_->status()) return feed_->status().error();
    if (!damage_.empty()) return Error{Fault::Usage, "the compressed data " + damage_ + others()};
    return std::size_t{0};
  }
  std::uint64_t file_offset() const override { return feed_->file_offset(); }

 protected:
  /// Consumes some of `raw` and returns how many bytes of `data` it filled.
  virtual std::size_t decode(std::string_view raw, char* data, std::size_t size) = 0;
  /// Forgets the member it was in.
  virtual void restart() = 0;

  void damaged(const std::string& how) { now_ = how; }

  std::unique_ptr<Feed> feed_;
  bool inside_ = false;  ///< a member was begun and not ended

 private:
  void give_up() {
    gave_up_ = true;
    if (damage_.empty())
      damage_ = "expands to more than " + std::to_string(kMostExpansion) +
                " times its size, which no trace does";
  }

  bool find_next_member() {
    const std::uint64_t from = feed_->consumed();
    if (from == resumed_at_ && !feed_->peek(1).empty()) feed_->consume(1);  // not the same again
    const bool found = skip_to_magic();
    if (damage_.empty()) {
      damage_ = std::exchange(now_, "");
      if (found)
        damage_ += " before byte " + std::to_string(from) + " and from byte " +
                   std::to_string(feed_->consumed()) + " on used again";
    } else if (found) {
      ++more_;
    }
    now_.clear();
    inside_ = false;
    gave_up_ = !found;
    if (found) {
      resumed_at_ = feed_->consumed();
      restart();
    }
    return found;
  }

  std::string others() const {
    return more_ == 0 ? "" : ", so " + std::to_string(more_) + " times more";
  }

  bool skip_to_magic() {
    for (;;) {
      const std::string_view raw = feed_->peek(kChunk / 2);
      const std::size_t at = raw.find(magic_);
      if (at != std::string_view::npos) {
        feed_->consume(at);
        return true;
      }
      if (raw.size() < magic_.size()) return false;
      feed_->consume(raw.size() - magic_.size() + 1);
    }
  }

  const std::string_view magic_;
  std::string now_;         ///< what is wrong here
  std::string damage_;      ///< what was wrong first
  std::uint64_t more_ = 0;  ///< times after that
  std::uint64_t resumed_at_ = 0;
  std::uint64_t made_ = 0;  ///< bytes in all
  bool gave_up_ = false;
  bool line_cut_ = false;  ///< the line that the damage cut has to end
};

class GzipInput : public DecodedInput {
 public:
  explicit GzipInput(std::unique_ptr<Feed> feed) : DecodedInput(std::move(feed), kGzipMember) {
    constexpr int kGzipOnly = 15 + 16;
    ready_ = inflateInit2(&stream_, kGzipOnly) == Z_OK;
  }
  ~GzipInput() override {
    if (ready_) inflateEnd(&stream_);
  }
  GzipInput(const GzipInput&) = delete;
  GzipInput& operator=(const GzipInput&) = delete;

 private:
  void restart() override {}  // decode() does, as before every member

  std::size_t decode(std::string_view raw, char* data, std::size_t size) override {
    if (!ready_) {
      damaged("needs more memory than there is");
      return 0;
    }
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
      : DecodedInput(std::move(feed), kZstdMagic), context_(ZSTD_createDCtx(), &ZSTD_freeDCtx) {}

 private:
  void restart() override { ZSTD_DCtx_reset(context_.get(), ZSTD_reset_session_only); }

  std::size_t decode(std::string_view raw, char* data, std::size_t size) override {
    if (!context_) {
      damaged("needs more memory than there is");
      return 0;
    }
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
  std::uint64_t file_offset() const override { return feed_->file_offset(); }

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

Result<std::unique_ptr<Input>> open_trace_in(int directory, const std::string& name) {
  const int fd =
      openat(directory, name.c_str(), O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NOFOLLOW | O_NONBLOCK);
  if (fd < 0) return read_error(name, errno);
  auto file = std::make_unique<FdInput>(fd, name, true);
  struct stat about {};
  if (fstat(fd, &about) != 0 || !S_ISREG(about.st_mode)) return read_error(name, EINVAL);
  return by_magic(std::move(file));
}

std::unique_ptr<Input> open_trace_bytes(std::string_view bytes) {
  return by_magic(std::make_unique<BytesInput>(bytes));
}

}  // namespace tcpdwell
