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
struct Plan {
  std::array<Node, 13> nodes;
  double width, height;
  std::string_view name;             ///< of its arrow heads, and its class
  double letter, label_half_height;  ///< of a label's characters: font-size, and half a line
};
constexpr Plan kWide = {{{{State::Close, {500, 40}, true},
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
                          {State::Unknown, {940, 250}}}},
                        1010,
                        720,
                        "across",
                        15,
                        9};
/// For a page that is narrow.
constexpr Plan kUpright = {{{{State::Close, {280, 30}, true},
                             {State::Listen, {95, 120}},
                             {State::SynSent, {440, 150}},
                             {State::SynRecv, {95, 270}},
                             {State::Established, {280, 390}},
                             {State::FinWait1, {95, 540}},
                             {State::FinWait2, {95, 720}},
                             {State::Closing, {280, 630}},
                             {State::TimeWait, {270, 840}},
                             {State::CloseWait, {440, 540}},
                             {State::LastAck, {440, 720}},
                             {State::Close, {440, 980}},
                             {State::Unknown, {425, 330}}}},
                           570,
                           1010,
                           "upright",
                           19,
                           12};
constexpr double kHalfWidth = 62, kHalfHeight = 20;
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

const Node& node_of(const Plan& plan, State state, bool begins) {
  return *std::find_if(plan.nodes.begin(), plan.nodes.end(), [&](const Node& node) {
    return node.state == state && (state != State::Close || node.begins == begins);
  });
}

/// As the page writes durations: "184µs".
std::string shown(std::uint64_t ns) {
  std::string text = human_duration(ns);
  if (text.ends_with("us")) text.replace(text.size() - 2, 2, "µs");
  return text;
}

/// "12,345 · 1.20ms": how often, and the median of what was spent before it.
std::string label_of(const Edge& edge) {
  std::string label = human_count(edge.count);
  if (const auto p50 = edge.dwell.percentile(50)) label += " · " + shown(*p50);
  return label;
}

double width_of(const Edge& edge) {
  return 1 + std::log10(static_cast<double>(std::max<std::uint64_t>(edge.count, 1))) * 0.7;
}

/// In parts of its font-size, in fonts that are wide.
double label_width(std::string_view label) {
  constexpr double kLetter = 0.64, kNarrow = 0.33, kWidest = 0.98;
  double width = 0;
  for (const char c : label) {
    const bool continues = (static_cast<unsigned char>(c) & 0xC0) == 0x80;
    if (!continues)
      width += c == ' ' || c == ',' || c == '.' ? kNarrow : c == 'm' ? kWidest : kLetter;
  }
  return width;
}

