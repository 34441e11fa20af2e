// SPDX-License-Identifier: BSD-2-Clause
#include "views/stuck.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <ctime>
#include <iterator>
#include <map>
#include <string>
#include <string_view>
#include <utility>

#include "model/colour.h"
#include "util/duration.h"
#include "util/escape.h"
#include "util/moments.h"
#include "util/utf8.h"
#include "views/words.h"

namespace tcpdwell {
namespace {

constexpr std::size_t kOwnersNamed = 5;

std::string timer_text(const Live& live) {
  if (!live.timer) return "?";
  if (!live.timer_ns) return "-";
  return fmt::format("{} {}", name_of(*live.timer), human_duration(*live.timer_ns));
}

/// Named by what a person would restart: the process's name, and where it runs.
std::string group_text(const Listed& one) {
  const std::string_view comm = one.seed.socket.owner.comm.view();
  std::string text = comm.empty() ? "nobody known" : printable(comm);
  if (!one.cgroup->container.empty()) text += " (" + printable(one.cgroup->label()) + ")";
  return text;
}

using Cells = std::vector<std::string>;

/// By this host's clock and zone; a bound of the age bounds it from the other side.
std::string since_text(const Seed& seed) {
  if (seed.age.bound == Bound::Unknown) return "?";
  const std::int64_t since_ns = earlier(seed.wall_ns, seed.age.ns);
  const std::time_t second = since_ns / 1'000'000'000;
  std::tm parts{};
  localtime_r(&second, &parts);
  return fmt::format("{}{:04}-{:02}-{:02} {:02}:{:02}:{:02}", seed.age.bound == Bound::AtLeast ? "<=" : "",
                     parts.tm_year + 1900, parts.tm_mon + 1, parts.tm_mday, parts.tm_hour, parts.tm_min, parts.tm_sec);
}

Cells heading(const StuckOptions& options) {
  Cells cells = {"STATE", "AGE", "RECV-Q", "SEND-Q", "RETR", "TIMER", "LOCAL", "REMOTE", "PID/COMM", "CGROUP"};
  if (options.wide) cells.insert(cells.end(), {"CONN", "NETNS"});
  if (options.time) cells.insert(cells.begin() + 6, "SINCE");
  return cells;
}

Cells cells_of(const Listed& one, const StuckOptions& options) {
  const Seed& seed = one.seed;
  const Socket& socket = seed.socket;
  const auto number = [&](std::uint32_t Live::Queues::* field) {
    return seed.live.queues ? std::to_string((*seed.live.queues).*field) : std::string("-");
  };
  const std::string cgroup = options.wide ? one.cgroup->path : one.cgroup->label();
  Cells cells = {std::string(name_of(seed.state)),
                 age_text(seed.age),
                 number(&Live::Queues::receive),
                 number(&Live::Queues::send),
                 number(&Live::Queues::retrans),
                 timer_text(seed.live),
                 address_and_port(socket.family, socket.local),
                 address_and_port(socket.family, socket.remote),
                 owner_text(socket.owner),
                 cgroup.empty() ? "-" : printable(cgroup)};
  if (options.wide) cells.insert(cells.end(), {to_string(socket.id), std::to_string(socket.netns)});
  if (options.time) cells.insert(cells.begin() + 6, since_text(seed));
  return cells;
}

bool right_aligned(std::size_t column) { return column >= 1 && column <= 4; }

void append_cell(std::string& line, std::string_view cell, std::size_t width, std::size_t column) {
  const std::size_t has = display_width(cell);
  const std::size_t pad = width > has ? width - has : 0;
  if (!line.empty()) line += "  ";
  if (right_aligned(column)) line.append(pad, ' ');
  line += cell;
  if (!right_aligned(column)) line.append(pad, ' ');
}

/// The cells of many rows, in two pieces of memory.
class CellStore {
 public:
  void add(std::string_view cell) {
    text_ += cell;
    ends_.push_back(text_.size());
  }
  std::vector<std::string_view> row(std::size_t number, std::size_t columns) const {
    std::vector<std::string_view> cells;
    std::size_t at = number * columns;
    std::size_t begin = at == 0 ? 0 : ends_[at - 1];
    for (; cells.size() < columns; begin = ends_[at++])
      cells.push_back(std::string_view(text_).substr(begin, ends_[at] - begin));
    return cells;
  }

