// SPDX-License-Identifier: BSD-2-Clause
#include "sinks/diagram.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <iterator>
#include <string_view>

#include "model/colour.h"
#include "util/duration.h"

namespace tcpdwell {
namespace {

struct Point {
  double x = 0, y = 0;
};

/// CLOSE stands at the top, where connections begin, and once more at the bottom, where they end.
struct Node {
  State state;
  Point at;
  bool begins = false;
};
constexpr std::array<Node, 13> kNodes = {{{State::Close, {500, 40}, true},
                                          {State::Listen, {190, 90}},
                                          {State::SynSent, {810, 110}},
                                          {State::SynRecv, {190, 220}},
                                          {State::Established, {500, 250}},
                                          {State::FinWait1, {170, 400}},
                                          {State::FinWait2, {170, 530}},
                                          {State::Closing, {500, 430}},
                                          {State::TimeWait, {500, 560}},
                                          {State::CloseWait, {830, 400}},
                                          {State::LastAck, {830, 530}},
                                          {State::Close, {500, 690}},
                                          {State::Unknown, {940, 250}}}};
constexpr double kHalfWidth = 62, kHalfHeight = 19;
constexpr std::string_view kStyle =
    "<style>:root{color-scheme:light "
    "dark;--ink:#1b1f24;--soft:#59636e;--card:#fff;--paper:#fff;--green:#1a7f37;--cyan:#0969da;"
    "--magenta:#8250df;--yellow:#9a6700;--red:#cf222e;--grey:#818b98}@media(prefers-color-scheme:"
    "dark){:root{--ink:#e6edf3;"
    "--soft:#9198a1;--card:#151b23;--paper:#0d1117;--green:#3fb950;--cyan:#58a6ff;--magenta:#"
    "bc8cff;--yellow:#d29922;--red:#f85149;"
    "--grey:#656c76}}svg{background:var(--paper)}.e{fill:none;stroke:var(--soft)}.a{fill:var(--"
    "soft)}"
    ".l,.t{font:14px "
    "system-ui,sans-serif;text-anchor:middle;fill:var(--ink)}.l{font-size:15px;paint-order:stroke;"
    "stroke:var(--paper);stroke-width:6px;stroke-linejoin:round}.t{font-weight:600}.n{fill:var(--"
    "card);stroke-width:2}</style>";

std::string_view colour_of(State state) {
  constexpr Names<kMeaningCount> kColours = {"grey", "green", "cyan", "magenta", "yellow", "red"};
  return entry_of(kColours, meaning_of(state));
}

const Node& node_of(State state, bool begins) {
  return *std::find_if(kNodes.begin(), kNodes.end(), [&](const Node& node) {
    return node.state == state && (state != State::Close || node.begins == begins);
  });
}

/// "12,345 · 1.20ms": how often, and the median of what was spent before it.
std::string label_of(const Edge& edge) {
  std::string label = human_count(edge.count);
  if (const auto p50 = edge.dwell.percentile(50)) label += " · " + human_duration(*p50);
  return label;
}

double width_of(const Edge& edge) {
  return 1 + std::log10(static_cast<double>(std::max<std::uint64_t>(edge.count, 1))) * 0.7;
}

std::string tip_of(const Edge& edge) {
  std::string tip =
      fmt::format("{} → {}: {}", name_of(edge.from), name_of(edge.to), human_count(edge.count));
  if (edge.dwell.count() > 0)
    tip +=
        fmt::format("; in {} before: p50 {}, p99 {}, max {}", name_of(edge.from),
                    human_duration(*edge.dwell.percentile(50)),
                    human_duration(*edge.dwell.percentile(99)), human_duration(*edge.dwell.max()));
  return tip;
}

Point on_curve(Point a, Point control, Point b, double t) {
  const double u = 1 - t;
  return {u * u * a.x + 2 * u * t * control.x + t * t * b.x,
          u * u * a.y + 2 * u * t * control.y + t * t * b.y};
}

/// Where the line from a node's middle towards `to` leaves it.
Point rim(Point middle, Point to) {
  const double dx = to.x - middle.x, dy = to.y - middle.y;
  const double scale = std::min(dx == 0 ? 1e9 : (kHalfWidth + 3) / std::abs(dx),
                                dy == 0 ? 1e9 : (kHalfHeight + 3) / std::abs(dy));
  return {middle.x + dx * std::min(1.0, scale), middle.y + dy * std::min(1.0, scale)};
}

struct Arrow {
  Point from, control, to, label;
};

/// How much a curve gets in the way of other nodes and labels.
double trouble(const Arrow& arrow, const Node& from, const Node& to,
               const std::vector<Point>& labels) {
  double sum = 0;
  for (const Node& node : kNodes) {
    const bool own = &node == &from || &node == &to;
    for (double t = 0.05; t < 1 && !own; t += 0.05) {
      const Point p = on_curve(arrow.from, arrow.control, arrow.to, t);
      if (std::abs(p.x - node.at.x) < kHalfWidth + 12 &&
          std::abs(p.y - node.at.y) < kHalfHeight + 10)
        sum += 50;
    }
    if (std::abs(arrow.label.x - node.at.x) < kHalfWidth + 65 &&
        std::abs(arrow.label.y - node.at.y) < kHalfHeight + 8)
      sum += 100;
  }
  for (const Point& label : labels)
    if (std::abs(arrow.label.x - label.x) < 140 && std::abs(arrow.label.y - label.y) < 20)
      sum += 200;
  if (arrow.label.x < 70 || arrow.label.x > 930 || arrow.label.y < 12 || arrow.label.y > 708)
    sum += 500;
  return sum;
}

Arrow route(const Node& from, const Node& to, const std::vector<Point>& labels) {
  const Point middle{(from.at.x + to.at.x) / 2, (from.at.y + to.at.y) / 2};
  const double dx = to.at.x - from.at.x, dy = to.at.y - from.at.y,
               length = std::max(1.0, std::hypot(dx, dy));
  Arrow best{};
  double least = 1e18;
  for (const double bend : {0.0, 40.0, -40.0, 90.0, -90.0, 150.0, -150.0, 220.0, -220.0, 320.0,
                            -320.0, 450.0, -450.0, 600.0, -600.0}) {
    Arrow arrow;
    arrow.control = {middle.x - dy / length * bend, middle.y + dx / length * bend};
    arrow.from = rim(from.at, arrow.control);
    arrow.to = rim(to.at, arrow.control);
    for (const double t : {0.5, 0.35, 0.65}) {
      arrow.label = on_curve(arrow.from, arrow.control, arrow.to, t);
      const double cost =
          trouble(arrow, from, to, labels) + std::abs(bend) / 4 + std::abs(t - 0.5) * 20;
      if (cost < least) {
        least = cost;
        best = arrow;
      }
    }
  }
  return best;
}

}  // namespace

void append_diagram_svg(std::string& out, const std::vector<Edge>& edges, bool standalone,
                        const std::array<std::uint64_t, kStateCount>* sockets) {
  const auto put = [&out](fmt::string_view format, const auto&... values) {
    fmt::vformat_to(std::back_inserter(out), format, fmt::make_format_args(values...));
  };
  put("<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 1000 720\" role=\"img\" "
      "aria-label=\"observed TCP states\">");
  if (standalone) out += kStyle;
  out +=
      "<defs><marker id=\"tip\" viewBox=\"0 0 8 8\" refX=\"7\" refY=\"4\" markerWidth=\"9\" "
      "markerHeight=\"9\" "
      "markerUnits=\"userSpaceOnUse\" orient=\"auto\"><path class=\"a\" d=\"M0 0L8 4L0 "
      "8z\"/></marker></defs>";
  std::vector<Point> labels;
  std::string texts;
  std::vector<const Node*> used;
  for (const Edge& edge : edges) {
    const Node& from = node_of(edge.from, true);
    const Node& to = node_of(edge.to, false);
    used.push_back(&from);
    used.push_back(&to);
    const Arrow a = route(from, to, labels);
    labels.push_back(a.label);
    put("<path class=\"e\" stroke-width=\"{:.1f}\" marker-end=\"url(#tip)\" d=\"M{:.0f} "
        "{:.0f}Q{:.0f} {:.0f} {:.0f} {:.0f}\">"
        "<title>{}</title></path>",
        width_of(edge), a.from.x, a.from.y, a.control.x, a.control.y, a.to.x, a.to.y, tip_of(edge));
    fmt::format_to(std::back_inserter(texts),
                   "<text class=\"l\" x=\"{:.0f}\" y=\"{:.0f}\">{}</text>", a.label.x,
                   a.label.y + 4, label_of(edge));
  }
  for (const Node& node : kNodes) {
    const bool has_sockets = sockets != nullptr && node.state != State::Close;
    const std::uint64_t now = has_sockets ? (*sockets)[static_cast<std::size_t>(node.state)] : 0;
    if (now == 0 && std::find(used.begin(), used.end(), &node) == used.end()) continue;
    put("<rect class=\"n\" stroke=\"var(--{})\" x=\"{}\" y=\"{}\" width=\"{}\" height=\"{}\" "
        "rx=\"9\"/>"
        "<text class=\"t\" x=\"{}\" y=\"{}\">{}</text>",
        colour_of(node.state), node.at.x - kHalfWidth, node.at.y - kHalfHeight, 2 * kHalfWidth,
        2 * kHalfHeight, node.at.x, node.at.y + (has_sockets ? -2 : 4), name_of(node.state));
    if (has_sockets)
      put("<text class=\"t\" x=\"{}\" y=\"{}\">{}</text>", node.at.x, node.at.y + 14,
          human_count(now));
  }
  if (edges.empty() && sockets == nullptr)
    out += "<text class=\"t\" x=\"500\" y=\"350\">no transitions seen</text>";
  out += texts;
  out += "</svg>\n";
}

Status write_diagram_svg(Output& out, const std::vector<Edge>& edges) {
  std::string text;
  append_diagram_svg(text, edges, true);
  return out.write(text);
}

Status write_diagram_dot(Output& out, const std::vector<Edge>& edges) {
  std::string text =
      "digraph tcpdwell {\n  rankdir=TB;\n  node [shape=box, style=rounded, "
      "fontname=\"sans-serif\"];\n"
      "  edge [fontname=\"sans-serif\", fontsize=10];\n";
  for (const Edge& edge : edges)
    fmt::format_to(std::back_inserter(text),
                   "  \"{}\" -> \"{}\" [label=\"{}\", tooltip=\"{}\", penwidth={:.1f}];\n",
                   name_of(edge.from), name_of(edge.to), label_of(edge), tip_of(edge),
                   width_of(edge));
  text += "}\n";
  return out.write(text);
}

}  // namespace tcpdwell
