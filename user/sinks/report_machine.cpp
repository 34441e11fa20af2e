// SPDX-License-Identifier: BSD-2-Clause
/// Reports for programs.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <map>

#include "sinks/report.h"
#include "sinks/report_json.h"
#include "util/csv.h"
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

std::optional<std::string_view> given(Reason reason) {
  return reason == Reason::None ? std::nullopt : std::optional(name_of(reason));
}

std::optional<std::string> begin_of(const ConnectionRow& c) {
  return c.begin_wall_ns ? std::optional(rfc3339(*c.begin_wall_ns)) : std::nullopt;
}

std::string remote_address(const PortRow& row) {
  return row.any_remote ? "any" : address_text(row.family, row.remote);
}

void add_duration(JsonText& json, const char* ns_name, const char* bound_name, const Dwell& dwell) {
  json.field(ns_name, known(dwell)).field(bound_name, name_of(dwell.bound));
}

}  // namespace

void add_findings(JsonText& json, const std::vector<Finding>& findings) {
  json.list("findings", findings, [&](const Finding& f) {
    json.begin_object().field("kind", f.kind).field("severity", name_of(f.severity));
    json.field("subject", f.subject).field("count", f.count).field("text", f.text).end_object();
  });
}

void add_ends(JsonText& json, const std::vector<EndRow>& ends) {
  json.list("ends", ends, [&](const EndRow& end) {
    json.begin_object().field("reason", given(end.reason)).field("closer", name_of(end.closer));
    json.field("count", end.count);
    add_histogram(json, "life_", end.life);
    if (end.time_wait) json.field("state", name_of(State::TimeWait));
    json.end_object();
  });
}

void add_ports(JsonText& json, std::span<const PortRow> ports) {
  json.list("ports", ports, [&](const PortRow& row) {
    json.begin_object().field("host", row.host).field("netns", row.netns);
    if (row.iface != Comm()) json.field("iface", row.iface.view());
    json.field("laddr", address_text(row.family, row.local)).field("raddr", remote_address(row));
    json.field("rport", row.remote.port).field("live", row.live).field("time_wait", row.time_wait);
    json.field("peak", row.peak).field("peak_time_wait", row.peak_time_wait);
    json.field("peak_ts", rfc3339(row.peak_wall_ns))
        .field("range", row.range)
        .field("range_known", row.range_known);
    json.field("bound", row.bound).field("reserved", row.reserved);
    json.field("own_range", row.own_range).end_object();
  });
}

void add_local_ports(JsonText& json, const std::vector<NamespacePorts>& namespaces) {
  json.list("local_ports", namespaces, [&](const NamespacePorts& ns) {
    const LocalPorts& ports = ns.ports;
    json.begin_object().field("host", ns.host).field("netns", ports.netns);
    if (ports.vrf != Comm()) json.field("vrf", ports.vrf.view());
    json.field("ts", rfc3339(ports.wall_ns));
    json.field("first", ports.range.first).field("last", ports.range.last);
    json.field("reserved", ports.reserved).field("range", ports.available());
    json.field("bound", ports.bound).field("unconnected", ports.unconnected).end_object();
  });
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
    json.list("bins", bins, [&](const auto& bin) {
      json.begin_list().value(bin.first).value(bin.second).end_list();
    });
    json.end_object();
  }
  json.end_list();
}

void add_edges(JsonText& json, const std::vector<Edge>& edges) {
  json.list("edges", edges, [&](const Edge& edge) {
    json.begin_object().field("old", name_of(edge.from)).field("new", name_of(edge.to));
    json.field("count", edge.count);
    add_histogram(json, "", edge.dwell);
    json.end_object();
  });
}

void add_connection(JsonText& json, const ConnectionRow& c) {
  const Socket& s = c.socket;
  json.begin_object().field("host", c.host).field("conn", to_string(s.id)).field("netns", s.netns);
  json.field("laddr", address_text(s.family, s.local)).field("lport", s.local.port);
  json.field("raddr", address_text(s.family, s.remote)).field("rport", s.remote.port);
  if (s.iface != Comm()) json.field("iface", s.iface.view());
  json.field("pid", s.owner.pid).field("comm", s.owner.comm.view()).field("cgroup", s.cgroup_id);
  if (!c.cgroup_name.empty()) json.field("cgroup_name", c.cgroup_name);
  json.field("begin", begin_of(c));
  json.field("end", rfc3339(c.end_wall_ns)).field("open", c.open).field("state", name_of(c.state));
  if (c.open) add_duration(json, "age_ns", "age", c.in_state);
  add_duration(json, "life_ns", "life", c.life);
  json.field("path", c.path.to_string());
  json.field("reason", given(c.reason)).field("closer", name_of(c.closer));
  json.list("segments", c.segments, [&](const Segment& segment) {
    json.begin_object().field("state", name_of(segment.state));
    add_duration(json, "dwell_ns", "dwell", segment.dwell);
    json.end_object();
  });
  if (c.accept_wait_ns) json.field("accept_wait_ns", *c.accept_wait_ns);
  json.end_object();
}

void add_connections(JsonText& json, std::string_view name,
                     std::span<const ConnectionRow> connections) {
  json.list(name, connections, [&](const ConnectionRow& c) { add_connection(json, c); });
}

