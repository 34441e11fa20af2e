// SPDX-License-Identifier: BSD-2-Clause
/// `tcpdwell trace` and `tcpdwell record`: lines as they happen, a table at the end.
#include <fmt/format.h>
#include <unistd.h>

#include <chrono>
#include <filesystem>
#include <optional>
#include <utility>

#include "aggregate/aggregator.h"
#include "cli/commands.h"
#include "run/live_run.h"
#include "run/pipeline.h"
#include "run/rotate.h"
#include "trace/writer.h"
#include "util/duration.h"

namespace tcpdwell {
namespace {

using Clock = std::chrono::steady_clock;

AggregatorOptions table_options(const Filter& filter, std::vector<Key> by) {
  AggregatorOptions options;
  options.by = std::move(by);
  options.states = filter.states;
  options.min_dwell_ns = filter.min_dwell_ns;
  options.open_known = filter.min_dwell_ns == 0;
  return options;
}

/// The table of a finished run, for a person: on standard output where the lines went there too and
/// somebody looks, else on standard error.
Status write_summary(const RawOptions& raw, Format format, const Summary& summary) {
  const bool with_lines = format == Format::Text && raw.output.empty() && isatty(STDOUT_FILENO);
  const int fd = with_lines ? STDOUT_FILENO : STDERR_FILENO;
  FdOutput out(fd, with_lines ? "standard output" : "standard error", false);
  if (Status status = out.write("\n"); !status) return status;
  if (Status status = write_table(Format::Text, raw, fd, out, summary, true); !status)
    return status;
  return out.flush();
}

/// A pipe whose reader has left ends a run; it is no failure.
Status forgive_closed_pipe(const Status& status) {
  return !status && status.error().os_errno == EPIPE ? Status(Ok) : status;
}

std::string directory_of(const std::string& path) {
  const std::string directory = std::filesystem::path(path).parent_path();
  return directory.empty() ? "." : directory;
}

/// The table of what the kernel side counts: the lines go past it.
class Counted : public Consumer {
 public:
  explicit Counted(Aggregator& to) : to_(to) {}
  Status header(const Header& header) override { return to_.header(header); }
  Status transition(const Transition&) override { return Ok; }
  Status tally(const Tally& tally) override { return to_.tally(tally); }
  Status loss(const Loss& loss) override { return to_.loss(loss); }

 private:
  Aggregator& to_;
};

/// A look at all that is open takes a while.
constexpr std::uint64_t kOftenestFlush = 100'000'000;

/// What `record` has a line for.
struct LineChoice {
  Detail detail = Detail::Transitions;
  std::optional<std::uint64_t> flush_ns;
};

Result<LineChoice> parse_line_choice(const Invocation& invocation) {
  LineChoice choice;
  if (invocation.lines == "connections")
    choice.detail = Detail::Connections;
  else if (invocation.lines != "transitions")
    return Error{Fault::Usage,
                 fmt::format("--lines {}: expected transitions or connections", invocation.lines)};
  if (invocation.flush.empty()) return choice;
  if (choice.detail != Detail::Connections)
    return Error{Fault::Usage, "--flush needs --lines connections"};
  auto ns = parse_duration_ns(invocation.flush);
  if (!ns) return Error{Fault::Usage, "--flush: " + ns.error().message};
  if (*ns < kOftenestFlush)
    return Error{Fault::Usage, fmt::format("--flush {}: expected 100ms or more", invocation.flush)};
  choice.flush_ns = *ns;
  return choice;
}

struct Lines {
  const Invocation& invocation;
  TableChoice asked;
  LineChoice lines = {};
  RotatingTrace* rotating = nullptr;

  /// Files that are made later are its user's who began it, unless that is to be another.
  void keep_files(Keep& keep) const {
    keep.files_in = directory_of(invocation.raw.output);
    if (invocation.raw.user.empty()) keep.user.reset();
  }

  void tell_connections(LivePlan& plan, Output& out) const {
    plan.tracer.detail = lines.detail;
    plan.tells_stuck = plan.keep.looks = true;
    if (lines.detail != Detail::Connections) return;
    plan.tell_open_every_ns = lines.flush_ns;
    plan.on_told = [&out] { return out.flush(); };
    if (rotating == nullptr) return;
    plan.wants_open = [this] { return rotating->is_due(); };
    plan.on_told = [this] { return rotating->open_told(); };
  }

