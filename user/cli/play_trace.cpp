// SPDX-License-Identifier: BSD-2-Clause
#include "cli/play_trace.h"

#include <fmt/format.h>
#include <glob.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <thread>
#include <utility>

#include "capture/confine.h"
#include "run/pipeline.h"
#include "trace/compress.h"
#include "trace/reader.h"

namespace tcpdwell {
namespace {

/// 0 for what has no size: a pipe.
std::uint64_t size_of(const std::string& file) {
  struct stat about {};
  const bool known =
      file == "-" ? fstat(STDIN_FILENO, &about) == 0 : stat(file.c_str(), &about) == 0;
  return known && S_ISREG(about.st_mode) ? static_cast<std::uint64_t>(about.st_size) : 0;
}

std::vector<std::string> flaws_of(const std::string& name, const ReadReport& read) {
  std::vector<std::string> flaws;
  if (read.skipped != 0)
    flaws.push_back(fmt::format(
        "{}: {} line{} not understood and left out, the first at line {}: {}", name, read.skipped,
        read.skipped == 1 ? "" : "s", read.first_skipped_line, read.first_skipped_why));
  if (!read.damage.empty())
    flaws.push_back(fmt::format("{}: {}; what is whole is used", name, read.damage));
  else if (!read.complete)
    flaws.push_back(fmt::format("{}: cut off (no end line); what is there is used", name));
  if (read.suspended_ns != 0)
    flaws.push_back(fmt::format("{}: {}", name, suspended_words(read.suspended_ns)));
  return flaws;
}

}  // namespace

Result<std::vector<std::string>> expand_globs(const std::vector<std::string>& names) {
  std::vector<std::string> files;
  for (const std::string& name : names) {
    if (name.find_first_of("*?[") == std::string::npos || access(name.c_str(), F_OK) == 0) {
      files.push_back(name);
      continue;
    }
    glob_t found{};
    if (glob(name.c_str(), 0, nullptr, &found) != 0)
      return Error{Fault::Usage, fmt::format("no file matches {}", name)};
    files.insert(files.end(), found.gl_pathv, found.gl_pathv + found.gl_pathc);
    globfree(&found);
  }
  return files;
}

Progress::Progress(const std::vector<std::string>& files, bool wanted)
    : wanted_(wanted && isatty(STDERR_FILENO)), started_(Clock::now()), told_(started_) {
  for (const std::string& file : files) {
    const std::uint64_t size = size_of(file);
    if (size == 0) {
      total_ = 0;
      return;
    }
    total_ += size;
  }
}

std::function<void(std::uint64_t)> Progress::for_file(const std::string& file) {
  if (!wanted_) return nullptr;
  before_ += std::exchange(size_, size_of(file));
  return [this](std::uint64_t file_offset) { show(file_offset); };
}

void Progress::show(std::uint64_t file_offset) {
  using namespace std::chrono_literals;
  const Clock::time_point now = Clock::now();
  if (now - started_ < 500ms || now - told_ < 100ms) return;
  told_ = now;
  shown_ = true;
  const std::uint64_t done = before_ + file_offset;
  std::string line;
  if (total_ == 0) {
    line = fmt::format("reading: {} MB", done / 1'000'000);
  } else {
    const std::size_t columns =
        std::clamp<std::size_t>(terminal_columns(STDERR_FILENO), 30, 80) - 25;
    const std::size_t full = std::min<std::size_t>(columns, columns * done / total_);
    line = fmt::format("reading [{}{}] {:3} %", std::string(full, '#'),
                       std::string(columns - full, '.'),
                       std::min<std::uint64_t>(100, done * 100 / total_));
  }
  std::fprintf(stderr, "\r\x1b[K%s", line.c_str());
}

void Progress::clear() {
  if (shown_) std::fputs("\r\x1b[K", stderr);
  shown_ = false;
}

void confine_to_reading(const RawOptions& raw) {
  const Status confined = confine_reading();
  if (!confined && raw.verbose) complain(unconfined_words(confined.error()));
}

std::string shown_name(const std::string& file) { return file == "-" ? "standard input" : file; }

Result<std::vector<std::string>> read_file(const std::string& file, Consumer& consumer,
                                           Progress& progress) {
  auto input = open_trace_file(file);
  if (!input) return input.error();
  const std::string name = shown_name(file);
  auto read = read_trace(**input, name, consumer,
                         {std::thread::hardware_concurrency(), progress.for_file(file)});
  if (!read) return read.error();
  return flaws_of(name, *read);
}

}  // namespace tcpdwell
