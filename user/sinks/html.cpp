// SPDX-License-Identifier: BSD-2-Clause
#include "sinks/html.h"

#include <sinks_page.h>

#include <algorithm>
#include <string>

#include "sinks/diagram.h"
#include "sinks/report_json.h"
#include "sinks/tables.h"

namespace tcpdwell {
namespace {

void add_texts(JsonText& json, std::string_view name, const std::vector<std::string>& texts) {
  json.name(name).begin_list();
  for (const std::string& text : texts) json.value(printable(text));
  json.end_list();
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
  append_summary_json(text, report.summary);
  JsonText json(text);
  json.go_on();
  const Analysis& analysis = report.analysis;
  add_texts(json, "sources", report.sources);
  add_texts(json, "flaws", report.flaws);
  add_findings(json, analysis.findings);
  add_ends(json, analysis.ends);
  add_ports(json, std::vector<PortRow>(
                      analysis.ports.begin(),
                      analysis.ports.begin() + static_cast<std::ptrdiff_t>(std::min<std::size_t>(
                                                   analysis.ports.size(), 50))));
  add_distributions(json, analysis.edges);
  add_connections(json, "slowest", analysis.slowest);
  add_connections(json, "stuck", analysis.stuck);
  add_connections(json, "sample", analysis.sample);
  add_series(json, analysis.series);
  json.field("connections", analysis.connections).field("not_followed", analysis.not_followed);
  json.field("ports_left_out", analysis.ports_left_out);
  text += '}';
  return harmless(text);
}

}  // namespace

Status write_html(Output& out, const Report& report) {
  std::string page =
      "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">"
      "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src "
      "'unsafe-inline'; "
      "script-src 'unsafe-inline'; img-src data:\">"
      "<meta name=\"viewport\" content=\"width=device-width,initial-scale=1\"><link rel=\"icon\" "
      "href=\"data:,\">"
      "<title>tcpdwell report</title><style>";
  page += kPageStyle;
  page += "</style></head><body>";
  page += kPageBody;
  page += "<template id=\"diagram-source\">";
  append_diagram_svg(page, report.analysis.edges, false);
  page += "</template><script type=\"application/json\" id=\"data\">";
  page += data_of(report);
  page += "</script><script>\"use strict\";(() => {";
  page += kPageCommon;
  page += kPageScript;
  page += "})();</script></body></html>\n";
  return out.write(page);
}

}  // namespace tcpdwell
