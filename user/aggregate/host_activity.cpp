// SPDX-License-Identifier: BSD-2-Clause
#include "aggregate/host_activity.h"

#include <tsl/robin_map.h>

#include <algorithm>
#include <utility>

#include "aggregate/ports.h"
#include "util/keyed_hash.h"

namespace tcpdwell {
namespace {

AnalyzerOptions options(std::size_t max_followed) {
  AnalyzerOptions options;
  options.max_followed = max_followed;
  options.connections = {HostActivity::kConnections, HostActivity::kConnections, 0};
  options.most_ports = Ports::kMostRows;
  return options;
}

using Owners = tsl::robin_map<Comm, OwnerRow, KeyedHash>;

std::uint64_t all_of(const OwnerRow& row) {
  std::uint64_t sum = 0;
  for (const std::uint64_t count : row.sockets) sum += count;
  return sum;
}

std::vector<OwnerRow> largest(const Owners& owners) {
  std::vector<OwnerRow> rows;
  for (const auto& [comm, row] : owners) rows.push_back(row);
  std::sort(rows.begin(), rows.end(), [](const OwnerRow& a, const OwnerRow& b) {
    return std::pair(all_of(b), a.comm->bytes) < std::pair(all_of(a), b.comm->bytes);
  });
  if (rows.size() <= HostActivity::kOwners) return rows;
  OwnerRow others;
  for (std::size_t i = HostActivity::kOwners; i < rows.size(); ++i)
    for (std::size_t s = 0; s < kStateCount; ++s) others.sockets[s] += rows[i].sockets[s];
  rows.resize(HostActivity::kOwners);
  rows.push_back(others);
  return rows;
}

/// Those of which most is taken now; the peaks' order is that of findings.
void divide_ports(LiveState& state) {
  std::vector<PortRow>& rows = state.recent.ports;
  std::stable_sort(rows.begin(), rows.end(), [](const PortRow& a, const PortRow& b) {
    return (a.live + a.time_wait) * b.range > (b.live + b.time_wait) * a.range;
  });
  for (std::size_t i = HostActivity::kDestinations; i < rows.size(); ++i) {
    state.other_ports.live += rows[i].live;
    state.other_ports.time_wait += rows[i].time_wait;
  }
  if (rows.size() > HostActivity::kDestinations) rows.resize(HostActivity::kDestinations);
}

/// Rows that are of the same thing become one.
template <class Row, class Same>
void add_rows(std::vector<Row>& now, const std::vector<Row>& before, Same same,
              Histogram Row::*durations) {
  for (const Row& row : before) {
    const auto found =
        std::find_if(now.begin(), now.end(), [&](const Row& other) { return same(row, other); });
    if (found == now.end()) {
      now.push_back(row);
    } else {
      found->count += row.count;
      (*found.*durations).merge(row.*durations);
    }
  }
}

/// What the window before told and this one does not, or not yet.
void add_before(Analysis& now, const Analysis& before) {
  for (const Finding& finding : before.findings)
    if (std::none_of(now.findings.begin(), now.findings.end(), [&](const Finding& f) {
          return f.kind == finding.kind && f.subject == finding.subject;
        }))
      now.findings.push_back(finding);
  add_rows(
      now.edges, before.edges,
      [](const Edge& a, const Edge& b) { return a.from == b.from && a.to == b.to; }, &Edge::dwell);
  add_rows(
      now.ends, before.ends,
      [](const EndRow& a, const EndRow& b) { return a.reason == b.reason && a.closer == b.closer; },
      &EndRow::life);
  now.slowest.insert(now.slowest.end(), before.slowest.begin(), before.slowest.end());
  std::stable_sort(
      now.slowest.begin(), now.slowest.end(),
      [](const ConnectionRow& a, const ConnectionRow& b) { return a.life.ns > b.life.ns; });
  if (now.slowest.size() > HostActivity::kConnections)
    now.slowest.resize(HostActivity::kConnections);
}

/// A finding about what is open says it again as long as it is so; if it has ended, it is of the
/// past.
bool is_of_now(const Finding& finding) {
  return finding.kind == "close_wait_leak" || finding.kind == "port_exhaustion";
}

}  // namespace

HostActivity::HostActivity(std::size_t max_followed) : analyzer_(options(max_followed)) {}

Status HostActivity::header(const Header& header) {
  start_wall_ns_ = window_wall_ns_ = before_wall_ns_ = header.start_wall_ns;
  minisockets_ = header.minisockets;
  return analyzer_.header(header);
}

Status HostActivity::transition(const Transition& t) {
  ++totals_.transitions[static_cast<std::size_t>(t.from)][static_cast<std::size_t>(t.to)];
  if (t.ends_a_dwell()) {
    totals_.dwells[static_cast<std::size_t>(t.from)].add(t.dwell);
  } else if (t.to == State::SynSent) {
    ++totals_.opened_active;
  } else if (t.to == State::SynRecv) {
    ++totals_.opened_passive;
  }
  if (t.last() && t.from != State::Listen)
    ++totals_.ends[static_cast<std::size_t>(t.reason)]
                  [static_cast<std::size_t>(closer_of(t.path, t.reason))];
  return analyzer_.transition(t);
}

Status HostActivity::seed(const Seed& seed) { return analyzer_.seed(seed); }

Status HostActivity::loss(const Loss& loss) {
  totals_.lost[static_cast<std::size_t>(loss.where)] += loss.count;
  return Ok;
}

void HostActivity::keep_window(std::int64_t wall_ns) {
  if (wall_ns - window_wall_ns_ < kWindowNs) return;
  before_ = analyzer_.look(wall_ns);
  std::erase_if(before_.findings, is_of_now);
  before_.stuck.clear();
  before_.ports.clear();
  before_.series = {};
  before_wall_ns_ = window_wall_ns_;
  not_followed_before_ += before_.not_followed;
  window_wall_ns_ = wall_ns;
  analyzer_.begin_window(wall_ns);
}

void HostActivity::begin_window(std::int64_t wall_ns) {
  not_followed_before_ += analyzer_.look(wall_ns).not_followed;
  before_ = {};
  before_wall_ns_ = window_wall_ns_ = wall_ns;
  analyzer_.begin_window(wall_ns);
}

LiveState HostActivity::look(std::uint64_t mono_ns, std::int64_t wall_ns, bool all_sockets) const {
  LiveState state;
  state.mono_ns = mono_ns;
  state.wall_ns = wall_ns;
  state.start_wall_ns = start_wall_ns_;
  state.window_wall_ns = before_wall_ns_;
  state.minisockets = minisockets_;
  state.totals = totals_;
  state.recent = analyzer_.look(wall_ns);
  state.not_followed = not_followed_before_ + state.recent.not_followed;
  add_before(state.recent, before_);
  divide_ports(state);
  state.all_sockets = all_sockets;
  Owners owners;
  analyzer_.each_open(wall_ns, [&](const Followed& followed, const Dwell& age) {
    const auto at = static_cast<std::size_t>(followed.state);
    ++state.population[at];
    auto& oldest = state.oldest[at];
    if (!oldest || age.ns > oldest->ns) oldest = age;
    OwnerRow& owner = owners[followed.socket.owner.comm];
    owner.comm = followed.socket.owner.comm;
    ++owner.sockets[at];
    if (all_sockets) state.sockets.push_back({followed.socket, followed.state, age});
  });
  state.owners = largest(owners);
  return state;
}

}  // namespace tcpdwell
