// SPDX-License-Identifier: BSD-2-Clause
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <iterator>

#include "model/colour.h"
#include "sinks/report.h"
#include "util/duration.h"
#include "util/escape.h"
#include "util/layout.h"
#include "util/moments.h"

namespace tcpdwell {
namespace {

constexpr std::size_t kMostPorts = 10;
constexpr std::size_t kSeriesColumns = 60;

/// "12:34:56" of a time stamp.
std::string clock_text(std::int64_t wall_ns) { return rfc3339(wall_ns).substr(11, 8); }

std::string percentile_text(const Histogram& histogram, double percent) {
  const auto ns = histogram.percentile(percent);
  return ns ? human_duration(*ns) : std::string(kAbsent);
}

std::string text_or_dash(const std::string& text) {
  return text.empty() ? std::string(kAbsent) : text;
}

std::string count_or_dash(const std::optional<std::uint32_t>& count) {
  return count ? human_count(*count) : std::string(kAbsent);
}

class Sections {
 public:
  Sections(std::string& out, bool colour) : out_(out), colour_(colour) {}

  void title(std::string_view text) {
    out_ += '\n';
    if (colour_) out_ += kSgrBold;
    out_ += text;
    if (colour_) out_ += kSgrReset;
    out_ += '\n';
  }

  void table(const Table& table) { table.append(out_, colour_); }

