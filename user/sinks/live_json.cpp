// SPDX-License-Identifier: BSD-2-Clause
#include "sinks/live_json.h"

#include <sinks_page.h>

#include <algorithm>
#include <numeric>
#include <optional>
#include <span>
#include <vector>

#include "model/summary.h"
#include "sinks/diagram.h"
#include "sinks/page.h"
#include "sinks/report_json.h"
#include "sinks/tables.h"
#include "util/duration.h"
#include "util/escape.h"

namespace tcpdwell {
namespace {

constexpr std::size_t kPortsOnPage = 10;

Summary summary_of(const LiveState& state) {
  Summary summary;
  summary.start_wall_ns = state.start_wall_ns;
  summary.end_wall_ns = state.wall_ns;
  summary.by = {Key::State};
  summary.lost = state.totals.lost;
  summary.minisockets_off = state.minisockets == "off";
  const auto add = [&summary](std::string_view name, const DwellTotals& dwells,
                              std::optional<std::uint64_t> open) {
    Row row;
    row.keys = {std::string(name)};
    row.numeric = {std::nullopt};
    row.exact = dwells.exact;
    row.at_least = dwells.at_least;
    row.unknown = dwells.unknown;
    row.open = open;
    if (row.count() > 0 || row.open.value_or(0) > 0) summary.rows.push_back(std::move(row));
  };
  for (const State s : kLifeOrder) {
    add(name_of(s), state.totals.dwells[static_cast<std::size_t>(s)],
        state.count_of(s, state.survey.population));
    if (s == State::Established) add(kNotAccepted, state.totals.not_accepted, std::nullopt);
  }
  return summary;
}

/// That a socket may be in.
template <class Visit>
void each_state(const Visit& visit) {
  for (const State s : kLifeOrder)
    if (s != State::Close && s != State::Unknown) visit(s);
}

void add_sockets(JsonText& json, const LiveState& state,
                 const std::array<std::uint64_t, kStateCount>& sockets) {
  each_state([&](State s) { json.field(name_of(s), state.count_of(s, sockets)); });
}

void add_owners(JsonText& json, const LiveState& state) {
  json.list("owners", state.survey.owners, [&](const OwnerRow& owner) {
    json.begin_object().field("comm",
                              owner.comm ? std::optional(owner.comm->view()) : std::nullopt);
    std::uint64_t all = 0;
    for (const std::uint64_t count : owner.sockets) all += count;
    json.field("all", all);
    add_sockets(json, state, owner.sockets);
    json.end_object();
  });
}

void add_containers(JsonText& json, const LiveState& state,
                    const std::vector<ContainerRow>& containers) {
  json.list("containers", containers, [&](const ContainerRow& row) {
    std::string name;
    for (const std::string* part : {&row.pod_namespace, &row.pod, &row.container})
      if (!part->empty()) name.append(name.empty() ? "" : "/").append(*part);
    json.begin_object().field("container", name);
    json.field("all", std::accumulate(row.sockets.begin(), row.sockets.end(), std::uint64_t{0}));
    add_sockets(json, state, row.sockets);
    json.end_object();
  });
}

/// As add_connections(), with what their cgroups are called.
void add_named(JsonText& json, std::string_view name, std::span<const ConnectionRow> rows,
               const CgroupNaming& naming) {
  json.list(name, rows, [&](ConnectionRow row) {
    row.cgroup_name = naming(row.socket.cgroup_id);
    add_connection(json, row);
  });
}

/// Each was looked at at a moment of its own: of the same one, the oldest is the first of a list.
std::vector<ConnectionRow> as_of(std::int64_t wall_ns, std::vector<ConnectionRow> rows) {
  for (ConnectionRow& row : rows)
    if (row.in_state.bound != Bound::Unknown && row.end_wall_ns < wall_ns)
      row.in_state.ns += static_cast<std::uint64_t>(wall_ns - row.end_wall_ns);
  return rows;
}

std::vector<PortRow> used(const std::vector<PortRow>& ports) {
  std::vector<PortRow> rows;
  for (const PortRow& row : ports)
    if (row.live + row.time_wait > 0 && rows.size() < kPortsOnPage) rows.push_back(row);
  return rows;
}

}  // namespace

std::string states_json(const LiveState& state) {
  std::string text;
  JsonText json(text);
  begin_summary(json, summary_of(state));
  json.name("sockets").begin_object();
  add_sockets(json, state, state.survey.population);
  json.end_object().end_object();
  return text + '\n';
}

std::string findings_json(const LiveState& state) {
  std::string text;
  JsonText json(text);
  json.begin_object()
      .field("start", rfc3339(state.window_wall_ns))
      .field("end", rfc3339(state.wall_ns));
  add_findings(json, state.recent.findings);
  add_ends(json, state.recent.ends);
  add_ports(json, state.recent.ports);
  add_local_ports(json, state.recent.local_ports);
  json.end_object();
  return text + "\n";
}

std::string connections_json(const LiveState& state, std::size_t most, const CgroupNaming& naming) {
  std::string text;
  JsonText json(text);
  json.begin_object()
      .field("start", rfc3339(state.window_wall_ns))
      .field("end", rfc3339(state.wall_ns));
  add_named(json, "stuck", first(state.recent.stuck, most), naming);
  add_named(json, "slowest", first(state.recent.slowest, most), naming);
  json.field("not_followed", 0).end_object();
  return text + "\n";
}

std::string history_json(const LiveState& state) {
  std::string text;
  JsonText json(text);
  json.begin_object().field("ts", rfc3339(state.wall_ns));
  json.list("points", state.past, [&](const PastPoint& point) {
    json.begin_object().field("ts", rfc3339(point.wall_ns));
    json.field("opened", point.opened).field("ended", point.ended);
    json.name("sockets").begin_object();
    each_state([&](State s) {
      json.field(name_of(s),
                 state.observed(s) ? point.sockets[static_cast<std::size_t>(s)] : std::nullopt);
    });
    json.end_object().end_object();
  });
  json.end_object();
  return text + "\n";
}

std::string live_event(const LiveState& state, const std::vector<ConnectionRow>& open,
                       const std::string& host, const CgroupNaming& naming,
                       const std::vector<ContainerRow>& containers) {
  std::string text;
  JsonText json(text);
  json.begin_object().field("ts", rfc3339(state.wall_ns)).field("host", printable(host));
  json.field("opened", state.totals.opened()).field("ended", state.totals.ended());
  json.name("sockets").begin_object();
  add_sockets(json, state, state.survey.population);
  json.end_object().name("states");
  begin_summary(json, summary_of(state));
  json.end_object();
  for (const auto& [name, kind] : {std::pair("diagram", DiagramKind::Across),
                                   std::pair("diagram_upright", DiagramKind::Upright)}) {
    std::string diagram;
    append_diagram_svg(diagram, state.recent.edges, kind, &state.survey.population);
    json.field(name, diagram);
  }
  add_distributions(json, state.recent.edges);
  add_findings(json, state.recent.findings);
  add_named(json, "stuck", as_of(state.wall_ns, open), naming);
  add_owners(json, state);
  add_containers(json, state, containers);
  add_ports(json, used(state.recent.ports));
  json.end_object();
  return text;
}

std::string live_page(std::string_view nonce) {
  std::string page = page_begin("tcpdwell", "", nonce);
  page.append(kLiveBody).append("<script nonce=\"").append(nonce);
  page.append("\">\"use strict\";(() => {").append(kPageCommon).append(kLiveScript);
  page += "})();</script></body></html>\n";
  return page;
}

}  // namespace tcpdwell
