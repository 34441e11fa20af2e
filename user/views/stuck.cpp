// SPDX-License-Identifier: BSD-2-Clause
#include "views/stuck.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <ctime>
#include <map>
#include <string>
#include <string_view>
#include <utility>

#include "model/colour.h"
#include "util/csv.h"
#include "util/duration.h"
#include "util/escape.h"
#include "util/layout.h"
#include "util/moments.h"

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
  return fmt::format("{}{:04}-{:02}-{:02} {:02}:{:02}:{:02}",
                     seed.age.bound == Bound::AtLeast ? "<=" : "", parts.tm_year + 1900,
                     parts.tm_mon + 1, parts.tm_mday, parts.tm_hour, parts.tm_min, parts.tm_sec);
}

Cells heads_of(const StuckOptions& options) {
  Cells cells = {"<STATE", "AGE",    "RECV-Q",  "SEND-Q",    "RETR",
                 "<TIMER", "<LOCAL", "<REMOTE", "<PID/COMM", "<CGROUP"};
  if (options.wide) cells.insert(cells.end(), {"<CONN", "<NETNS"});
  if (options.time) cells.insert(cells.begin() + 6, "<SINCE");
  return cells;
}

Cells cells_of(const Listed& one, const StuckOptions& options) {
  const Seed& seed = one.seed;
  const Socket& socket = seed.socket;
  const auto number = [&](std::uint32_t Live::Queues::*field) {
    return seed.live.queues ? std::to_string((*seed.live.queues).*field) : std::string("-");
  };
  const std::string cgroup = options.wide ? one.cgroup->path : one.cgroup->label();
  Cells cells = {std::string(name_of(seed.state)),
                 dwell_text(seed.age),
                 number(&Live::Queues::receive),
                 number(&Live::Queues::send),
                 number(&Live::Queues::retrans),
                 timer_text(seed.live),
                 endpoint_text(socket.family, socket.local),
                 endpoint_text(socket.family, socket.remote),
                 owner_text(socket.owner),
                 cgroup.empty() ? "-" : printable(cgroup)};
  if (options.wide) cells.insert(cells.end(), {to_string(socket.id), std::to_string(socket.netns)});
  if (options.time) cells.insert(cells.begin() + 6, since_text(seed));
  return cells;
}

std::string counted(std::vector<std::pair<std::string, std::uint64_t>> groups, std::size_t most) {
  std::stable_sort(groups.begin(), groups.end(),
                   [](const auto& a, const auto& b) { return a.second > b.second; });
  std::string text;
  std::uint64_t rest = 0;
  for (std::size_t i = 0; i < groups.size(); ++i) {
    if (i >= most) {
      rest += groups[i].second;
      continue;
    }
    text += fmt::format("{}{} {}", text.empty() ? "" : ", ", human_count(groups[i].second),
                        groups[i].first);
  }
  if (rest != 0) text += fmt::format(", {} of {} others", human_count(rest), groups.size() - most);
  return text;
}

}  // namespace

Status write_stuck_text(Output& out, const std::vector<Listed>& sockets,
                        const StuckOptions& options) {
  if (sockets.empty()) return Ok;
  Table table(heads_of(options));
  for (const Listed& one : sockets) table.add(cells_of(one, options));
  const std::size_t columns = options.columns == 0 ? kAnyWidth : options.columns;
  std::string text;
  table.append_heads(text, options.colour, columns);
  for (std::size_t row = 0; row < sockets.size(); ++row) {
    const auto paint = [&](std::size_t column) {
      return options.colour && column == 0 ? sgr_of(sockets[row].seed.state) : std::string_view();
    };
    table.append_row(text, row, paint, columns);
    if (Status status = out.write(text); !status) return status;
    text.clear();
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
    if (const auto count = by_state[static_cast<std::size_t>(state)])
      states.emplace_back(name_of(state), count);
  std::string text =
      fmt::format("{} socket{}", human_count(sockets.size()), sockets.size() == 1 ? "" : "s");
  if (!sockets.empty())
    text += fmt::format(": {}; by owner: {}", counted(states, kStateCount),
                        counted({by_owner.begin(), by_owner.end()}, kOwnersNamed));
  return out.write(text + "\n");
}

Status write_stuck_csv(Output& out, const std::vector<Listed>& sockets) {
  std::string text;
  CsvText csv(text);
  csv.cells("ts", "mono_ns", "conn", "netns", "family", "laddr", "lport", "raddr", "rport", "state",
            "age_ns", "age");
  csv.row("pid", "comm", "owner", "cgroup", "recv_queue", "send_queue", "retrans", "timer",
          "timer_ns", "cgroup_path", "container", "pod", "unit");
  for (const Listed& one : sockets) {
    const Seed& seed = one.seed;
    const Socket& s = seed.socket;
    csv.cells(rfc3339(seed.wall_ns), seed.mono_ns, to_string(s.id), s.netns,
              static_cast<int>(s.family), address_text(s.family, s.local), s.local.port,
              address_text(s.family, s.remote), s.remote.port, name_of(seed.state));
    csv.cells(seed.age.bound == Bound::Unknown ? std::nullopt : std::optional(seed.age.ns),
              name_of(seed.age.bound));
    csv.cells(s.owner.pid, s.owner.comm.view(), name_of(s.owner.source));
    csv.cell(s.owner.cgroup_id == 0 ? std::nullopt : std::optional(s.owner.cgroup_id));
    if (const auto& q = seed.live.queues) {
      csv.cells(q->receive, q->send, q->retrans);
    } else {
      csv.cells("", "", "");
    }
    csv.cells(seed.live.timer ? name_of(*seed.live.timer) : "", seed.live.timer_ns);
    csv.row(one.cgroup->path, one.cgroup->container, one.cgroup->pod, one.cgroup->unit);
    if (Status status = out.write(text); !status) return status;
    text.clear();
  }
  return out.write(text);
}

}  // namespace tcpdwell