  /// Flushes what was written every `flush_every`, and plays the run into `sink`.
  Result<int> run(Output& out, Consumer& sink, Clock::duration flush_every) {
    const RawOptions& raw = invocation.raw;
    auto plan = live_plan(invocation.raw, invocation.command, asked.filter);
    if (!plan) return plan.error();
    Aggregator aggregator(table_options(asked.filter.filter, asked.by));
    Counted counted(aggregator);
    // What the kernel side can count need not be counted, and remembered, here once more.
    plan->tracer.counted = lines.detail == Detail::Transitions && plan->count == 0 &&
                           asked.by == std::vector{Key::State} &&
                           Tracer::can_count(asked.filter.filter);
    Tee tee({&sink, plan->tracer.counted ? static_cast<Consumer*>(&counted) : &aggregator});
    Clock::time_point flushed = Clock::now();
    plan->after_drain = [&](Tracer&) -> Status {
      if (Clock::now() - flushed < flush_every) return Ok;
      flushed = Clock::now();
      return out.flush();
    };
    if (!invocation.rotate.empty()) keep_files(plan->keep);
    tell_connections(*plan, out);
    if (!plan->tracer.counted) plan->connections = [&] { return aggregator.connections(); };
    Header header = live_header(asked.filter.filter);
    if (lines.detail == Detail::Connections) header.lines = "connections";
    auto outcome = run_live(*plan, std::move(header), tee);
    const Status closed = forgive_closed_pipe(out.close());
    if (!outcome) return outcome.error();
    if (!closed) return closed.error();
    if (!raw.quiet)
      if (Status status = forgive_closed_pipe(
              write_summary(raw, asked.format, aggregator.take_summary(outcome->end_wall_ns)));
          !status)
        return status.error();
    return outcome->command_status;
  }
};

Result<Lines> parse_lines(const Invocation& invocation) {
  auto asked = parse_table_choice(invocation.raw);
  if (!asked) return asked.error();
  auto lines = parse_line_choice(invocation);
  if (!lines) return lines.error();
  return Lines{invocation, std::move(asked).value(), *lines};
}

Result<int> run_rotating(Lines& lines, const Invocation& invocation) {
  RotateOptions options;
  const auto mode = parse_mode(invocation.raw.mode);
  if (!mode) return Error{Fault::Usage, "--mode: " + mode.error().message};
  options.files = {invocation.raw.output, *mode, invocation.keep};
  // Where lines of a connection are hidden, what state it is in is not known.
  const Filter& filter = lines.asked.filter.filter;
  options.seeds = filter.states == 0 && filter.min_dwell_ns == 0;
  if (Status parsed = parse_rotate(invocation.rotate, options); !parsed) return parsed.error();
  if (options.files.path == "-")
    return Error{Fault::Usage, "--rotate needs -o FILE: standard output cannot be rotated"};
  auto trace = RotatingTrace::create(std::move(options));
  if (!trace) return trace.error();
  if (const auto& spared = (*trace)->spared(); !spared.empty() && !invocation.raw.quiet)
    complain(fmt::format("--keep leaves {} of these names, not known to be older traces: {}{}",
                         spared.size() == 1 ? "a file" : fmt::format("{} files", spared.size()),
                         spared.front(), spared.size() == 1 ? "" : " and others"));
  lines.rotating = trace->get();
  return lines.run(**trace, **trace, std::chrono::seconds(1));
}

}  // namespace

Result<int> run_trace(const Invocation& invocation) {
  const RawOptions& raw = invocation.raw;
  auto lines = parse_lines(invocation);
  if (!lines) return lines.error();
  auto out = open_line_output(raw, lines->asked.format);
  if (!out) return out.error();
  const int fd = raw.output.empty() ? STDOUT_FILENO : -1;
  const auto sink = line_sink(lines->asked.format, raw, fd, **out);
  return lines->run(**out, *sink, Clock::duration::zero());
}

Result<int> run_record(const Invocation& invocation) {
  auto lines = parse_lines(invocation);
  if (!lines) return lines.error();
  if (lines->asked.format != Format::Json)
    return Error{Fault::Usage,
                 "record writes JSON traces; use trace --format text|csv -o FILE for others"};
  if (!invocation.rotate.empty()) return run_rotating(*lines, invocation);
  if (invocation.keep != 0) return Error{Fault::Usage, "--keep needs --rotate"};
  auto out = open_output(invocation.raw);
  if (!out) return out.error();
  TraceWriter sink(**out);
  return lines->run(**out, sink, std::chrono::seconds(1));
}

}  // namespace tcpdwell
