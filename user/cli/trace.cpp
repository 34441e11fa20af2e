// SPDX-License-Identifier: BSD-2-Clause
/// `tcpdwell trace` and `tcpdwell record`: lines as they happen, a table at the end.
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <chrono>
#include <filesystem>
#include <functional>
#include <optional>
#include <utility>

#include "aggregate/aggregator.h"
#include "cli/commands.h"
#include "enrich/cgroups.h"
#include "run/live_run.h"
#include "run/naming.h"
#include "run/pipeline.h"
#include "run/rotate.h"
#include "trace/compress.h"
#include "trace/reader.h"
#include "trace/writer.h"
#include "util/descriptor.h"
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

/// Keeps what ends the trace.
class LastLine : public Consumer {
 public:
  Status transition(const Transition&) override { return Ok; }
  Status end(const TraceEnd& end) override {
    found = end;
    return Ok;
  }
  std::optional<TraceEnd> found;
};

/// In text, sockets that existed before are counted instead of listed.
class CountsExisting : public Consumer {
 public:
  explicit CountsExisting(Consumer& next) : next_(next) {}
  Status header(const Header& header) override { return next_.header(header); }
  Status transition(const Transition& t) override { return next_.transition(t); }
  Status seed(const Seed&) override {
    ++count;
    return Ok;
  }
  Status connection(const Connection& connection) override { return next_.connection(connection); }
  Status socket(const Listed& socket) override { return next_.socket(socket); }
  Status local_ports(const LocalPorts& ports) override { return next_.local_ports(ports); }
  Status loss(const Loss& loss) override { return next_.loss(loss); }
  Status tally(const Tally& tally) override { return next_.tally(tally); }
  Status end(const TraceEnd& end) override { return next_.end(end); }
  std::uint64_t count = 0;

 private:
  Consumer& next_;
};

struct Lines {
  const Invocation& invocation;
  TableChoice asked;
  LineChoice lines = {};
  RotatingTrace* rotating = nullptr;
  /// What was written where, for who recorded it.
  std::function<std::string(const TraceEnd&)> on_written = nullptr;
  std::function<void()> on_seeded = nullptr;

  /// Files that are made later are its user's who began it, unless that is to be another.
  void keep_files(Keep& keep) const {
    keep.files_in = directory_of(invocation.raw.output);
    if (invocation.raw.user.empty()) keep.user.reset();
  }

  void tell_connections(LivePlan& plan, Output& out) const {
    plan.tracer.detail = lines.detail;
    plan.tells_stuck = plan.keep.looks = true;
    if (lines.detail == Detail::Connections) {
      plan.tell_open_every_ns = lines.flush_ns;
      plan.on_told = [&out](bool) { return out.flush(); };
    }
    if (rotating == nullptr) return;
    plan.wants_open = [this] { return rotating->is_due(); };
    plan.on_told = [this](bool looked) { return rotating->open_told(looked); };
  }

  /// Flushes what was written every `flush_every`, and plays the run into `sink`.
  Result<int> run(Output& out, Consumer& sink, Clock::duration flush_every) {
    const RawOptions& raw = invocation.raw;
    auto plan = live_plan(invocation.raw, invocation.command, asked.filter);
    if (!plan) return plan.error();
    if (on_seeded)
      plan->on_seeded = [this, then = plan->on_seeded](const SeedReport& report) {
        then(report);
        on_seeded();
      };
    Aggregator aggregator(table_options(asked.filter.filter, asked.table.by));
    Counted counted(aggregator);
    // What the kernel side can count need not be counted, and remembered, here once more.
    plan->tracer.counted = lines.detail == Detail::Transitions && plan->count == 0 &&
                           asked.table.by == std::vector{Key::State} &&
                           Tracer::can_count(asked.filter.filter);
    LastLine last;
    CgroupNames names = cgroup_names(raw);
    NamingStage naming(names, sink);
    Tee tee({&last, asked.format == Format::Json ? &naming : &sink,
             plan->tracer.counted ? static_cast<Consumer*>(&counted) : &aggregator});
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
    if (!raw.quiet) {
      Summary summary = aggregator.take_summary(outcome->end_wall_ns);
      summary.name_cgroups([&names](std::uint64_t id) { return names.find(id)->label(); });
      if (Status status = forgive_closed_pipe(write_summary(raw, asked.format, summary)); !status)
        return status.error();
    }
    if (!raw.quiet && on_written && last.found) complain(on_written(*last.found));
    return outcome->command_status;
  }
};

