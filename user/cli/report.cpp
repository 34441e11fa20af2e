// SPDX-License-Identifier: BSD-2-Clause
/// `tcpdwell report`: tables, findings and pictures from traces, without root.
#include "sinks/report.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <memory>
#include <string_view>
#include <utility>
#include <vector>

#include "aggregate/aggregator.h"
#include "aggregate/analyzer.h"
#include "aggregate/cgroup_labels.h"
#include "aggregate/open_table.h"
#include "cli/commands.h"
#include "cli/play_trace.h"
#include "run/pipeline.h"
#include "sinks/diagram.h"
#include "sinks/perfetto.h"

namespace tcpdwell {
namespace {

Result<CsvTable> parse_table(const std::string& name) {
  static constexpr std::pair<std::string_view, CsvTable> kTables[] = {
      {"states", CsvTable::States}, {"ends", CsvTable::Ends},        {"edges", CsvTable::Edges},
      {"ports", CsvTable::Ports},   {"series", CsvTable::Series},    {"slowest", CsvTable::Slowest},
      {"stuck", CsvTable::Stuck},   {"findings", CsvTable::Findings}};
  for (const auto& [word, table] : kTables)
    if (word == name || name.empty()) return table;
  return Error{
      Fault::Usage,
      fmt::format(
          "--table {}: expected states, ends, edges, ports, series, slowest, stuck or findings",
          name)};
}

Status write_report(ReportFormat format, CsvTable table, const RawOptions& raw, Output& out,
                    const Report& report) {
  switch (format) {
    case ReportFormat::Json:
      return write_report_json(out, report);
    case ReportFormat::Csv:
      return write_report_csv(out, report, table);
    case ReportFormat::Html:
      return write_html(out, report);
    case ReportFormat::Svg:
      return write_diagram_svg(out, report.analysis.edges);
    case ReportFormat::Dot:
      return write_diagram_dot(out, report.analysis.edges);
    case ReportFormat::Perfetto:
      return Ok;  // written while reading
    case ReportFormat::Text:
      break;
  }
  const int fd = raw.output.empty() ? STDOUT_FILENO : -1;
  return write_report_text(
      out, report, TableOptions{want_colour(raw, fd), raw.wide, raw.limit, terminal_columns(fd)});
}

struct Asked {
  ReportFormat format;
  CsvTable table;
  Filter filter;
  TableKeys table_keys;
  std::vector<std::string> files;
};

Result<Asked> parse_asked(const Invocation& invocation) {
  const RawOptions& raw = invocation.raw;
  auto format = parse_report_format(raw);
  if (!format) return format.error();
  auto table = parse_table(invocation.table);
  if (!table) return table.error();
  if (!invocation.table.empty() && *format != ReportFormat::Csv)
    return Error{Fault::Usage, fmt::format("--table {} is of --format csv; {} shows all tables",
                                           invocation.table, raw.format)};
  auto choice = parse_filter(raw, Scope::Trace);
  if (!choice) return choice.error();
  auto keys = parse_table_keys(raw);
  if (!keys) return keys.error();
  auto files = expand_globs(invocation.files);
  if (!files) return files.error();
  return Asked{*format, *table, std::move(choice->filter), std::move(keys).value(),
               std::move(files).value()};
}

AggregatorOptions rows_of(const Asked& asked) {
  AggregatorOptions options;
  options.of = asked.table_keys.of;
  options.by = asked.table_keys.by;
  options.states = asked.filter.states;
  options.min_dwell_ns = asked.filter.min_dwell_ns;
  options.open_known = asked.filter.min_dwell_ns == 0;
  return options;
}

AnalyzerOptions analysis_of(const Asked& asked, PerfettoWriter* slices) {
  AnalyzerOptions options;
  if (asked.format == ReportFormat::Html) options.connections = {10, 10, kPageConnections};
  if (slices) options.on_connection = [slices](const ConnectionRow& row) { slices->add(row); };
  return options;
}

/// Notes which files have lines of connections, and which do not tell of accept().
class HeadersSeen : public Consumer {
 public:
  Status header(const Header& header) override {
    connections_ = connections_ || header.lines == "connections";
    no_accept_ = no_accept_ || header.minisockets != "fentry";
    return Ok;
  }
  Status transition(const Transition&) override { return Ok; }
  bool take_connections() { return std::exchange(connections_, false); }
  bool take_no_accept() { return std::exchange(no_accept_, false); }

