// SPDX-License-Identifier: BSD-2-Clause
/// Pieces that the commands put together.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "enrich/cgroups.h"
#include "model/event.h"
#include "model/listing.h"
#include "model/summary.h"
#include "run/live_run.h"
#include "run/options.h"
#include "util/create.h"
#include "util/output.h"

namespace tcpdwell {

class CgroupNames;

/// Passes every event to several consumers, in order.
class Tee : public Consumer {
 public:
  explicit Tee(std::vector<Consumer*> to) : to_(std::move(to)) {}
  Status header(const Header& e) override { return each(&Consumer::header, e); }
  Status transition(const Transition& e) override { return each(&Consumer::transition, e); }
  Status seed(const Seed& e) override { return each(&Consumer::seed, e); }
  Status tally(const Tally& e) override { return each(&Consumer::tally, e); }
  Status connection(const Connection& e) override { return each(&Consumer::connection, e); }
  Status socket(const Listed& e) override { return each(&Consumer::socket, e); }
  Status local_ports(const LocalPorts& e) override { return each(&Consumer::local_ports, e); }
  Status cgroup_name(const NamedCgroup& e) override { return each(&Consumer::cgroup_name, e); }
  Status loss(const Loss& e) override { return each(&Consumer::loss, e); }
  Status end(const TraceEnd& e) override { return each(&Consumer::end, e); }

 private:
  template <class Event>
  Status each(Status (Consumer::*method)(const Event&), const Event& event) {
    for (Consumer* consumer : to_)
      if (Status status = (consumer->*method)(event); !status) return status;
    return Ok;
  }
  std::vector<Consumer*> to_;
};

/// Lets the lines through that a filter shows.
class FilterStage : public Consumer {
 public:
  FilterStage(const Filter& filter, Consumer& next) : filter_(filter), next_(next) {}
  Status header(const Header& e) override { return next_.header(e); }
  Status transition(const Transition& e) override {
    return filter_.matches(e) ? next_.transition(e) : Status(Ok);
  }
  Status seed(const Seed& e) override { return filter_.matches(e) ? next_.seed(e) : Status(Ok); }
  Status connection(const Connection& e) override {
    return filter_.matches(e) ? next_.connection(e) : Status(Ok);
  }
  Status socket(const Listed& e) override {
    return filter_.matches(e.seed) ? next_.socket(e) : Status(Ok);
  }
  Status local_ports(const LocalPorts& e) override {
    return filter_.netns.value_or(e.netns) == e.netns ? next_.local_ports(e) : Status(Ok);
  }
  Status cgroup_name(const NamedCgroup& e) override { return next_.cgroup_name(e); }
  Status loss(const Loss& e) override { return next_.loss(e); }
  Status end(const TraceEnd& e) override { return next_.end(e); }

 private:
  const Filter& filter_;
  Consumer& next_;
};

/// The lines of `trace` in a format.
std::unique_ptr<Consumer> line_sink(Format format, const RawOptions& raw, int fd, Output& out);

/// A table in a format; `first` is false where a CSV header has been written.
Status write_table(Format format, const RawOptions& raw, int fd, Output& out,
                   const Summary& summary, bool first);

/// False where -o names another file, and who reads standard output is nothing to the command.
bool writes_to_stdout(const RawOptions& raw);

/// Standard output, or the file of -o (plain or compressed by its suffix).
Result<std::unique_ptr<Output>> open_output(const RawOptions& raw, const Spare& spare = {});

/// The same for lines as they happen: a terminal, the slowest sink there is, holds nothing up.
Result<std::unique_ptr<Output>> open_line_output(const RawOptions& raw, Format format);

/// The header of a live trace with these filters.
Header live_header(const Filter& filter);

/// Tracer options, duration, count and command from the flags.
Result<LivePlan> live_plan(const RawOptions& raw, const std::vector<std::string>& command,
                           const FilterChoice& choice);

/// Names of cgroups, by the files of --host-root; what of those cannot be read is complained of.
CgroupNames cgroup_names(const RawOptions& raw);

/// One line on standard error: "tcpdwell: …".
void complain(const std::string& message);
/// What a walk of the sockets that exist could not reach, and what that means for those:
/// "older sockets", "are seen from their next transition on".
void complain_of_gaps(const SeedReport& report, std::string_view sockets, std::string_view fate);
/// Whether this process may trace, and become who it is to run as: to be asked before a file or a
/// socket is made. Fault::Permission names what is missing.
Status may_trace(const RawOptions& raw);
/// Of each process asked for with -p that there is not: "there is no process 4711: " and `fate`.
void complain_of_missing(const RawOptions& raw, const Filter& filter, std::string_view fate);
/// What a failed confine() means.
std::string unconfined_words(const Error& why);
/// What a suspended machine did to a trace.
std::string suspended_words(std::uint64_t ns);

}  // namespace tcpdwell
