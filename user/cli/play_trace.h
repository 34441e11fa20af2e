// SPDX-License-Identifier: BSD-2-Clause
/// What report and diff share: a trace file played to a consumer, and what is to be said of it.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "cli/trace_arguments.h"
#include "model/event.h"
#include "run/options.h"
#include "util/result.h"

namespace tcpdwell {

/// Before the first byte of a trace is read: confine_reading(). Where that is not to be had, -v
/// says so.
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
