// SPDX-License-Identifier: BSD-2-Clause
#include "run/pipeline.h"

#include <fmt/format.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>

#include "enrich/cgroups.h"
#include "enrich/host.h"
#include "sinks/csv_lines.h"
#include "sinks/tables.h"
#include "sinks/text_lines.h"
#include "trace/compress.h"
#include "trace/writer.h"
#include "util/duration.h"
#include "util/escape.h"
#include "util/screen.h"

namespace tcpdwell {

std::unique_ptr<Consumer> line_sink(Format format, const RawOptions& raw, int fd, Output& out) {
  switch (format) {
    case Format::Json:
      return std::make_unique<TraceWriter>(out);
    case Format::Csv:
      return std::make_unique<CsvLines>(out);
    case Format::Text:
      break;
  }
  return std::make_unique<TextLines>(
      out, TextOptions{raw.wide, raw.time, want_colour(raw, fd), terminal_columns(fd)});
}

Status write_table(Format format, const RawOptions& raw, int fd, Output& out,
                   const Summary& summary, bool first) {
  switch (format) {
    case Format::Json:
      return write_table_json(out, summary);
    case Format::Csv:
      return write_table_csv(out, summary, first);
    case Format::Text:
      break;
  }
  return write_table_text(out, summary, TableOptions{want_colour(raw, fd), raw.wide, raw.limit});
}

bool writes_to_stdout(const RawOptions& raw) {
  if (raw.output.empty() || raw.output == "-") return true;
  struct stat file {
  }, standard{};
  return stat(raw.output.c_str(), &file) == 0 && fstat(STDOUT_FILENO, &standard) == 0 &&
         file.st_dev == standard.st_dev && file.st_ino == standard.st_ino;
}

Result<std::unique_ptr<Output>> open_output(const RawOptions& raw, const Spare& spare) {
  const auto mode = parse_mode(raw.mode);
  if (!mode) return Error{Fault::Usage, "--mode: " + mode.error().message};
  return create_trace_file(raw.output.empty() ? "-" : raw.output, *mode, spare);
}

Result<std::unique_ptr<Output>> open_line_output(const RawOptions& raw, Format format) {
  if (raw.output.empty() && format == Format::Text && isatty(STDOUT_FILENO))
    return std::unique_ptr<Output>(
        std::make_unique<ScreenOutput>(STDOUT_FILENO, "standard output"));
  return open_output(raw);
}

Header live_header(const Filter& filter) {
  Header header = describe_host();
  header.version = TCPDWELL_VERSION;
  header.filters_json = filter.to_json();
  return header;
}

Result<LivePlan> live_plan(const RawOptions& raw, const std::vector<std::string>& command,
                           const FilterChoice& choice) {
  LivePlan plan;
  plan.tracer.filter = choice.filter;
  plan.tracer.pid_namespace = own_pid_namespace();
  plan.tracer.cgroup = choice.cgroup;
  plan.tracer.verbose = raw.verbose > 1;
  plan.tracer.max_time_wait = raw.max_time_wait;
  plan.tracer.max_requests = raw.max_requests;
  plan.count = raw.count;
  plan.watch_stdout = writes_to_stdout(raw);
  plan.command = command;
  plan.tracer.of_command = !command.empty() && !raw.all;
  auto user = choose_user(raw.user);
  if (!user) return user.error();
  plan.keep.user = std::move(user).value();
  auto bytes = parse_size_bytes(raw.buffer);
  if (!bytes) return Error{Fault::Usage, "--buffer: " + bytes.error().message};
  plan.tracer.ring_bytes = *bytes;
  if (!raw.duration.empty()) {
    auto ns = parse_duration_ns(raw.duration);
    if (!ns) return Error{Fault::Usage, "--duration: " + ns.error().message};
    plan.duration_ns = *ns;
  }
  const auto way = parse_minisockets(raw.minisockets);
  if (!way)
    return Error{Fault::Usage, fmt::format("--minisockets {}: expected auto, fentry, timer or off",
                                           raw.minisockets)};
  plan.tracer.minisockets = *way;
  // In another pid namespace one that comes later cannot be known: the tracer refuses.
  if (plan.tracer.pid_namespace == 0) complain_of_missing(raw, choice.filter, "it is waited for");
  plan.on_seeded = [quiet = raw.quiet, verbose = raw.verbose != 0](const SeedReport& report) {
    if (verbose)
      complain(fmt::format("{} sockets in {} network namespaces existed before", report.sockets,
                           report.namespaces));
    if (!quiet) complain_of_gaps(report, "older sockets", "are seen from their next transition on");
  };
  if (!raw.quiet) plan.on_suspended = [](std::uint64_t ns) { complain(suspended_words(ns)); };
  plan.on_attached = [quiet = raw.quiet, verbose = raw.verbose != 0, asked = *way](
                         Minisockets got, const std::string& note) {
    if (verbose) complain("attached to sock/inet_sock_set_state; Ctrl-C ends and reports");
    if (got == Minisockets::Off && asked == Minisockets::Auto && !quiet)
      complain("TIME_WAIT, orphaned FIN_WAIT2 and a server's SYN_RECV are not observed: " + note);
  };
  plan.on_unconfined = [quiet = raw.quiet, asked = !raw.user.empty()](const Error& why) -> Status {
    if (asked && why.fault == Fault::Permission) return why;
    if (!quiet) complain(unconfined_words(why));
    return Status(Ok);
  };
  return plan;
}

CgroupNames cgroup_names(const RawOptions& raw) {
  if (raw.quiet) return CgroupNames(raw.host_root);
  return CgroupNames(raw.host_root, complain);
}

void complain_of_gaps(const SeedReport& report, std::string_view sockets, std::string_view fate) {
  if (report.unreachable != 0)
    complain(fmt::format("{} network namespaces could not be entered ({}): their {} {}",
                         report.unreachable,
                         report.unreachable_why == EPERM ? "needs CAP_SYS_ADMIN"
                                                         : std::strerror(report.unreachable_why),
                         sockets, fate));
  if (report.unseen_processes != 0)
    complain(
        fmt::format("the network namespaces of {} processes could not be looked up (needs "
                    "CAP_SYS_PTRACE): the {} of other namespaces {}",
                    report.unseen_processes, sockets, fate));
}

Status may_trace(const RawOptions& raw) {
  const auto user = choose_user(raw.user);
  return user ? Tracer::permitted() : Status(user.error());
}

void complain_of_missing(const RawOptions& raw, const Filter& filter, std::string_view fate) {
  if (raw.quiet) return;
  for (const std::uint32_t pid : filter.pids)
    if (kill(static_cast<pid_t>(pid), 0) != 0 && errno == ESRCH)
      complain(fmt::format("there is no process {}: {}", pid, fate));
}

std::string unconfined_words(const Error& why) {
  return "privileges could not be given up: " + why.message;
}

std::string suspended_words(std::uint64_t ns) {
  return fmt::format(
      "the machine was suspended for {}. No dwell contains that time, and the times of day after "
      "it "
      "are that much too early",
      human_duration(ns));
}

// Not fmt::print, which throws where standard error cannot be written.
void complain(const std::string& message) {
  std::fprintf(stderr, "tcpdwell: %s\n", printable(message).c_str());
}

}  // namespace tcpdwell