 private:
  bool connections_ = false, no_accept_ = false;
};

/// What follows a connection needs all its lines: states and durations choose rows of the table
/// alone.
Filter whole_connections_of(Filter filter) {
  filter.states = 0;
  filter.min_dwell_ns = 0;
  return filter;
}

Result<Report> read_report(const Asked& asked, bool quiet, PerfettoWriter* slices) {
  OpenTable open;
  Aggregator aggregator(rows_of(asked), open);
  FilterStage shown(asked.filter, aggregator);
  Analyzer analyzer(analysis_of(asked, slices), open);
  const Filter whole = whole_connections_of(asked.filter);
  FilterStage followed(whole, analyzer);
  LastMoment last;
  HeadersSeen headers;
  std::size_t without_accept = 0;
  CgroupLabels labels;
  Tee tee({&shown, &followed, &last, &headers, &labels});

  Report report;
  Progress progress(asked.files, !quiet);
  for (const std::string& file : asked.files) {
    auto flaws = read_file(file, tee, progress);
    if (!flaws) return flaws.error();
    report.sources.push_back(shown_name(file));
    report.flaws.insert(report.flaws.end(), flaws->begin(), flaws->end());
    if (headers.take_connections())
      report.flaws.push_back(fmt::format(
          "{}: a line is a whole connection, so it is not known how many local ports were taken at "
          "once",
          shown_name(file)));
    if (headers.take_no_accept() && asked.table_keys.of == Of::Accept) {
      ++without_accept;
      report.flaws.push_back(
          fmt::format("{}: recorded without fentry, so it is not known how long connections waited "
                      "for accept()",
                      shown_name(file)));
    }
  }
  progress.clear();
  if (without_accept > 0 && without_accept == asked.files.size())
    return Error{Fault::Usage, "--of accept: " + report.flaws.back()};
  if (!quiet)
    for (const std::string& flaw : report.flaws) complain(flaw);
  report.summary = aggregator.take_summary(last.wall_ns());
  report.analysis = analyzer.take();
  report.summary.name_cgroups([&labels](std::uint64_t id) { return labels.find(id); });
  labels.add_to(report.analysis);
  // As the trace itself, and diff, count them: also those of which there are few lines.
  if (asked.filter.states == 0 && asked.filter.min_dwell_ns == 0)
    report.analysis.connections = aggregator.connections();
  return report;
}

}  // namespace

Result<int> run_report(const Invocation& invocation) {
  const RawOptions& raw = invocation.raw;
  auto asked = parse_asked(invocation);
  if (!asked) return asked.error();
  confine_to_reading(raw);
  std::unique_ptr<Output> out;
  const auto open_out = [&]() -> Status {
    auto opened = open_output(raw);
    if (!opened) return opened.error();
    out = std::move(opened).value();
    return Ok;
  };
  std::unique_ptr<PerfettoWriter>
      slices;  // written while reading; all else opens its output when there is something to write
  if (asked->format == ReportFormat::Perfetto) {
    if (Status opened = open_out(); !opened) return opened.error();
    slices = std::make_unique<PerfettoWriter>(*out);
  }
  auto report = read_report(*asked, raw.quiet, slices.get());
  if (!report) return report.error();
  if (!out)
    if (Status opened = open_out(); !opened) return opened.error();
  const Status status = slices ? slices->finish(report->analysis.series)
                               : write_report(asked->format, asked->table, raw, *out, *report);
  if (Status done = finish(*out, status); !done) return done.error();
  return 0;
}

}  // namespace tcpdwell
