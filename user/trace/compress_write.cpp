// SPDX-License-Identifier: BSD-2-Clause
#include <unistd.h>
#include <zlib.h>
#include <zstd.h>

#include <array>
#include <cerrno>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "trace/compress.h"

namespace tcpdwell {
namespace {

constexpr std::size_t kChunk = 64U << 10;
/// Of a frame or member that a flush may end: large enough to cost nothing in size.
constexpr std::uint64_t kMemberBytes = 1U << 20;
/// A recorder has to keep up with the kernel: zlib's default level takes several times as long
/// for a fifth less.
constexpr int kGzipLevel = Z_BEST_SPEED;

/// How hard zstd looks for what came before. Both remember few places (hash_log): the lines before
/// have nearly all there is to repeat, and a place that is kept gives the same distance again and
/// again, which costs fewer bits than the newest one.
struct ZstdEffort {
  ZSTD_strategy strategy;
  int hash_log, chain_log, search_log, min_match;
};
constexpr int kZstdWindowLog = 19;
/// Half the time of zstd's default level, and smaller.
constexpr ZstdEffort kForTransitions = {ZSTD_fast, 11, 11, 1, 7};
/// A line of a connection stands for some six, so it may cost more.
constexpr ZstdEffort kForConnections = {ZSTD_lazy2, 12, 12, 4, 6};

enum class Mode { More, Flush, Finish };

class Encoder {
 public:
  virtual ~Encoder() = default;
  /// Takes all of `bytes`; what `mode` asks to be decodable is in `out` when it returns.
  virtual Status encode(std::string_view bytes, Mode mode, Output& out) = 0;
};

class GzipEncoder : public Encoder {
 public:
  GzipEncoder() {
    constexpr int kGzipWindow = 15 + 16;  // the largest window; + 16 asks for a gzip header
    ready_ =
        deflateInit2(&stream_, kGzipLevel, Z_DEFLATED, kGzipWindow, 8, Z_DEFAULT_STRATEGY) == Z_OK;
  }
  ~GzipEncoder() override {
    if (ready_) deflateEnd(&stream_);
  }
  GzipEncoder(const GzipEncoder&) = delete;
  GzipEncoder& operator=(const GzipEncoder&) = delete;

  Status encode(std::string_view bytes, Mode mode, Output& out) override {
    if (!ready_) return Error{Fault::Runtime, "not enough memory to compress", ENOMEM};
    // zlib never writes through next_in; its type is older than const.
    stream_.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(bytes.data()));
    stream_.avail_in = static_cast<uInt>(bytes.size());
    do {
      stream_.next_out = reinterpret_cast<Bytef*>(chunk_.data());
      stream_.avail_out = static_cast<uInt>(chunk_.size());
      deflate(&stream_, flush_of(mode));
      if (Status written = out.write({chunk_.data(), chunk_.size() - stream_.avail_out}); !written)
        return written;
    } while (stream_.avail_out == 0);
    if (mode == Mode::Finish) deflateReset(&stream_);  // what follows is a member of its own
    return Ok;
  }

 private:
  static int flush_of(Mode mode) {
    if (mode == Mode::Finish) return Z_FINISH;
    return mode == Mode::Flush ? Z_SYNC_FLUSH : Z_NO_FLUSH;
  }

  z_stream stream_{};
  bool ready_ = false;
  std::array<char, kChunk> chunk_;
};

class ZstdEncoder : public Encoder {
 public:
  ZstdEncoder() : context_(ZSTD_createCCtx(), &ZSTD_freeCCtx) {
    if (!context_) return;
    ZSTD_CCtx_setParameter(context_.get(), ZSTD_c_checksumFlag, 1);
    ZSTD_CCtx_setParameter(context_.get(), ZSTD_c_windowLog, kZstdWindowLog);
  }

  Status encode(std::string_view bytes, Mode mode, Output& out) override {
    if (!context_) return Error{Fault::Runtime, "not enough memory to compress", ENOMEM};
    if (!begun_ && !bytes.empty()) begin(bytes);
    ZSTD_inBuffer in{bytes.data(), bytes.size(), 0};
    std::size_t left = 0;
    do {
      ZSTD_outBuffer chunk{chunk_.data(), chunk_.size(), 0};
      left = ZSTD_compressStream2(context_.get(), &chunk, &in, directive_of(mode));
      if (ZSTD_isError(left)) {
        return Error{Fault::Runtime, std::string("cannot compress: ") + ZSTD_getErrorName(left)};
      }
      if (Status written = out.write({chunk_.data(), chunk.pos}); !written) return written;
    } while (in.pos < in.size || (mode != Mode::More && left > 0));
    return Ok;
  }