 private:
  std::string& out_;
  bool colour_;
};

void add_ends(Sections& sections, const std::vector<EndRow>& ends) {
  if (ends.empty()) return;
  sections.title("How connections ended");
  Table table({"<reason", "<closed by", "count", "life p50", "p99", "max"});
  for (const EndRow& end : ends)
    table.add({end.time_wait ? "in TIME_WAIT" : text_or_dash(std::string(name_of(end.reason))),
               std::string(name_of(end.closer)), human_count(end.count),
               percentile_text(end.life, 50), percentile_text(end.life, 99),
               percentile_text(end.life, 100)});
  sections.table(table);
}

void add_connections(Sections& sections, std::string_view title,
                     const std::vector<ConnectionRow>& connections, bool open) {
  if (connections.empty()) return;
  sections.title(title);
  const bool named = std::any_of(connections.begin(), connections.end(),
                                 [](const ConnectionRow& c) { return !c.cgroup_name.empty(); });
  std::vector<std::string> heads = {
      open ? "for" : "life", "pid", "<comm", "<local", "<remote", "<path", "<"};
  if (named) heads.insert(heads.begin() + 3, "<container");
  Table table(heads);
  for (const ConnectionRow& c : connections) {
    std::vector<std::string> cells = {
        dwell_text(open ? c.in_state : c.life, kAbsent),
        c.socket.owner.pid ? std::to_string(*c.socket.owner.pid) : "-",
        text_or_dash(printable(c.socket.owner.comm.view())),
        local_text(c.socket),
        remote_text(c.socket),
        text_or_dash(c.path.to_string()),
        std::string(name_of(c.reason))};
    if (named) cells.insert(cells.begin() + 3, text_or_dash(printable(c.cgroup_name)));
    table.add(cells);
  }
  sections.table(table);
}

/// A part of a range that is not nothing is not shown as if it were.
std::string share_text(std::uint64_t part, std::uint64_t whole) {
  const double percent =
      whole == 0 ? 0.0 : 100.0 * static_cast<double>(part) / static_cast<double>(whole);
  return part > 0 && percent < 0.05 ? "<0.1%" : fmt::format("{:.1f}%", percent);
}

/// Where they are all as connections leave them, there is nothing to say of a namespace.
void add_namespaces(Sections& sections, const std::vector<NamespacePorts>& namespaces) {
  Table table({"<namespace", "<range", "reserved", "bound", "not connected", "at", "of", "ports"});
  for (const auto& [host, ports] : namespaces) {
    if (ports.reserved == 0 && ports.bound.value_or(0) == 0) continue;
    if (table.rows() == kMostPorts) break;
    const std::uint32_t all = ports.available();
    table.add({std::to_string(ports.netns) +
                   (ports.vrf == Comm() ? "" : '%' + printable(ports.vrf.view())),
               fmt::format("{}-{}", ports.range.first, ports.range.last),
               human_count(ports.reserved), count_or_dash(ports.bound),
               count_or_dash(ports.unconnected), clock_text(ports.wall_ns),
               ports.bound && all != 0 ? share_text(*ports.bound, all) : std::string(kAbsent),
               human_count(all)});
  }
  if (table.rows() == 0) return;
  sections.title("Local ports for all destinations");
  sections.table(table);
}

void add_ports(std::string& out, Sections& sections, const std::vector<PortRow>& ports,
               std::uint64_t left_out) {
  if (ports.empty()) return;
  sections.title("Local ports towards one destination");
  Table table({"<local", "<remote", "live", "TIME_WAIT", "peak", "bound", "at", "of", "ports"});
  for (const PortRow& row : ports) {
    if (table.rows() == kMostPorts) break;
    table.add(
        {row.local_text(), row.remote_text(), human_count(row.live), human_count(row.time_wait),
         human_count(row.peak), row.any_remote ? std::string(kAbsent) : human_count(row.bound),
         clock_text(row.peak_wall_ns), share_text(row.taken(), row.range), human_count(row.range)});
  }
  sections.table(table);
  if (left_out > 0)
    fmt::format_to(std::back_inserter(out),
                   "{} connections to further destinations are not in this table\n",
                   human_count(left_out));
}

/// At most `columns` values, each the largest of the intervals it stands for, as blocks.
template <class ValueOf>
std::pair<std::string, std::uint64_t> sparkline(const Series& series, std::size_t columns,
                                                ValueOf value_of) {
  static constexpr std::array<std::string_view, 9> kBlocks = {" ", "▁", "▂", "▃", "▄",
                                                              "▅", "▆", "▇", "█"};
  const std::size_t points = series.points.size();
  columns = std::min(points, columns);
  std::vector<std::uint64_t> values(columns);
  for (std::size_t i = 0; i < points; ++i)
    values[i * columns / points] =
        std::max(values[i * columns / points], value_of(series.points[i]));
  const std::uint64_t most = columns == 0 ? 0 : *std::max_element(values.begin(), values.end());
  std::string line;
  for (const std::uint64_t value : values)
    line += kBlocks[most == 0 ? 0 : (value == 0 ? 0 : 1 + (value * 7 - 1) / most)];
  return {line, most};
}

void add_series(std::string& out, Sections& sections, const Series& series, std::size_t columns) {
  if (series.points.size() < 2) return;
  const auto span = saturating_multiply(series.width_ns, series.points.size());
  sections.title(
      fmt::format("Over {} from {} on", human_duration(span), clock_text(series.start_wall_ns)));
  // Beside it stand a state, and "at most 12,345 in 256ms".
  constexpr std::size_t kBeside = 38, kLeast = 10;
  const std::size_t room =
      columns == 0 ? kSeriesColumns
                   : std::clamp(columns - std::min(columns, kBeside), kLeast, kSeriesColumns);
  const auto add = [&](std::string_view name, std::string_view unit, auto value_of) {
    const auto [line, most] = sparkline(series, room, value_of);
    fmt::format_to(std::back_inserter(out), "{:<11} {}  at most {}{}\n", name, line,
                   human_count(most), unit);
  };
  const std::string per = " in " + human_duration(series.width_ns);
  add("opened", per, [](const SeriesPoint& p) { return p.opens; });
  add("closed", per, [](const SeriesPoint& p) { return p.closes; });
  for (const State state : {State::Established, State::CloseWait, State::TimeWait}) {
    const auto of = [state](const SeriesPoint& p) {
      return p.population[static_cast<std::size_t>(state)];
    };
    if (series.observed(state) && std::any_of(series.points.begin(), series.points.end(),
                                              [&](const SeriesPoint& p) { return of(p) > 0; }))
      add(name_of(state), "", of);
  }
}

void add_findings(std::string& out, Sections& sections, const std::vector<Finding>& findings,
                  const TableOptions& options) {
  if (findings.empty()) return;
  const std::size_t columns = options.columns == 0 ? kAnyWidth : options.columns;
  sections.title("Findings");
  for (const Finding& finding : findings) {
    const bool alarm = options.colour && finding.severity == Severity::Critical;
    fmt::format_to(std::back_inserter(out), "{}*{} ", alarm ? kSgrAlarm : "",
                   alarm ? kSgrReset : "");
    append_paragraph(out, finding.text, 2, 2, columns);
  }
}

}  // namespace

Status write_report_text(Output& out, const Report& report, const TableOptions& options) {
  if (Status status = write_table_text(out, report.summary, options); !status) return status;
  const Analysis& analysis = report.analysis;
  std::string text;
  Sections sections(text, options.colour);
  add_ends(sections, analysis.ends);
  add_connections(sections, "Longest lives", analysis.slowest, false);
  add_connections(sections, "Longest in their state when the trace ended", analysis.stuck, true);
  add_ports(text, sections, analysis.ports, analysis.ports_left_out);
  add_namespaces(sections, analysis.local_ports);
  add_series(text, sections, analysis.series, options.columns);
  if (analysis.not_followed > 0)
    text += fmt::format(
        "\n{} connections were too many to follow and are in the table and the ends only\n",
        human_count(analysis.not_followed));
  add_findings(text, sections, analysis.findings, options);
  return out.write(text);
}

}  // namespace tcpdwell
