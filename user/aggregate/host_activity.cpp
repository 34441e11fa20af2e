// SPDX-License-Identifier: BSD-2-Clause
#include "aggregate/host_activity.h"

#include <algorithm>
#include <array>
#include <string_view>
#include <utility>

namespace tcpdwell {
namespace {

AnalyzerOptions options() {
  AnalyzerOptions options;
  options.connections = {HostActivity::kConnections, 0, 0};
  options.max_followed = 0;
  return options;
}

std::uint64_t all_of(const OwnerRow& row) {
  std::uint64_t sum = 0;
  for (const std::uint64_t count : row.sockets) sum += count;
  return sum;
}

/// The largest, then the others together.
std::vector<OwnerRow> largest(std::vector<OwnerRow> rows) {
  const auto unnamed =
      std::stable_partition(rows.begin(), rows.end(), [](const OwnerRow& row) { return row.comm; });
  OwnerRow others;
  const auto to_others = [&others](const OwnerRow& row) {
    for (std::size_t s = 0; s < kStateCount; ++s) others.sockets[s] += row.sockets[s];
  };
  std::for_each(unnamed, rows.end(), to_others);
  rows.erase(unnamed, rows.end());
  std::sort(rows.begin(), rows.end(), [](const OwnerRow& a, const OwnerRow& b) {
    return std::pair(all_of(b), a.comm->bytes) < std::pair(all_of(a), b.comm->bytes);
  });
  if (rows.size() > HostActivity::kOwners) {
    std::for_each(rows.begin() + HostActivity::kOwners, rows.end(), to_others);
    rows.resize(HostActivity::kOwners);
  }
  if (all_of(others) > 0) rows.push_back(others);
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
      [](const EndRow& a, const EndRow& b) {
        return a.reason == b.reason && a.closer == b.closer && a.time_wait == b.time_wait;
      },
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
  constexpr std::array<std::string_view, 4> kOfNow = {"close_wait_leak", "close_wait_chain",
                                                      "not_accepted", "port_exhaustion"};
  return std::find(kOfNow.begin(), kOfNow.end(), finding.kind) != kOfNow.end();
}

}  // namespace

HostActivity::HostActivity() : analyzer_(options()) {}

Status HostActivity::header(const Header& header) {
  start_wall_ns_ = window_wall_ns_ = before_wall_ns_ = header.start_wall_ns;
  minisockets_ = header.minisockets;
  ports_.begin_host(header.host, header.ports);
  return analyzer_.header(header);
}

Status HostActivity::connection(const Connection& connection) {
  if (connection.open()) return Ok;
  if (const auto life = lives_.over(connection))
    totals_.lives[static_cast<std::size_t>(role_of(connection))].add(*life);
  note_failure(connection);
  return analyzer_.connection(connection);
}

/// It ended in the state that connect() had brought it to.
void HostActivity::note_failure(const Connection& c) {
  if (c.stays.empty() || c.stays.back().state != State::SynSent) return;
  const Attempt attempt{c.socket.family, c.socket.remote.addr, c.socket.remote.port, c.reason};
  if (const auto found = failed_.find(attempt); found != failed_.end())
    ++found->second;
  else if (failed_.size() < kMostFailed)
    failed_.emplace(attempt, 1);
}

std::vector<FailedConnects> HostActivity::most_failed() const {
  std::vector<FailedConnects> most;
  for (const auto& [attempt, count] : failed_) {
    const auto& [family, addr, port, reason] = attempt;
    most.push_back({family, {addr, port}, reason, count});
  }
  std::stable_sort(most.begin(), most.end(), [](const FailedConnects& a, const FailedConnects& b) {
    return a.count > b.count;
  });
  if (most.size() > kFailed) most.resize(kFailed);
  return most;
}

Status HostActivity::tally(const Tally& tally) {
  totals_.add(tally);
  past_.tally(tally);
  return Ok;
}

Status HostActivity::local_ports(const LocalPorts& ports) {
  ports_.local_ports(ports);
  return analyzer_.local_ports(ports);
}

Status HostActivity::loss(const Loss& loss) {
  totals_.lost[static_cast<std::size_t>(loss.where)] += loss.count;
  return Ok;
}

void HostActivity::survey(Survey survey, const SurveyWish& wish, std::int64_t wall_ns) {
  ports_.add(survey, wall_ns);
  past_.survey(survey.population);
  if (!survey.waiting) survey.waiting = survey_.waiting;
  survey_ = std::move(survey);
  wish_ = wish;
}

Analysis HostActivity::window() const { return analyzer_.look(survey_, ports_.rows(survey_)); }

bool HostActivity::keep_window(std::int64_t wall_ns) {
  if (wall_ns - window_wall_ns_ < kWindowNs) return false;
  before_ = window();
  std::erase_if(before_.findings, is_of_now);
  before_.stuck.clear();
  before_.ports.clear();
  before_wall_ns_ = window_wall_ns_;
  window_wall_ns_ = wall_ns;
  analyzer_.begin_window(wall_ns);
  ports_.begin_window();
  return true;
}

void HostActivity::begin_window(std::int64_t wall_ns) {
  before_ = {};
  before_wall_ns_ = window_wall_ns_ = wall_ns;
  analyzer_.begin_window(wall_ns);
  ports_.begin_window();
}

LiveState HostActivity::look(std::uint64_t mono_ns, std::int64_t wall_ns) const {
  LiveState state;
  state.mono_ns = mono_ns;
  state.wall_ns = wall_ns;
  state.start_wall_ns = start_wall_ns_;
  state.window_wall_ns = before_wall_ns_;
  state.minisockets = minisockets_;
  state.totals = totals_;
  state.recent = window();
  add_before(state.recent, before_);
  divide_ports(state);
  state.failed_connects = most_failed();
  state.past = past_.points();
  state.survey = survey_;
  state.survey.owners = largest(survey_.owners);
  state.survey.ports.clear();
  state.survey.held.clear();
  state.wish = wish_;
  return state;
}

}  // namespace tcpdwell