 private:
  std::string text_;
  std::vector<std::size_t> ends_;
};

template <class Text>
std::string line_of(const std::vector<Text>& cells, const std::vector<std::size_t>& widths, std::size_t columns) {
  std::string line;
  for (std::size_t i = 0; i < cells.size(); ++i) append_cell(line, cells[i], widths[i], i);
  line.erase(line.find_last_not_of(' ') + 1);
  // A terminal that is too narrow cuts on the right, never inside a character.
  while (columns != 0 && display_width(line) > columns) {
    do line.pop_back();
    while (!line.empty() && (static_cast<unsigned char>(line.back()) & 0xC0U) == 0x80U);
    if (!line.empty() && static_cast<unsigned char>(line.back()) >= 0xC0U) line.pop_back();
  }
  return line;
}

std::string counted(std::vector<std::pair<std::string, std::uint64_t>> groups, std::size_t most) {
  std::stable_sort(groups.begin(), groups.end(), [](const auto& a, const auto& b) { return a.second > b.second; });
  std::string text;
  std::uint64_t rest = 0;
  for (std::size_t i = 0; i < groups.size(); ++i) {
    if (i >= most) {
      rest += groups[i].second;
      continue;
    }
    text += fmt::format("{}{} {}", text.empty() ? "" : ", ", human_count(groups[i].second), groups[i].first);
  }
  if (rest != 0) text += fmt::format(", {} of {} others", human_count(rest), groups.size() - most);
  return text;
}

}  // namespace

Status write_stuck_text(Output& out, const std::vector<Listed>& sockets, const StuckOptions& options) {
  if (sockets.empty()) return Ok;
  const Cells head = heading(options);
  std::vector<std::size_t> widths;
  for (const std::string& cell : head) widths.push_back(cell.size());
  CellStore rows;
  for (const Listed& one : sockets) {
    const Cells cells = cells_of(one, options);
    for (std::size_t i = 0; i < cells.size(); ++i) {
      widths[i] = std::max(widths[i], display_width(cells[i]));
      rows.add(cells[i]);
    }
  }
  std::string text = line_of(head, widths, options.columns);
  if (options.colour) text = std::string(kSgrBold) + text + std::string(kSgrReset);
  if (Status status = out.write(text + "\n"); !status) return status;
  for (std::size_t row = 0; row < sockets.size(); ++row) {
    text = line_of(rows.row(row, head.size()), widths, options.columns);
    if (options.colour) {
      const std::size_t state = std::min(text.find(' '), text.size());
      text.insert(state, kSgrReset);
      text.insert(0, sgr_of(sockets[row].seed.state));
    }
    if (Status status = out.write(text + "\n"); !status) return status;
  }
  return Ok;
}

Status write_stuck_summary(Output& out, const std::vector<Listed>& sockets, const StuckOptions&) {
  std::array<std::uint64_t, kStateCount> by_state{};
  std::map<std::string, std::uint64_t> by_owner;
  for (const Listed& one : sockets) {
    ++by_state[static_cast<std::size_t>(one.seed.state)];
    ++by_owner[group_text(one)];
  }
  std::vector<std::pair<std::string, std::uint64_t>> states;
  for (const State state : kLifeOrder)
    if (const auto count = by_state[static_cast<std::size_t>(state)]) states.emplace_back(name_of(state), count);
  std::string text = fmt::format("{} socket{}", human_count(sockets.size()), sockets.size() == 1 ? "" : "s");
  if (!sockets.empty())
    text += fmt::format(": {}; by owner: {}", counted(states, kStateCount),
                        counted({by_owner.begin(), by_owner.end()}, kOwnersNamed));
  return out.write(text + "\n");
}

Status write_stuck_csv(Output& out, const std::vector<Listed>& sockets) {
  if (Status status = out.write("ts,mono_ns,conn,netns,family,laddr,lport,raddr,rport,state,age_ns,age,pid,comm,owner,cgroup,"
                                "recv_queue,send_queue,retrans,timer,timer_ns,cgroup_path,container,pod,unit\n");
      !status)
    return status;
  std::string line;
  for (const Listed& one : sockets) {
    const Seed& seed = one.seed;
    const Socket& socket = seed.socket;
    line.clear();
    const auto to = std::back_inserter(line);
    fmt::format_to(to, "{},{},{},{},{},{},{},{},{},{},", rfc3339(seed.wall_ns), seed.mono_ns, to_string(socket.id),
                   socket.netns, static_cast<int>(socket.family), address_text(socket.family, socket.local),
                   socket.local.port, address_text(socket.family, socket.remote), socket.remote.port,
                   name_of(seed.state));
    if (seed.age.bound != Bound::Unknown) fmt::format_to(to, "{}", seed.age.ns);
    fmt::format_to(to, ",{},", name_of(seed.age.bound));
    if (socket.owner.pid) fmt::format_to(to, "{}", *socket.owner.pid);
    fmt::format_to(to, ",{},{},", csv_field(socket.owner.comm.view()), name_of(socket.owner.source));
    if (socket.owner.cgroup_id != 0) fmt::format_to(to, "{}", socket.owner.cgroup_id);
    if (const auto& q = seed.live.queues) {
      fmt::format_to(to, ",{},{},{}", q->receive, q->send, q->retrans);
    } else {
      line += ",,,";
    }
    fmt::format_to(to, ",{},", seed.live.timer ? name_of(*seed.live.timer) : "");
    if (seed.live.timer_ns) fmt::format_to(to, "{}", *seed.live.timer_ns);
    fmt::format_to(to, ",{},{},{},{}\n", csv_field(one.cgroup->path), csv_field(one.cgroup->container),
                   csv_field(one.cgroup->pod), csv_field(one.cgroup->unit));
    if (Status status = out.write(line); !status) return status;
  }
  return Ok;
}

}  // namespace tcpdwell
