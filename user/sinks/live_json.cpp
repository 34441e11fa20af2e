// SPDX-License-Identifier: BSD-2-Clause
#include "sinks/live_json.h"

#include <sinks_page.h>

#include <algorithm>
#include <optional>
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

constexpr std::size_t kStuckOnPage = 25, kPortsOnPage = 10;

Summary summary_of(const LiveState& state) {
  Summary summary;
  summary.start_wall_ns = state.start_wall_ns;
  summary.end_wall_ns = state.wall_ns;
  summary.by = {Key::State};
  summary.lost = state.totals.lost;
  summary.minisockets_off = state.minisockets == "off";
  for (const State s : kLifeOrder) {
    const auto at = static_cast<std::size_t>(s);
    const DwellTotals& dwells = state.totals.dwells[at];
    Row row;
    row.keys = {std::string(name_of(s))};
    row.numeric = {std::nullopt};
    row.exact = dwells.exact;
    row.at_least = dwells.at_least;
    row.unknown = dwells.unknown;
    row.open = state.count_of(s, state.survey.population);
    if (row.count() > 0 || row.open.value_or(0) > 0) summary.rows.push_back(std::move(row));
  }
  return summary;
}

void add_sockets(JsonText& json, const LiveState& state,
                 const std::array<std::uint64_t, kStateCount>& sockets) {
  for (const State s : kLifeOrder)
    if (s != State::Close && s != State::Unknown)
      json.field(name_of(s), state.count_of(s, sockets));
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

std::string connections_json(const LiveState& state, std::size_t most) {
  std::string text;
  JsonText json(text);
  json.begin_object()
      .field("start", rfc3339(state.window_wall_ns))
      .field("end", rfc3339(state.wall_ns));
  add_connections(json, "stuck", first(state.recent.stuck, most));
  add_connections(json, "slowest", first(state.recent.slowest, most));
  json.field("not_followed", 0).end_object();
  return text + "\n";
}

std::string live_event(const LiveState& state, const std::string& host) {
  std::string text;
  JsonText json(text);
  json.begin_object().field("ts", rfc3339(state.wall_ns)).field("host", printable(host));
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
  add_connections(json, "stuck", first(state.recent.stuck, kStuckOnPage));
  add_owners(json, state);
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