 private:
  /// The first bytes are the header, which says what the lines are. It is JSON, so no text in it
  /// has these quotes.
  void begin(std::string_view first) {
    begun_ = true;
    const bool connections = first.find(R"("lines":"connections")") != std::string_view::npos;
    const ZstdEffort effort = connections ? kForConnections : kForTransitions;
    for (const auto& [parameter, value] :
         {std::pair{ZSTD_c_strategy, static_cast<int>(effort.strategy)},
          std::pair{ZSTD_c_hashLog, effort.hash_log}, std::pair{ZSTD_c_chainLog, effort.chain_log},
          std::pair{ZSTD_c_searchLog, effort.search_log},
          std::pair{ZSTD_c_minMatch, effort.min_match}})
      ZSTD_CCtx_setParameter(context_.get(), parameter, value);
  }
  static ZSTD_EndDirective directive_of(Mode mode) {
    if (mode == Mode::Finish) return ZSTD_e_end;
    return mode == Mode::Flush ? ZSTD_e_flush : ZSTD_e_continue;
  }

  std::unique_ptr<ZSTD_CCtx, decltype(&ZSTD_freeCCtx)> context_;
  bool begun_ = false;
  std::array<char, kChunk> chunk_;
};

class CompressedOutput : public Output {
 public:
  CompressedOutput(std::unique_ptr<Encoder> encoder, std::unique_ptr<Output> below)
      : encoder_(std::move(encoder)), below_(std::move(below)) {}
  ~CompressedOutput() override {
    if (!closed_) static_cast<void>(finish());
  }
  CompressedOutput(const CompressedOutput&) = delete;
  CompressedOutput& operator=(const CompressedOutput&) = delete;

  Status write(std::string_view bytes) override {
    in_member_ += bytes.size();
    return run(bytes, Mode::More);
  }

  Status flush() override {
    const bool ends = in_member_ >= kMemberBytes;
    if (ends) in_member_ = 0;
    const Status encoded = run({}, ends ? Mode::Finish : Mode::Flush);
    return encoded ? below_->flush() : encoded;
  }

  Status close() override { return closed_ ? state_ : finish(); }

 private:
  Status run(std::string_view bytes, Mode mode) {
    if (closed_) return Error{Fault::Runtime, "the trace is already closed", EBADF};
    if (state_) state_ = encoder_->encode(bytes, mode, *below_);
    return state_;
  }

  Status finish() {
    static_cast<void>(run({}, Mode::Finish));
    closed_ = true;
    const Status closed = below_->close();
    if (state_) state_ = closed;
    return state_;
  }

  std::unique_ptr<Encoder> encoder_;
  std::unique_ptr<Output> below_;
  Status state_ = Ok;
  bool closed_ = false;
  std::uint64_t in_member_ = 0;  ///< bytes, before compression
};

std::unique_ptr<Encoder> encoder_for(std::string_view path) {
  if (path.ends_with(".gz")) return std::make_unique<GzipEncoder>();
  if (path.ends_with(".zst")) return std::make_unique<ZstdEncoder>();
  return nullptr;
}

}  // namespace

std::unique_ptr<Output> trace_output(int fd, const std::string& path, std::string_view named) {
  std::unique_ptr<Output> file = std::make_unique<FdOutput>(fd, path, true);
  std::unique_ptr<Encoder> encoder = encoder_for(named);
  if (!encoder) return file;
  return std::make_unique<CompressedOutput>(std::move(encoder), std::move(file));
}

Result<std::unique_ptr<Output>> create_trace_file(const std::string& path, mode_t mode,
                                                  const Spare& spare) {
  if (path == "-") {
    return std::unique_ptr<Output>(
        std::make_unique<FdOutput>(STDOUT_FILENO, "standard output", false));
  }
  const auto fd = open_to_write(path, mode, spare);
  if (!fd) return fd.error();
  return trace_output(*fd, path, path);
}

}  // namespace tcpdwell