std::string tip_of(const Edge& edge) {
  std::string tip =
      fmt::format("{} → {}: {}", name_of(edge.from), name_of(edge.to), human_count(edge.count));
  if (edge.dwell.count() > 0)
    tip += fmt::format("; in {} before: p50 {}, p99 {}, max {}", name_of(edge.from),
                       shown(*edge.dwell.percentile(50)), shown(*edge.dwell.percentile(99)),
                       shown(*edge.dwell.max()));
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

struct Box {
  Point middle;
  double half_width = 0, half_height = 0;
  bool has(Point p, double margin = 0) const {
    return std::abs(p.x - middle.x) < half_width + margin &&
           std::abs(p.y - middle.y) < half_height + margin;
  }
  bool meets(const Box& other) const {
    return std::abs(other.middle.x - middle.x) < half_width + other.half_width &&
           std::abs(other.middle.y - middle.y) < half_height + other.half_height;
  }
};

struct Arrow {
  Point from, control, to;
  Box label;
};

constexpr int kSteps = 40;

/// What is drawn already, that another arrow and its label should keep clear of.
struct Drawn {
  std::vector<Box> labels;
  std::vector<Point> curves;  ///< points of them
};

std::array<Point, kSteps - 1> points_of(const Arrow& arrow) {
  std::array<Point, kSteps - 1> points;
  for (int i = 1; i < kSteps; ++i)
    points[static_cast<std::size_t>(i - 1)] =
        on_curve(arrow.from, arrow.control, arrow.to, static_cast<double>(i) / kSteps);
  return points;
}

Box box_of(const Node& node) { return {node.at, kHalfWidth, kHalfHeight}; }

/// How much a curve gets in the way of states and labels. It is never behind a state's box.
double curve_trouble(const std::array<Point, kSteps - 1>& points, const Plan& plan,
                     const Node& from, const Node& to, const Drawn& drawn) {
  double sum = 0;
  for (const Point& p : points) {
    for (const Node& node : plan.nodes)
      if (&node != &from && &node != &to && box_of(node).has(p, 8)) sum += 1000;
    for (const Box& label : drawn.labels) sum += label.has(p, 4) ? 300 : 0;
    if (p.x < 4 || p.x > plan.width - 4 || p.y < 4 || p.y > plan.height - 4) sum += 1000;
  }
  return sum;
}

double label_trouble(const Box& label, const std::array<Point, kSteps - 1>& own, const Plan& plan,
                     const Drawn& drawn) {
  double sum = 0;
  for (const Node& node : plan.nodes) sum += box_of(node).meets(label) ? 500 : 0;
  for (const Box& other : drawn.labels) sum += other.meets(label) ? 600 : 0;
  for (const Point& p : own) sum += label.has(p) ? 400 : 0;
  for (const Point& p : drawn.curves) sum += label.has(p) ? 150 : 0;
  if (label.middle.x - label.half_width < 2 || label.middle.x + label.half_width > plan.width - 2 ||
      label.middle.y < 12 || label.middle.y > plan.height - 12)
    sum += 2000;
  return sum;
}

/// Beside the curve at `t`, on one side of it, `gap` away.
Box label_beside(const Arrow& arrow, double t, double side, double gap, double half_width,
                 double half_height) {
  const Point at = on_curve(arrow.from, arrow.control, arrow.to, t);
  const Point ahead = on_curve(arrow.from, arrow.control, arrow.to, t + 0.02);
  const double length = std::max(1e-6, std::hypot(ahead.x - at.x, ahead.y - at.y));
  const Point normal{-(ahead.y - at.y) / length, (ahead.x - at.x) / length};
  const double off = half_width * std::abs(normal.x) + half_height * std::abs(normal.y) + gap;
  return {{at.x + side * off * normal.x, at.y + side * off * normal.y}, half_width, half_height};
}

Arrow route(const Plan& plan, const Node& from, const Node& to, const Edge& edge,
            const Drawn& drawn) {
  const Point middle{(from.at.x + to.at.x) / 2, (from.at.y + to.at.y) / 2};
  const double dx = to.at.x - from.at.x, dy = to.at.y - from.at.y,
               length = std::max(1.0, std::hypot(dx, dy));
  const double half_width = plan.letter * label_width(label_of(edge)) / 2;
  const double gap = 4 + width_of(edge) / 2;
  Arrow best{};
  double least = 1e18;
  for (const double bend : {0.0, 40.0, -40.0, 90.0, -90.0, 150.0, -150.0, 220.0, -220.0, 320.0,
                            -320.0, 450.0, -450.0, 600.0, -600.0}) {
    Arrow arrow;
    arrow.control = {middle.x - dy / length * bend, middle.y + dx / length * bend};
    arrow.from = rim(from.at, arrow.control);
    arrow.to = rim(to.at, arrow.control);
    const auto points = points_of(arrow);
    const double curve = curve_trouble(points, plan, from, to, drawn) + std::abs(bend) / 4;
    if (curve >= least) continue;
    for (const double t : {0.5, 0.4, 0.6, 0.3, 0.7, 0.2, 0.8}) {
      for (const double side : {1.0, -1.0}) {
        arrow.label = label_beside(arrow, t, side, gap, half_width, plan.label_half_height);
        const double cost =
            curve + label_trouble(arrow.label, points, plan, drawn) + std::abs(t - 0.5) * 20;
        if (cost >= least) continue;
        least = cost;
        best = arrow;
      }
    }
  }
  return best;
}

}  // namespace

