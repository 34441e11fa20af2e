// SPDX-License-Identifier: BSD-2-Clause
// The pages of `top` above its tables: one connection's path, one finding, help.
#include <fmt/format.h>

#include <algorithm>
#include <numeric>

#include "util/duration.h"
#include "util/escape.h"
#include "views/top.h"

namespace tcpdwell {
namespace {

/// A letter for each state, for screens without colour.
constexpr std::string_view kLetters = "?Esr12TCWALX";  ///< by state number

char letter_of(State state) { return kLetters[static_cast<std::size_t>(state)]; }

std::uint64_t known_ns(const Segment& segment) {
  return segment.dwell.bound == Bound::Unknown ? 0 : segment.dwell.ns;
}

/// Where each segment begins and ends on a line of `width` columns. Each has at least one column,
/// as far as there are any.
std::vector<std::pair<std::size_t, std::size_t>> places(const std::vector<Segment>& segments,
                                                        std::size_t width) {
  double total = 0;
  for (const Segment& segment : segments) total += static_cast<double>(known_ns(segment));
  std::vector<std::pair<std::size_t, std::size_t>> found;
  double before = 0;
  std::size_t begin = 0;
  for (std::size_t i = 0; i < segments.size(); ++i) {
    before += static_cast<double>(known_ns(segments[i]));
    const auto proportional =
        total > 0 ? static_cast<std::size_t>(before / total * static_cast<double>(width) + 0.5)
                  : i + 1;
    const std::size_t after = segments.size() - 1 - i;  // these want a column each as well
    const std::size_t most = width - std::min(width, after);
    const std::size_t end = std::min(width, std::max(begin + 1, std::min(proportional, most)));
    found.emplace_back(std::min(begin, width), end);
    begin = end;
  }
  return found;
}

std::string bar(State state, std::size_t width, const Look& look) {
  std::string text;
  for (std::size_t i = 0; i < width; ++i)
    text += look.utf8 && look.colour ? std::string("█") : std::string(1, letter_of(state));
  return text;
}

/// What happened after what: a line each, its bar where it lies in the whole.
void add_waterfall(std::vector<Line>& lines, const std::vector<Segment>& segments, bool open,
                   std::size_t columns, const Look& look) {
  constexpr std::size_t kNames = 26;  // letter, state, dwell
  const std::size_t width = columns > kNames + 4 ? columns - kNames : 0;
  const auto at = places(segments, width);
  Line whole;
  for (std::size_t i = 0; i < segments.size(); ++i) {
    const Segment& segment = segments[i];
    const bool now = open && i + 1 == segments.size();
    Line line(fmt::format("{} {:<11} ", letter_of(segment.state), name_of(segment.state)),
              style_of(segment.state));
    const std::string age = dwell_text(segment.dwell);
    line.pad(line.width() + (9 - std::min<std::size_t>(9, age.size())))
        .add(age, now ? Style::Bold : Style::Plain)
        .pad(kNames);
    const auto [begin, end] = at[i];
    if (segment.dwell.bound != Bound::Unknown)
      line.pad(kNames + begin).add(bar(segment.state, end - begin, look), style_of(segment.state));
    whole.add(bar(segment.state, end - begin, look), style_of(segment.state));
    lines.push_back(std::move(line));
  }
  if (width == 0) return;
  Line last("together", Style::Dim);
  last.pad(kNames);
  for (const Span& span : whole.spans()) last.add(span.text, span.style);
  lines.push_back(std::move(last));
}

constexpr std::string_view kHelp[] = {
    "Tab, Shift-Tab, 1-7", "the table below the states", "up, down, PgUp, PgDn, Home, End",
    "choose a row (also k j g G)", "Enter", "open it: a row's connections, a connection's path",
    "Esc", "back; takes a filter away", "< >, left, right", "sort by the column before, after", "r",
    "the other way round", "/", "show rows with what is typed; Enter keeps it, Esc not", "Space",
    "pause; tracing goes on, and so do the statistics", "Ctrl-L", "paint everything again", "q",
    "quit", "", "", "NOW", "sockets in the state", "IN/s",
    "entered it, a second, over the last interval", "OLDEST",
    "the longest that one of them has been in it", "P50, P99, MAX",
    "dwells that ended within a minute, exact ones", "NOT EXACT",
    "dwells known from below only, or not at all", "LAST MINUTE",
    "sockets in it, from 0 to the most there were", "STUCK, IN",
    // NOLINTNEXTLINE(bugprone-suspicious-missing-comma): one text, broken by the formatter
    "the one longest in a state that is meant to pass,\nany but LISTEN and ESTABLISHED, and the "
    "state",
    "NEW/s, END/s", "connections that began and ended, a second", "SYN, FIN",
    "SYN_SENT and SYN_RECV; FIN_WAIT1, FIN_WAIT2,\nCLOSING and LAST_ACK together", ">= and ?",
    "a lower bound; not known", "cpu", "of one processor, by tcpdwell itself"};

}  // namespace

std::vector<Line> Top::help_lines(std::size_t columns) const {
  std::vector<Line> lines = {Line("tcpdwell top", Style::Bold), Line()};
  constexpr std::size_t kIndent = 33;
  const bool narrow = columns < 80;
  for (std::size_t i = 0; i < std::size(kHelp); i += 2) {
    const std::size_t indent = narrow ? 2 : kIndent;
    auto texts = wrapped(kHelp[i + 1], columns > indent + 8 ? columns - indent : columns);
    Line line(cut(kHelp[i], columns, options_.look), Style::Bold);
    if (narrow) {
      lines.push_back(std::exchange(line, Line()));
    }
    for (const std::string& text : texts) {
      line.pad(columns > indent + 8 ? indent : 0).add(text);
      lines.push_back(std::exchange(line, Line()));
    }
    if (texts.empty() && !narrow) lines.push_back(line);
  }
  return lines;
}

std::vector<Line> Top::finding_lines(std::size_t columns) const {
  std::vector<Line> lines = {Line(cut(finding_->kind, columns, options_.look), Style::Bold),
                             Line()};
  for (const std::string& text : wrapped(spelled(finding_->text, options_.look), columns))
    lines.emplace_back(text);
  return lines;
}

std::vector<Line> Top::path_lines(std::size_t columns) const {
  const Look& look = options_.look;
  const ConnectionRow& row = *path_;
  const Socket& socket = row.socket;
  std::vector<Line> lines;
  Line head("connection " + to_string(socket.id) + "  ", Style::Bold);
  head.add(std::string(name_of(row.state)), style_of(row.state));
  if (path_gone_) {
    head.add("  closed since", Style::Chosen);
  } else {
    head.add(" for " + dwell_text(row.in_state));
  }
  lines.push_back(std::move(head));
  const auto add = [&](std::string_view what, const std::string& text) {
    Line line(std::string(what), Style::Dim);
    lines.push_back(
        std::move(line.pad(11).add(cut(text, columns - std::min<std::size_t>(columns, 11), look))));
  };
  add("owner", spelled(owner_text(socket.owner), look) +
                   (socket.owner.source == OwnerSource::None
                        ? ""
                        : fmt::format(" (by {})", name_of(socket.owner.source))));
  add("local", local_text(socket));
  add("remote", remote_text(socket));
  add("container", container_of(socket.cgroup_id));
  add("opened by", row.role == Role::Active    ? "this host"
                   : row.role == Role::Passive ? "the peer"
                                               : "not known: older than the trace");
  if (row.begin_wall_ns) add("began", rfc3339(*row.begin_wall_ns).substr(0, 23) + "Z");
  add("life", dwell_text(row.life));
  add("netns", std::to_string(socket.netns));
  lines.emplace_back();
  add_waterfall(lines, row.segments, row.open && !path_gone_, columns, look);
  return lines;
}

void Top::draw_page(Canvas& canvas, std::size_t rows, std::size_t columns) {
  std::vector<Line> lines = page_ == Page::Help      ? help_lines(columns)
                            : page_ == Page::Finding ? finding_lines(columns)
                                                     : path_lines(columns);
  for (Line& line : lines) {
    if (line.width() <= columns) continue;
    Line fits;
    for (const Span& span : line.spans())
      if (fits.width() < columns)
        fits.add(cut(span.text, columns - fits.width(), options_.look), span.style);
    line = std::move(fits);
  }
  const bool foot = rows > 3;
  body_rows_ = rows - (foot ? 1 : 0);
  page_lines_ = lines.size();
  page_first_ = std::min(page_first_, lines.size() - std::min(lines.size(), body_rows_));
  lines.erase(lines.begin(), lines.begin() + static_cast<std::ptrdiff_t>(page_first_));
  const bool more = lines.size() > body_rows_;
  lines.resize(std::min(lines.size(), body_rows_));
  canvas.lines = std::move(lines);
  if (!foot) return;
  canvas.lines.resize(rows - 1);
  Line line;
  if (paused_) line.add("PAUSED", Style::Chosen).add("  ");
  line.add(cut(more ? "Esc back   down: more" : "Esc back",
               columns - std::min(columns, line.width()), options_.look),
           Style::Dim);
  canvas.lines.push_back(std::move(line));
}

}  // namespace tcpdwell
