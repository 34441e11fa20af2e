// SPDX-License-Identifier: BSD-2-Clause
/// What report and diff share: the traces a command line names, each played to a consumer, and what
/// is to be said of it.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "model/event.h"
#include "run/options.h"
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

/// Before the first byte of a trace is read: confine_reading(). If that fails, -v says so.
void confine_to_reading(const RawOptions& raw);

/// "-" is standard input. The flaws of the file, a sentence each: what a reader should know before
/// trusting what is shown.
Result<std::vector<std::string>> read_file(const std::string& file, Consumer& consumer,
                                           Progress& progress);
std::string shown_name(const std::string& file);

/// The time of the last event that was played.
class LastMoment : public Consumer {
 public:
  Status header(const Header& header) override { return note(header.start_wall_ns); }
  Status seed(const Seed& seed) override { return note(seed.wall_ns); }
  Status transition(const Transition& t) override { return note(t.wall_ns); }
  Status connection(const Connection& connection) override { return note(connection.wall_ns()); }
  Status local_ports(const LocalPorts& ports) override { return note(ports.wall_ns); }
  Status loss(const Loss& loss) override { return note(loss.wall_ns); }
  Status end(const TraceEnd& end) override { return note(end.wall_ns); }
  std::int64_t wall_ns() const { return wall_ns_; }

 private:
  Status note(std::int64_t wall_ns) {
    if (wall_ns > wall_ns_) wall_ns_ = wall_ns;
    return Ok;
  }
  std::int64_t wall_ns_ = 0;
};

}  // namespace tcpdwell
