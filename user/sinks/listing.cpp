// SPDX-License-Identifier: BSD-2-Clause
#include "sinks/listing.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <ctime>
#include <map>
#include <string>
#include <string_view>
#include <utility>

#include "model/colour.h"
#include "model/json_line.h"
#include "sinks/csv_fields.h"
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

/// Who has it open, and where that is nobody, why, and whose it was.
std::string holders_text(const Listed& one) {
  const Holders& holders = one.holders;
  const Owner& owner = one.seed.socket.owner;
  const auto nobody = [&](std::string_view why) {
    if (!owner.pid) return std::string(why);
    const bool opened = owner.source == OwnerSource::Connect || owner.source == OwnerSource::Accept;
    return fmt::format("{}, {}{}", why, opened ? "opened by " : "", owner_text(owner));
  };
  switch (holders.held) {
    case Held::Process: {
      const Holder& first = holders.first.all.front();
      const std::size_t others = holders.first.all.size() - 1 + holders.more;
      const std::string text = owner_text({.pid = first.pid, .comm = first.comm});
      return others == 0 ? text : fmt::format("{} +{}", text, others);
    }
    case Held::Nobody:
      return nobody("nobody");
    case Held::NotAccepted:
      return nobody("not accepted");
    case Held::Closed:
      return nobody("closed");
    case Held::Kernel:
      return "kernel";
    case Held::Unknown:
      break;
  }
  return owner_text(owner);
}

/// Named by what a person would restart: the process's name, and where it runs.
std::string group_text(const Listed& one) {
  const Holders& holders = one.holders;
  if (holders.held == Held::Nobody) return "nobody";
  const Comm& who =
      holders.held == Held::Process ? holders.first.all.front().comm : one.seed.socket.owner.comm;
  const std::string_view comm = who.view();
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

Cells heads_of(const ListingOptions& options) {
  Cells cells = {"<STATE", "AGE",    "RECV-Q",  "SEND-Q",    "RETR",
                 "<TIMER", "<LOCAL", "<REMOTE", "<PID/COMM", "<CGROUP"};
  if (options.wide) cells.insert(cells.end(), {"<CONN", "<NETNS"});
  if (options.time) cells.insert(cells.begin() + 6, "<SINCE");
  return cells;
}

/// Of heads_of(): where there is no room for all, who it is matters more than the queues.
std::vector<Table::Rank> ranks_of(const ListingOptions& options) {
  std::vector<Table::Rank> ranks = {{9}, {8}, {3}, {2}, {0}, {4}, {5}, {6}, {7, 18}, {1}};
  if (options.wide) ranks.insert(ranks.end(), {{-1}, {-1}});
  if (options.time) ranks.insert(ranks.begin() + 6, {4});
  return ranks;
}

Cells cells_of(const Listed& one, const ListingOptions& options) {
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
                 local_text(socket),
                 remote_text(socket),
                 holders_text(one),
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

Status write_listing_text(Output& out, const std::vector<Listed>& sockets,
                          const ListingOptions& options) {
  if (sockets.empty()) return Ok;
  Table table(heads_of(options));
  for (const Listed& one : sockets) table.add(cells_of(one, options));
  const std::size_t columns = options.columns == 0 ? kAnyWidth : options.columns;
  if (options.columns != 0) table.fit(columns, ranks_of(options));
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

Status write_listing_summary(Output& out, const std::vector<Listed>& sockets, std::size_t columns) {
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
  std::string lines;
  append_paragraph(lines, text, 0, 2, columns == 0 ? kAnyWidth : columns);
  return out.write(lines);
}

Status write_listing_csv(Output& out, const std::vector<Listed>& sockets) {
  std::string text;
  CsvText csv(text);
  add_csv_heads(csv, kListedFields);
  for (const Listed& one : sockets) {
    add_csv_row<kListedFields>(csv, one, {.port_zero = true});
    if (Status status = out.write(text); !status) return status;
    text.clear();
  }
  return out.write(text);
}

Status write_listing_json(Output& out, const std::vector<Listed>& sockets) {
  std::string line;
  for (const Listed& one : sockets) {
    line.clear();
    append_json(line, one);
    if (Status status = out.write(line); !status) return status;
  }
  return Ok;
}

void append_json(std::string& out, const Listed& one) {
  append_json_line(out, "socket", kListedFields, one);
}

}  // namespace tcpdwell
