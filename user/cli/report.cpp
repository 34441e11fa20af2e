// SPDX-License-Identifier: BSD-2-Clause
/// `tcpdwell report`: tables, findings and pictures from traces, without root.
#include <fmt/format.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <memory>
#include <string_view>
#include <utility>

#include "aggregate/aggregator.h"
#include "aggregate/analyzer.h"
#include "cli/commands.h"
#include "cli/files.h"
#include "cli/help.h"
#include "cli/pipeline.h"
#include "cli/reading.h"
#include "sinks/diagram.h"
#include "sinks/html.h"
#include "sinks/perfetto.h"
#include "sinks/report.h"

namespace tcpdwell {
namespace {

Result<CsvTable> parse_table(const std::string& name) {
  static constexpr std::pair<std::string_view, CsvTable> kTables[] = {
      {"states", CsvTable::States}, {"ends", CsvTable::Ends},       {"edges", CsvTable::Edges}, {"ports", CsvTable::Ports},
      {"series", CsvTable::Series}, {"slowest", CsvTable::Slowest}, {"stuck", CsvTable::Stuck}, {"findings", CsvTable::Findings}};
  for (const auto& [word, table] : kTables)
    if (word == name) return table;
  return Error{Fault::Usage, fmt::format("--table {}: expected states, ends, edges, ports, series, slowest, stuck or findings", name)};
}

Status write_report(ReportFormat format, CsvTable table, const RawOptions& raw, Output& out, const Report& report) {
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
  return write_report_text(out, report, TableOptions{want_colour(raw, fd), raw.wide});
}

/// Rows of the page's table.
constexpr std::size_t kPageConnections = 2000;

Result<int> run_report(const Invocation& invocation) {
  const RawOptions& raw = invocation.raw;
  auto format = parse_report_format(raw);
  if (!format) return format.error();
  auto table = parse_table(invocation.table);
  if (!table) return table.error();
  auto choice = parse_filter(raw, Scope::Trace);
  if (!choice) return choice.error();
  auto by = parse_by(raw);
  if (!by) return by.error();
  auto files = expand_globs(invocation.files);
  if (!files) return files.error();

  AggregatorOptions options;
  options.by = std::move(by).value();
  options.states = choice->filter.states;
  options.open_known = choice->filter.min_dwell_ns == 0;
  Aggregator aggregator(std::move(options));
  FilterStage shown(choice->filter, aggregator);
  // What follows a connection needs all its lines: states and durations choose rows of the table alone.
  Filter whole = choice->filter;
  whole.states = 0;
  whole.min_dwell_ns = 0;
  std::unique_ptr<Output> early;
  std::unique_ptr<PerfettoWriter> slices;
  AnalyzerOptions analysis;
  if (*format == ReportFormat::Html) analysis.connections = {10, 10, kPageConnections};
  if (*format == ReportFormat::Perfetto) {
    auto out = open_output(raw);
    if (!out) return out.error();
    early = std::move(out).value();
    slices = std::make_unique<PerfettoWriter>(*early);
    analysis.on_connection = [&](const ConnectionRow& row) { slices->add(row); };
  }
  Analyzer analyzer(std::move(analysis));
  FilterStage followed(whole, analyzer);
  LastMoment last;
  Tee tee({&shown, &followed, &last});

  Report report;
  Progress progress(*files, !raw.quiet);
  for (const std::string& file : *files) {
    auto flaws = read_file(file, tee, progress);
    if (!flaws) return flaws.error();
    report.sources.push_back(shown_name(file));
    report.flaws.insert(report.flaws.end(), flaws->begin(), flaws->end());
  }
  progress.clear();
  if (!raw.quiet)
    for (const std::string& flaw : report.flaws) complain(flaw);
  report.summary = aggregator.take_summary(last.wall_ns());
  report.analysis = analyzer.take();
  if (!early) {
    auto out = open_output(raw);
    if (!out) return out.error();
    early = std::move(out).value();
  }
  Status status = slices ? slices->finish(report.analysis.series) : write_report(*format, *table, raw, *early, report);
  if (status) status = early->close();
  if (!status && status.error().os_errno != EPIPE) return status.error();
  return 0;
}

}  // namespace

void add_report(CLI::App& app, Invocation& invocation) {
  CLI::App* sub = app.add_subcommand("report", "tables, findings and pictures from traces, without root");
  sub->add_option("FILE", invocation.files, "traces, plain or compressed; also quoted globs;\n- is standard input")->required()->type_name("");
  sub->formatter(std::make_shared<HelpFormat>("report FILE... [OPTIONS]"));
  sub->footer("Exit status: 0 fine, 1 cannot write, 2 bad usage or input file.");
  add_filter_flags(*sub, invocation.raw);
  add_look_flags(*sub, invocation.raw);
  add_by_flag(*sub, invocation.raw);
  sub->get_option("--format")->description("text, json, csv, html (a page), svg or dot (the\nstate diagram), perfetto (for ui.perfetto.dev)");
  sub->add_option("--table", invocation.table,
                  "what csv holds: states, ends, edges, ports, series,\nslowest, stuck or findings [states]")
      ->type_name("NAME")->group("Output");
  sub->callback([&] { invocation.action = [&] { return run_report(invocation); }; });
}

}  // namespace tcpdwell