Result<Lines> parse_lines(const Invocation& invocation) {
  auto asked = parse_table_choice(invocation.raw);
  if (!asked) return asked.error();
  auto lines = parse_line_choice(invocation);
  if (!lines) return lines.error();
  if (!invocation.command.empty() && !invocation.raw.all)
    asked->filter.filter.command = std::filesystem::path(invocation.command.front()).filename();
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
  if (Status allowed = may_trace(invocation.raw); !allowed) return allowed.error();
  if (options.files.path == "-")
    return Error{Fault::Usage, "--rotate needs -o FILE: standard output cannot be rotated"};
  auto trace = RotatingTrace::create(std::move(options));
  if (!trace) return trace.error();
  if (const auto& spared = (*trace)->spared(); !spared.empty() && !invocation.raw.quiet)
    complain(fmt::format("--keep leaves {} of these names, not known to be older traces: {}{}",
                         spared.size() == 1 ? "a file" : fmt::format("{} files", spared.size()),
                         spared.front(), spared.size() == 1 ? "" : " and others"));
  lines.rotating = trace->get();
  lines.on_written = [&](const TraceEnd&) {
    const std::uint64_t files = (*trace)->parts();
    return fmt::format("wrote {} file{}, the last of them {}", human_count(files),
                       files == 1 ? "" : "s", (*trace)->last_name());
  };
  return lines.run(**trace, **trace, std::chrono::seconds(1));
}

/// A trace can be made again; whatever else somebody has called so is his.
Spare spare_what_is_no_trace(const std::string& path) {
  return [path](const std::string& opened) -> Status {
    auto input = open_trace_file(opened);
    if (input && read_first_header(**input, path)) return Ok;
    return Error{Fault::Usage,
                 fmt::format("{} is there and is no trace; --force overwrites it", path)};
  };
}

/// "wrote 12 transitions of 3 connections to a.json (4,512 bytes)"
std::string written_words(const TraceEnd& end, const Lines& lines, const std::string& path,
                          int file) {
  std::string text = "wrote ";
  if (lines.lines.detail == Detail::Transitions)
    text += fmt::format("{} transitions of ", human_count(end.transitions));
  text += fmt::format("{} connections", human_count(end.connections));
  if (path == "-") return text + " to standard output";
  text += " to " + path;
  struct stat about {};
  if (file >= 0 && fstat(file, &about) == 0 && S_ISREG(about.st_mode))
    text += fmt::format(" ({} bytes)", human_count(static_cast<std::uint64_t>(about.st_size)));
  return text;
}

}  // namespace

Result<int> run_trace(const Invocation& invocation) {
  const RawOptions& raw = invocation.raw;
  auto lines = parse_lines(invocation);
  if (!lines) return lines.error();
  if (Status allowed = may_trace(invocation.raw); !allowed) return allowed.error();
  auto out = open_line_output(raw, lines->asked.format);
  if (!out) return out.error();
  const int fd = raw.output.empty() ? STDOUT_FILENO : -1;
  const auto sink = line_sink(lines->asked.format, raw, fd, **out);
  if (lines->asked.format != Format::Text || raw.existing)
    return lines->run(**out, *sink, Clock::duration::zero());
  CountsExisting shown(*sink);
  if (!raw.quiet)
    lines->on_seeded = [&] {
      if (shown.count != 0)  // a failure stays with the output, and shows with the next line
          [[maybe_unused]]
        const Status written =
            (*out)->write(fmt::format("{} socket{} existed before; --existing lists them\n",
                                      human_count(shown.count), shown.count == 1 ? "" : "s"));
    };
  return lines->run(**out, shown, Clock::duration::zero());
}

Result<int> run_record(const Invocation& invocation) {
  auto lines = parse_lines(invocation);
  if (!lines) return lines.error();
  if (lines->asked.format != Format::Json)
    return Error{Fault::Usage,
                 "record writes JSON traces; use trace --format text|csv -o FILE for others"};
  if (!invocation.rotate.empty()) return run_rotating(*lines, invocation);
  if (invocation.keep != 0) return Error{Fault::Usage, "--keep needs --rotate"};
  if (Status allowed = may_trace(invocation.raw); !allowed) return allowed.error();
  const std::string& path = invocation.raw.output;
  auto out = open_output(invocation.raw, invocation.force ? Spare() : spare_what_is_no_trace(path));
  if (!out) return out.error();
  TraceWriter sink(**out);
  // By its descriptor: once confined, the process may not find the way to it again.
  const Descriptor file(path == "-" ? -1 : open(path.c_str(), O_PATH | O_CLOEXEC));
  lines->on_written = [&](const TraceEnd& end) {
    return written_words(end, *lines, path, file.get());
  };
  return lines->run(**out, sink, std::chrono::seconds(1));
}

}  // namespace tcpdwell
