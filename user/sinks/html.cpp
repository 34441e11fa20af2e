// SPDX-License-Identifier: BSD-2-Clause
#include <sinks_page.h>

#include <string>

#include "sinks/diagram.h"
#include "sinks/page.h"
#include "sinks/report.h"
#include "sinks/report_json.h"
#include "sinks/tables.h"

namespace tcpdwell {
namespace {

void add_texts(JsonText& json, std::string_view name, const std::vector<std::string>& texts) {
  json.list(name, texts, [&](const std::string& text) { json.value(printable(text)); });
}

/// No "<" leaves the script element, whatever a trace says.
std::string harmless(const std::string& json) {
  std::string text;
  text.reserve(json.size() + json.size() / 64);
  for (const char c : json) {
    if (c == '<') {
      text += "\\u003c";
    } else {
      text += c;
    }
  }
  return text;
}

std::string data_of(const Report& report) {
  std::string text;
  JsonText json(text);
  begin_summary(json, report.summary);
  const Analysis& analysis = report.analysis;
  add_texts(json, "sources", report.sources);
  add_texts(json, "flaws", report.flaws);
  add_findings(json, analysis.findings);
  add_ends(json, analysis.ends);
  add_ports(json, first(analysis.ports, 50));
  add_local_ports(json, analysis.local_ports);
  add_distributions(json, analysis.edges);
  add_connections(json, "slowest", analysis.slowest);
  add_connections(json, "stuck", analysis.stuck);
  add_connections(json, "sample", analysis.sample);
  add_series(json, analysis.series);
  json.field("sample_most", kPageConnections);
  json.field("connections", analysis.connections).field("not_followed", analysis.not_followed);
  json.field("ports_left_out", analysis.ports_left_out);
  json.end_object();
  return harmless(text);
}

}  // namespace

Status write_html(Output& out, const Report& report) {
  std::string page = page_begin("tcpdwell report", "script-src 'unsafe-inline'; ");
  page += kPageBody;
  page += "<template id=\"diagram-source\">";
  append_diagram_svg(page, report.analysis.edges, DiagramKind::Across);
  append_diagram_svg(page, report.analysis.edges, DiagramKind::Upright);
  page += "</template><script type=\"application/json\" id=\"data\">";
  page += data_of(report);
  page += "</script><script>\"use strict\";(() => {";
  page += kPageCommon;
  page += kPageScript;
  page += "})();</script></body></html>\n";
  return out.write(page);
}

}  // namespace tcpdwell