void add_series(JsonText& json, const Series& series) {
  json.name("series")
      .begin_object()
      .field("start", rfc3339(series.start_wall_ns))
      .field("width_ns", series.width_ns);
  const auto add = [&](std::string_view name, auto value_of) {
    json.list(name, series.points, [&](const SeriesPoint& p) { json.value(value_of(p)); });
  };
  add("opens", [](const SeriesPoint& p) { return p.opens; });
  add("closes", [](const SeriesPoint& p) { return p.closes; });
  json.name("population").begin_object();
  for (const State state : kLifeOrder) {
    const auto of = [state](const SeriesPoint& p) {
      return p.population[static_cast<std::size_t>(state)];
    };
    const bool any = std::any_of(series.points.begin(), series.points.end(), of);
    if (any && series.observed(state)) add(name_of(state), of);
  }
  json.end_object().end_object();
}

Status write_report_json(Output& out, const Report& report) {
  std::string text;
  JsonText json(text);
  begin_summary(json, report.summary);
  const Analysis& analysis = report.analysis;
  add_findings(json, analysis.findings);
  add_ends(json, analysis.ends);
  add_ports(json, analysis.ports);
  add_local_ports(json, analysis.local_ports);
  add_edges(json, analysis.edges);
  add_connections(json, "slowest", analysis.slowest);
  add_connections(json, "stuck", analysis.stuck);
  add_series(json, analysis.series);
  json.field("connections", analysis.connections).field("not_followed", analysis.not_followed);
  json.field("ports_left_out", analysis.ports_left_out);
  json.end_object();
  return out.write(text += '\n');
}

namespace {

void add_connections(CsvText& csv, const std::vector<ConnectionRow>& connections) {
  csv.row("host", "conn", "local", "remote", "pid", "comm", "begin", "end", "open", "state",
          "age_ns", "life_ns", "path", "reason", "closer");
  for (const ConnectionRow& c : connections) {
    const Socket& s = c.socket;
    csv.cells(c.host, to_string(s.id), local_text(s), remote_text(s), s.owner.pid,
              s.owner.comm.view(), begin_of(c), rfc3339(c.end_wall_ns), c.open, name_of(c.state));
    csv.row(c.open ? known(c.in_state) : std::nullopt, known(c.life), c.path.to_string(),
            name_of(c.reason), name_of(c.closer));
  }
}

void add_histogram(CsvText& csv, const Histogram& histogram) {
  csv.row(histogram.percentile(50), histogram.percentile(90), histogram.percentile(99),
          histogram.max());
}

void add_ends(CsvText& csv, const std::vector<EndRow>& rows) {
  csv.row("reason", "closer", "count", "life_p50_ns", "life_p90_ns", "life_p99_ns", "life_max_ns",
          "state");
  for (const EndRow& end : rows)
    csv.row(name_of(end.reason), name_of(end.closer), end.count, end.life.percentile(50),
            end.life.percentile(90), end.life.percentile(99), end.life.max(),
            end.time_wait ? name_of(State::TimeWait) : std::string_view());
}

void add_edges(CsvText& csv, const std::vector<Edge>& rows) {
  csv.row("old", "new", "count", "p50_ns", "p90_ns", "p99_ns", "max_ns");
  for (const Edge& edge : rows)
    add_histogram(csv.cells(name_of(edge.from), name_of(edge.to), edge.count), edge.dwell);
}

void add_ports(CsvText& csv, const std::vector<PortRow>& rows) {
  csv.row("host", "netns", "laddr", "raddr", "rport", "live", "time_wait", "peak", "peak_time_wait",
          "peak_ts", "range", "range_known", "iface", "bound", "reserved", "own_range");
  for (const PortRow& row : rows)
    csv.row(row.host, row.netns, address_text(row.family, row.local), remote_address(row),
            row.remote.port, row.live, row.time_wait, row.peak, row.peak_time_wait,
            rfc3339(row.peak_wall_ns), row.range, row.range_known, row.iface.view(), row.bound,
            row.reserved, row.own_range);
}

void add_series(CsvText& csv, const Series& series) {
  csv.cells("start", "width_ns", "opens", "closes");
  for (const State state : kLifeOrder) csv.cell(name_of(state));
  csv.end_row();
  std::int64_t start = series.start_wall_ns;
  for (const SeriesPoint& point : series.points) {
    csv.cells(rfc3339(start), series.width_ns, point.opens, point.closes);
    for (const State state : kLifeOrder)
      csv.cell(series.observed(state)
                   ? std::optional(point.population[static_cast<std::size_t>(state)])
                   : std::nullopt);
    csv.end_row();
    start = later(start, series.width_ns);
  }
}

void add_findings(CsvText& csv, const std::vector<Finding>& rows) {
  csv.row("kind", "severity", "subject", "count", "text");
  for (const Finding& f : rows) csv.row(f.kind, name_of(f.severity), f.subject, f.count, f.text);
}

}  // namespace

Status write_report_csv(Output& out, const Report& report, CsvTable table) {
  const Analysis& analysis = report.analysis;
  std::string text;
  CsvText csv(text);
  switch (table) {
    case CsvTable::States:
      return write_table_csv(out, report.summary, true);
    case CsvTable::Ends:
      add_ends(csv, analysis.ends);
      break;
    case CsvTable::Edges:
      add_edges(csv, analysis.edges);
      break;
    case CsvTable::Ports:
      add_ports(csv, analysis.ports);
      break;
    case CsvTable::Series:
      add_series(csv, analysis.series);
      break;
    case CsvTable::Slowest:
      add_connections(csv, analysis.slowest);
      break;
    case CsvTable::Stuck:
      add_connections(csv, analysis.stuck);
      break;
    case CsvTable::Findings:
      add_findings(csv, analysis.findings);
      break;
  }
  return out.write(text);
}

}  // namespace tcpdwell
