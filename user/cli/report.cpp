// SPDX-License-Identifier: BSD-2-Clause
/// `tcpdwell report`: tables from traces, without root.
#include <fmt/format.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>

#include "aggregate/aggregator.h"
#include "cli/commands.h"
#include "cli/help.h"
#include "cli/pipeline.h"
#include "trace/compress.h"
#include "trace/reader.h"

namespace tcpdwell {
namespace {

/// The time of the last event that a trace holds.
class LastMoment : public Consumer {
 public:
  Status header(const Header& header) override { return note(header.start_wall_ns); }
  Status seed(const Seed& seed) override { return note(seed.wall_ns); }
  Status transition(const Transition& t) override { return note(t.wall_ns); }
  Status loss(const Loss& loss) override { return note(loss.wall_ns); }
  Status end(const TraceEnd& end) override { return note(end.wall_ns); }
  std::int64_t wall_ns() const { return wall_ns_; }

 private:
  Status note(std::int64_t wall_ns) {
    wall_ns_ = std::max(wall_ns_, wall_ns);
    return Ok;
  }
  std::int64_t wall_ns_ = 0;
};

/// What a reader should know before trusting the tables.
void tell_flaws(const std::string& name, const ReadReport& read) {
  if (read.skipped != 0)
    complain(fmt::format("{}: {} line{} not understood and left out, the first at line {}: {}", name, read.skipped,
                         read.skipped == 1 ? "" : "s", read.first_skipped_line, read.first_skipped_why));
  if (!read.damage.empty()) complain(fmt::format("{}: {}; what came before is used", name, read.damage));
  else if (!read.complete) complain(fmt::format("{}: cut off (no end line); what is there is used", name));
}

Result<int> run_report(const Invocation& invocation) {
  const RawOptions& raw = invocation.raw;
  auto format = parse_format(raw);
  if (!format) return format.error();
  auto choice = parse_filter(raw, Scope::Trace);
  if (!choice) return choice.error();
  auto by = parse_by(raw);
  if (!by) return by.error();
  AggregatorOptions options;
  options.by = std::move(by).value();
  options.states = choice->filter.states;
  options.open_known = choice->filter.min_dwell_ns == 0;
  Aggregator aggregator(std::move(options));
  LastMoment last;
  Tee tee({&aggregator, &last});
  FilterStage stage(choice->filter, tee);
  for (const std::string& file : invocation.files) {
    auto input = open_trace_file(file);
    if (!input) return input.error();
    const std::string name = file == "-" ? "standard input" : file;
    auto read = read_trace(**input, name, stage);
    if (!read) return read.error();
    if (!raw.quiet) tell_flaws(name, *read);
  }
  auto out = open_output(raw);
  if (!out) return out.error();
  const int fd = raw.output.empty() ? STDOUT_FILENO : -1;
  Status status = write_table(*format, raw, fd, **out, aggregator.take_summary(last.wall_ns()), true);
  if (status) status = (*out)->close();
  if (!status && status.error().os_errno != EPIPE) return status.error();
  return 0;
}

}  // namespace

void add_report(CLI::App& app, Invocation& invocation) {
  CLI::App* sub = app.add_subcommand("report", "the same tables from traces, without root");
  sub->add_option("FILE", invocation.files, "traces, plain or compressed; - is standard input")->required()->type_name("");
  sub->formatter(std::make_shared<HelpFormat>("report FILE... [OPTIONS]"));
  sub->footer("Exit status: 0 fine, 1 cannot write, 2 bad usage or input file.");
  add_filter_flags(*sub, invocation.raw);
  add_look_flags(*sub, invocation.raw);
  add_by_flag(*sub, invocation.raw);
  sub->callback([&] { invocation.action = [&] { return run_report(invocation); }; });
}

}  // namespace tcpdwell
