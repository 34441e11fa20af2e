// SPDX-License-Identifier: BSD-2-Clause
/// The traces a command line names, and how far they have been read.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "util/result.h"

namespace tcpdwell {

/// A name that is no file but holds * ? or [ stands for the files that match, in order of name.
/// Fault::Usage where none does.
Result<std::vector<std::string>> expand_globs(const std::vector<std::string>& names);

/// A bar on standard error, where that is a terminal and reading takes longer than half a second.
class Progress {
 public:
  Progress(const std::vector<std::string>& files, bool wanted);
  ~Progress() { clear(); }
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;
  /// What read_trace() tells how far it is in `file`; files are told in order.
  std::function<void(std::uint64_t)> for_file(const std::string& file);
  void clear();  ///< takes the bar away

 private:
  void show(std::uint64_t file_offset);

  using Clock = std::chrono::steady_clock;
  bool wanted_;
  bool shown_ = false;
  std::uint64_t total_ = 0;              ///< bytes of all files; 0 where one has no size
  std::uint64_t before_ = 0, size_ = 0;  ///< of the files read, and of the one being read
  Clock::time_point started_, told_;
};

}  // namespace tcpdwell