void append_diagram_svg(std::string& out, const std::vector<Edge>& edges, DiagramKind kind,
                        const std::array<std::uint64_t, kStateCount>* sockets) {
  const Plan& plan = kind == DiagramKind::Upright ? kUpright : kWide;
  const auto put = [&out](fmt::string_view format, const auto&... values) {
    fmt::vformat_to(std::back_inserter(out), format, fmt::make_format_args(values...));
  };
  put("<svg xmlns=\"http://www.w3.org/2000/svg\" class=\"{}\" viewBox=\"0 0 {} {}\" role=\"img\" "
      "aria-label=\"observed TCP states\">",
      plan.name, plan.width, plan.height);
  if (kind == DiagramKind::Alone) out += kStyle;
  put("<defs><marker id=\"tip-{}\" viewBox=\"0 0 8 8\" refX=\"7\" refY=\"4\" markerWidth=\"9\" "
      "markerHeight=\"9\" markerUnits=\"userSpaceOnUse\" orient=\"auto\"><path class=\"a\" "
      "d=\"M0 0L8 4L0 8z\"/></marker></defs>",
      plan.name);
  Drawn drawn;
  std::string texts;
  std::vector<const Node*> used;
  for (const Edge& edge : edges) {
    const Node& from = node_of(plan, edge.from, true);
    const Node& to = node_of(plan, edge.to, false);
    used.push_back(&from);
    used.push_back(&to);
    const Arrow a = route(plan, from, to, edge, drawn);
    drawn.labels.push_back(a.label);
    for (const Point& p : points_of(a)) drawn.curves.push_back(p);
    put("<path class=\"e\" stroke-width=\"{:.1f}\" marker-end=\"url(#tip-{})\" d=\"M{:.0f} "
        "{:.0f}Q{:.0f} {:.0f} {:.0f} {:.0f}\">"
        "<title>{}</title></path>",
        width_of(edge), plan.name, a.from.x, a.from.y, a.control.x, a.control.y, a.to.x, a.to.y,
        tip_of(edge));
    fmt::format_to(std::back_inserter(texts),
                   "<text class=\"l\" x=\"{:.0f}\" y=\"{:.0f}\">{}</text>", a.label.middle.x,
                   a.label.middle.y + 5, label_of(edge));
  }
  for (const Node& node : plan.nodes) {
    const bool has_sockets = sockets != nullptr && node.state != State::Close;
    const std::uint64_t now = has_sockets ? (*sockets)[static_cast<std::size_t>(node.state)] : 0;
    if (now == 0 && std::find(used.begin(), used.end(), &node) == used.end()) continue;
    put("<rect class=\"n\" stroke=\"var(--{})\" x=\"{}\" y=\"{}\" width=\"{}\" height=\"{}\" "
        "rx=\"9\"/>"
        "<text class=\"t\" x=\"{}\" y=\"{}\">{}</text>",
        colour_of(node.state), node.at.x - kHalfWidth, node.at.y - kHalfHeight, 2 * kHalfWidth,
        2 * kHalfHeight, node.at.x, node.at.y + (has_sockets ? -3 : 5), name_of(node.state));
    if (has_sockets)
      put("<text class=\"t\" x=\"{}\" y=\"{}\">{}</text>", node.at.x, node.at.y + 13,
          human_count(now));
  }
  if (edges.empty() && sockets == nullptr)
    put("<text class=\"t\" x=\"{}\" y=\"{}\">no transitions seen</text>", plan.width / 2,
        plan.height / 2);
  out += texts;
  out += "</svg>\n";
}

Status write_diagram_svg(Output& out, const std::vector<Edge>& edges) {
  std::string text;
  append_diagram_svg(text, edges, DiagramKind::Alone);
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
