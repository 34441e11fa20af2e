// SPDX-License-Identifier: BSD-2-Clause
#include "cli/trace_arguments.h"

#include <fmt/format.h>
#include <glob.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <utility>

#include "run/options.h"

namespace tcpdwell {
namespace {

/// 0 for what has no size: a pipe.
std::uint64_t size_of(const std::string& file) {
  struct stat about {};
  const bool known =
      file == "-" ? fstat(STDIN_FILENO, &about) == 0 : stat(file.c_str(), &about) == 0;
  return known && S_ISREG(about.st_mode) ? static_cast<std::uint64_t>(about.st_size) : 0;
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

}  // namespace tcpdwell
