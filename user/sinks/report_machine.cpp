// SPDX-License-Identifier: BSD-2-Clause
/// Reports for programs.
#include <fmt/format.h>

#include <array>
#include <cmath>
#include <initializer_list>
#include <iterator>
#include <map>

#include "sinks/report.h"
#include "sinks/report_json.h"
#include "util/duration.h"
#include "util/json.h"
#include "util/moments.h"

namespace tcpdwell {
namespace {

void add_histogram(JsonText& json, const char* what, const Histogram& histogram) {
  const auto key = [what](const char* figure) { return fmt::format("{}{}_ns", what, figure); };
  json.field(key("p50"), histogram.percentile(50));
  json.field(key("p90"), histogram.percentile(90));
  json.field(key("p99"), histogram.percentile(99));
  json.field(key("max"), histogram.max());
}

constexpr double kBinsPerDecade = 10;

std::optional<std::uint64_t> known(const Dwell& dwell) {
  return dwell.bound == Bound::Unknown ? std::nullopt : std::optional(dwell.ns);
}

void add_duration(JsonText& json, const char* ns_name, const char* bound_name, const Dwell& dwell) {
  json.field(ns_name, known(dwell)).field(bound_name, name_of(dwell.bound));
}

}  // namespace

void add_findings(JsonText& json, const std::vector<Finding>& findings) {
  json.name("findings").begin_list();
  for (const Finding& f : findings) {
    json.begin_object().field("kind", f.kind).field("severity", name_of(f.severity));
    json.field("subject", f.subject).field("count", f.count).field("text", f.text).end_object();
  }
  json.end_list();
}

void add_ends(JsonText& json, const std::vector<EndRow>& ends) {
  json.name("ends").begin_list();
  for (const EndRow& end : ends) {
    json.begin_object();
    json.field("reason",
               end.reason == Reason::None ? std::nullopt : std::optional(name_of(end.reason)));
    json.field("closer", name_of(end.closer)).field("count", end.count);
    add_histogram(json, "life_", end.life);
    json.end_object();
  }
  json.end_list();
}

void add_ports(JsonText& json, const std::vector<PortRow>& ports) {
  json.name("ports").begin_list();
  for (const PortRow& row : ports) {
    json.begin_object().field("host", row.host).field("netns", row.netns);
    json.field("laddr", address_text(row.family, row.local))
        .field("raddr", address_text(row.family, row.remote));
    json.field("rport", row.remote.port).field("live", row.live).field("time_wait", row.time_wait);
    json.field("peak", row.peak).field("peak_time_wait", row.peak_time_wait);
    json.field("peak_ts", rfc3339(row.peak_wall_ns))
        .field("range", row.range)
        .field("range_known", row.range_known);
    json.end_object();
  }
  json.end_list();
}

void add_distributions(JsonText& json, const std::vector<Edge>& edges) {
  std::array<Histogram, kStateCount> by_state;
  for (const Edge& edge : edges) by_state[static_cast<std::size_t>(edge.from)].merge(edge.dwell);
  json.field("bins_per_decade", kBinsPerDecade).name("distributions").begin_list();
  for (const State state : kLifeOrder) {
    const Histogram& histogram = by_state[static_cast<std::size_t>(state)];
    if (histogram.count() == 0) continue;
    std::map<int, std::uint64_t> bins;
    for (const Histogram::Bucket& bucket : histogram.buckets()) {
      const double middle = static_cast<double>(bucket.low) + static_cast<double>(bucket.width) / 2;
      bins[static_cast<int>(std::floor(std::log10(middle) * kBinsPerDecade))] += bucket.count;
    }
    json.begin_object().field("state", name_of(state)).field("count", histogram.count());
    json.field("p50_ns", histogram.percentile(50))
        .field("p99_ns", histogram.percentile(99))
        .field("max_ns", histogram.max());
    json.name("bins").begin_list();
    for (const auto& [bin, count] : bins) json.begin_list().value(bin).value(count).end_list();
    json.end_list().end_object();
  }
  json.end_list();
}

void add_edges(JsonText& json, const std::vector<Edge>& edges) {
  json.name("edges").begin_list();
  for (const Edge& edge : edges) {
    json.begin_object()
        .field("old", name_of(edge.from))
        .field("new", name_of(edge.to))
        .field("count", edge.count);
    add_histogram(json, "", edge.dwell);
    json.end_object();
  }
  json.end_list();
}

void add_connection(JsonText& json, const ConnectionRow& c) {
  const Socket& s = c.socket;
  json.begin_object().field("host", c.host).field("conn", to_string(s.id)).field("netns", s.netns);
  json.field("laddr", address_text(s.family, s.local)).field("lport", s.local.port);
  json.field("raddr", address_text(s.family, s.remote)).field("rport", s.remote.port);
  json.field("pid", s.owner.pid)
      .field("comm", s.owner.comm.view())
      .field("cgroup", s.owner.cgroup_id);
  json.field("begin", c.begin_wall_ns ? std::optional(rfc3339(*c.begin_wall_ns)) : std::nullopt);
  json.field("end", rfc3339(c.end_wall_ns)).field("open", c.open).field("state", name_of(c.state));
  if (c.open) add_duration(json, "age_ns", "age", c.in_state);
  add_duration(json, "life_ns", "life", c.life);
  json.field("path", c.path.to_string());
  json.field("reason", c.reason == Reason::None ? std::nullopt : std::optional(name_of(c.reason)));
  json.field("closer", name_of(c.closer));
  json.name("segments").begin_list();
  for (const Segment& segment : c.segments) {
    json.begin_object().field("state", name_of(segment.state));
    add_duration(json, "dwell_ns", "dwell", segment.dwell);
    json.end_object();
  }
  json.end_list().end_object();
}

void add_connections(JsonText& json, std::string_view name,
                     const std::vector<ConnectionRow>& connections) {
  json.name(name).begin_list();
  for (const ConnectionRow& connection : connections) add_connection(json, connection);
  json.end_list();
}

void add_series(JsonText& json, const Series& series) {
  json.name("series")
      .begin_object()
      .field("start", rfc3339(series.start_wall_ns))
      .field("width_ns", series.width_ns);
  const auto add = [&](std::string_view name, auto value_of) {
    json.name(name).begin_list();
    for (const SeriesPoint& point : series.points) json.value(value_of(point));
    json.end_list();
  };
  add("opens", [](const SeriesPoint& p) { return p.opens; });
  add("closes", [](const SeriesPoint& p) { return p.closes; });
  json.name("population").begin_object();
  for (const State state : kLifeOrder) {
    const auto of = [state](const SeriesPoint& p) {
      return p.population[static_cast<std::size_t>(state)];
    };
    bool any = false;
    for (const SeriesPoint& point : series.points) any = any || of(point) > 0;
    any = any && series.observed(state);
    if (any) add(name_of(state), of);
  }
  json.end_object().end_object();
}

Status write_report_json(Output& out, const Report& report) {
  std::string text;
  append_summary_json(text, report.summary);
  JsonText json(text);
  json.go_on();
  const Analysis& analysis = report.analysis;
  add_findings(json, analysis.findings);
  add_ends(json, analysis.ends);
  add_ports(json, analysis.ports);
  add_edges(json, analysis.edges);
  add_connections(json, "slowest", analysis.slowest);
  add_connections(json, "stuck", analysis.stuck);
  add_series(json, analysis.series);
  json.field("connections", analysis.connections).field("not_followed", analysis.not_followed);
  json.field("ports_left_out", analysis.ports_left_out);
  text += "}\n";
  return out.write(text);
}

namespace {

void append_line(std::string& out, std::initializer_list<std::string> cells) {
  bool first = true;
  for (const std::string& cell : cells) {
    if (!first) out += ',';
    first = false;
    out += cell;
  }
  out += '\n';
}

std::string number(std::optional<std::uint64_t> value) {
  return value ? std::to_string(*value) : "";
}

void append_connections(std::string& out, const std::vector<ConnectionRow>& connections) {
  append_line(out, {"host", "conn", "local", "remote", "pid", "comm", "begin", "end", "open",
                    "state", "age_ns", "life_ns", "path", "reason", "closer"});
  for (const ConnectionRow& c : connections)
    append_line(
        out,
        {csv_field(c.host), to_string(c.socket.id), endpoint_text(c.socket.family, c.socket.local),
         endpoint_text(c.socket.family, c.socket.remote), number(c.socket.owner.pid),
         csv_field(c.socket.owner.comm.view()), c.begin_wall_ns ? rfc3339(*c.begin_wall_ns) : "",
         rfc3339(c.end_wall_ns), c.open ? "true" : "false", std::string(name_of(c.state)),
         c.open ? number(known(c.in_state)) : "", number(known(c.life)), c.path.to_string(),
         std::string(name_of(c.reason)), std::string(name_of(c.closer))});
}

void append_ends(std::string& text, const std::vector<EndRow>& rows) {
  append_line(text, {"reason", "closer", "count", "life_p50_ns", "life_p90_ns", "life_p99_ns",
                     "life_max_ns"});
  for (const EndRow& end : rows)
    append_line(
        text, {std::string(name_of(end.reason)), std::string(name_of(end.closer)),
               number(end.count), number(end.life.percentile(50)), number(end.life.percentile(90)),
               number(end.life.percentile(99)), number(end.life.max())});
}

void append_edges(std::string& text, const std::vector<Edge>& rows) {
  append_line(text, {"old", "new", "count", "p50_ns", "p90_ns", "p99_ns", "max_ns"});
  for (const Edge& edge : rows)
    append_line(text,
                {std::string(name_of(edge.from)), std::string(name_of(edge.to)), number(edge.count),
                 number(edge.dwell.percentile(50)), number(edge.dwell.percentile(90)),
                 number(edge.dwell.percentile(99)), number(edge.dwell.max())});
}

void append_ports(std::string& text, const std::vector<PortRow>& rows) {
  append_line(text, {"host", "netns", "laddr", "raddr", "rport", "live", "time_wait", "peak",
                     "peak_time_wait", "peak_ts", "range", "range_known"});
  for (const PortRow& row : rows)
    append_line(text,
                {csv_field(row.host), number(row.netns), address_text(row.family, row.local),
                 address_text(row.family, row.remote), number(row.remote.port), number(row.live),
                 number(row.time_wait), number(row.peak), number(row.peak_time_wait),
                 rfc3339(row.peak_wall_ns), number(row.range), row.range_known ? "true" : "false"});
}

void append_series(std::string& text, const Series& series) {
  std::string heads = "start,width_ns,opens,closes";
  for (const State state : kLifeOrder) (heads += ',') += name_of(state);
  text += heads + '\n';
  std::int64_t start = series.start_wall_ns;
  for (const SeriesPoint& point : series.points) {
    text += fmt::format("{},{},{},{}", rfc3339(start), series.width_ns, point.opens, point.closes);
    for (const State state : kLifeOrder)
      text += series.observed(state)
                  ? fmt::format(",{}", point.population[static_cast<std::size_t>(state)])
                  : ",";
    text += '\n';
    start = later(start, series.width_ns);
  }
}

void append_findings(std::string& text, const std::vector<Finding>& rows) {
  append_line(text, {"kind", "severity", "subject", "count", "text"});
  for (const Finding& f : rows)
    append_line(text, {f.kind, std::string(name_of(f.severity)), csv_field(f.subject),
                       number(f.count), csv_field(f.text)});
}

}  // namespace

Status write_report_csv(Output& out, const Report& report, CsvTable table) {
  const Analysis& analysis = report.analysis;
  std::string text;
  switch (table) {
    case CsvTable::States:
      return write_table_csv(out, report.summary, true);
    case CsvTable::Ends:
      append_ends(text, analysis.ends);
      break;
    case CsvTable::Edges:
      append_edges(text, analysis.edges);
      break;
    case CsvTable::Ports:
      append_ports(text, analysis.ports);
      break;
    case CsvTable::Series:
      append_series(text, analysis.series);
      break;
    case CsvTable::Slowest:
      append_connections(text, analysis.slowest);
      break;
    case CsvTable::Stuck:
      append_connections(text, analysis.stuck);
      break;
    case CsvTable::Findings:
      append_findings(text, analysis.findings);
      break;
  }
  return out.write(text);
}

}  // namespace tcpdwell
