// SPDX-License-Identifier: BSD-2-Clause
/// `tcpdwell stat`: a table each interval, or one at the end.
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <optional>
#include <string_view>

#include "aggregate/aggregator.h"
#include "cli/commands.h"
#include "enrich/cgroups.h"
#include "run/live_run.h"
#include "run/pipeline.h"
#include "util/duration.h"

namespace tcpdwell {
namespace {

constexpr std::string_view kThroughFentry =
    "--of accept: how long a connection waits for accept() is known through fentry alone";

/// No other way in will do.
Status follow_accept(TracerOptions& tracer) {
  if (tracer.minisockets != Minisockets::Auto && tracer.minisockets != Minisockets::Fentry)
    return Error{Fault::Usage, fmt::format("{}, not with --minisockets {}", kThroughFentry,
                                           name_of(tracer.minisockets))};
  tracer.minisockets = Minisockets::Fentry;
  return Ok;
}

Error accept_error(Error error) {
  if (error.fault == Fault::Unsupported)
    error.message = fmt::format("{}: {}", kThroughFentry, error.message);
  return error;
}

class Stat {
 public:
  Stat(const Invocation& invocation, Format format, Output& out, AggregatorOptions options,
       bool by_cgroup)
      : invocation_(invocation),
        format_(format),
        out_(out),
        of_(options.of),
        aggregator_(std::move(options)) {
    if (by_cgroup) names_.emplace(cgroup_names(invocation.raw));
  }

  Result<int> run(LivePlan plan, const Filter& filter) {
    plan.connections = [this] { return aggregator_.connections(); };
    if (plan.tick_ns) plan.on_tick = [this](std::int64_t wall_ns) { return tick(wall_ns); };
    auto outcome = run_live(plan, live_header(filter), aggregator_);
    if (!outcome) return of_ == Of::Accept ? accept_error(outcome.error()) : outcome.error();
    if (!done()) {
      Status status = table(outcome->end_wall_ns);
      if (!status && status.error().os_errno != EPIPE) return status.error();
    }
    if (Status status = out_.close(); !status && status.error().os_errno != EPIPE)
      return status.error();
    return outcome->command_status;
  }

 private:
  bool done() const { return invocation_.tables != 0 && written_ >= invocation_.tables; }

  Result<bool> tick(std::int64_t wall_ns) {
    if (Status status = table(wall_ns); !status) return status.error();
    return !done();
  }

  Status table(std::int64_t wall_ns) {
    const RawOptions& raw = invocation_.raw;
    if (written_ != 0 && format_ == Format::Text)
      if (Status status = out_.write("\n"); !status) return status;
    const int fd = raw.output.empty() ? STDOUT_FILENO : -1;
    Summary summary = aggregator_.take_summary(wall_ns);
    if (names_)
      summary.name_cgroups([this](std::uint64_t id) { return names_->find(id)->label(); });
    Status status = write_table(format_, raw, fd, out_, summary, written_ == 0);
    ++written_;
    return status ? out_.flush() : status;
  }

  const Invocation& invocation_;
  Format format_;
  Output& out_;
  const Of of_;
  Aggregator aggregator_;
  std::optional<CgroupNames> names_;  ///< where rows have cgroups
  std::uint64_t written_ = 0;
};

}  // namespace

Result<int> run_stat(const Invocation& invocation) {
  auto asked = parse_table_choice(invocation.raw);
  if (!asked) return asked.error();
  const Filter& filter = asked->filter.filter;
  auto plan = live_plan(invocation.raw, invocation.command, asked->filter);
  if (!plan) return plan.error();
  if (asked->table.of == Of::Accept)
    if (Status known = follow_accept(plan->tracer); !known) return known.error();
  if (!invocation.interval.empty()) {
    auto interval = parse_duration_ns(invocation.interval);
    if (!interval && !invocation.interval.starts_with('-'))
      return Error{Fault::Usage, "INTERVAL: " + interval.error().message};
    if (!interval || *interval == 0)
      return Error{Fault::Usage, "INTERVAL: expected a duration such as 1, 500ms or 1m, not '" +
                                     invocation.interval + "'"};
    plan->tick_ns = *interval;
  }
  // A table by state alone can be counted in the kernel; to end after so many transitions takes
  // each of them.
  if (asked->table.by == std::vector{Key::State} && asked->table.of == Of::State &&
      plan->count == 0 && Tracer::can_count(filter))
    plan->tracer.detail = Detail::Counts;
  if (invocation.raw.verbose)
    complain(plan->tracer.detail == Detail::Counts
                 ? "level of detail: counts (the kernel counts, nothing is sent)"
                 : "level of detail: transitions (a record of each)");
  if (Status allowed = may_trace(invocation.raw); !allowed) return allowed.error();
  auto out = open_output(invocation.raw);
  if (!out) return out.error();
  AggregatorOptions options;
  options.of = asked->table.of;
  options.by = std::move(asked->table.by);
  options.states = filter.states;
  options.min_dwell_ns = filter.min_dwell_ns;
  options.open_known = filter.min_dwell_ns == 0;
  const bool by_cgroup =
      std::find(options.by.begin(), options.by.end(), Key::Cgroup) != options.by.end();
  return Stat(invocation, asked->format, **out, std::move(options), by_cgroup)
      .run(std::move(plan).value(), filter);
}

}  // namespace tcpdwell
