// SPDX-License-Identifier: BSD-2-Clause
#include "aggregate/analyzer.h"

#include <algorithm>
#include <utility>

#include "aggregate/analyzer_impl.h"

namespace tcpdwell {
namespace {

Closer closer_so_far(const Followed& followed) {
  Path path;
  for (const Segment& segment : followed.finished_segments()) path.push(segment.state);
  return closer_of(path, Reason::None);
}

bool holds_port(State state) {
  return state != State::Listen && state != State::Close && state != State::Unknown;
}

}  // namespace

/// What is open is known anew in every trace, from its seeds; in another trace of the same host the
/// connections go on, so they are not shown as stuck where this one ends.
void Analyzer::Impl::begin_trace(const Header& header) {
  if (any_trace_) end_host(header.boot_id == boot_id_ && header.host == host_);
  if (!any_trace_ || header.boot_id != boot_id_ || header.host != host_)
    ports_.begin_host(header.host, header.ports);
  any_trace_ = true;
  minisockets_off_ = minisockets_off_ || header.minisockets == "off";
  host_ = header.host;
  boot_id_ = header.boot_id;
  last_wall_ns_ = header.start_wall_ns;
  // The walk over what exists takes a while: all of it was there when the trace began.
  trace_begin_ns_ = header.start_wall_ns;
  timeline_.reach(trace_begin_ns_);
}

Followed* Analyzer::Impl::follow(const Socket& socket, State state, std::int64_t wall_ns,
                                 std::int64_t since_wall_ns) {
  if (slots_.taken() >= options_.max_followed) {
    ++not_followed_;
    return nullptr;
  }
  const FollowedSlots::Index slot = slots_.take();
  open_.add(socket.id).slot = slot;
  Followed& followed = slots_[slot];
  followed.socket = socket;
  followed.role = role_of(socket.owner.source);
  followed.state = state;
  followed.since_wall_ns = wall_ns;
  timeline_.move(since_wall_ns, std::nullopt, state);
  return &followed;
}

void Analyzer::Impl::forget(const ConnId& id) {
  slots_.give_back(open_.find(id)->slot);
  open_.drop(id, &OpenTable::Entry::slot);
}

void Analyzer::Impl::seed(const Seed& seed) {
  note(seed.wall_ns);
  if (find(seed.socket.id) != nullptr || seed.state == State::Close) return;
  Followed* const followed =
      follow(seed.socket, seed.state, seed.wall_ns, std::min(trace_begin_ns_, seed.wall_ns));
  if (followed == nullptr) return;
  followed->since_before = seed.age;
  if (const auto before = time_waits_before_.find(seed.socket.id);
      before != time_waits_before_.end() && seed.state == State::TimeWait)
    followed->closer = before->second;
  if (holds_port(seed.state))
    followed->port_row =
        ports_.take_port(seed.socket, seed.port, followed->role, seed.state, seed.wall_ns);
}

/// Whom it belongs to now is known, if it is in the same state still.
void Analyzer::Impl::socket(const Listed& one) {
  note(one.seed.wall_ns);
  looked_ = true;
  if (waiting_.size() < kMostWaiting) waiting_.push_back(one);
  Followed* const followed = find(one.seed.socket.id);
  const std::vector<Holder>& holders = one.holders.first.all;
  if (followed == nullptr || followed->state != one.seed.state || holders.empty()) return;
  Owner& owner = followed->socket.owner;
  const auto same = std::find_if(holders.begin(), holders.end(),
                                 [&](const Holder& holder) { return owner.pid == holder.pid; });
  if (same != holders.end()) {
    owner.comm = same->comm;
    return;
  }
  owner = {holders.front().pid, holders.front().comm, OwnerSource::Seed};
}

void Analyzer::Impl::transition(const Transition& t) {
  note(t.wall_ns);
  ends_.add(t);
  edges_.add(t);
  Followed* followed = find(t.socket.id);
  if (followed == nullptr && !t.ends_a_dwell()) return begin(t);
  // Older than the trace and never seeded, or its beginning was lost or filtered away.
  if (followed == nullptr) followed = follow(t.socket, t.from, t.wall_ns, t.wall_ns);
  if (followed == nullptr) return;
  move(*followed, t);
}

void Analyzer::Impl::begin(const Transition& t) {
  if (t.last()) return;
  Followed* const followed = follow(t.socket, t.to, t.wall_ns, t.wall_ns);
  if (t.to != State::Listen) timeline_.open(t.wall_ns);
  if (followed == nullptr) return;
  followed->begin_wall_ns = t.wall_ns;
  if (t.to == State::SynSent) followed->role = Role::Active;
  if (t.to == State::SynRecv) followed->role = Role::Passive;
  findings_.moved(*followed, t);
  if (holds_port(t.to))
    followed->port_row = ports_.take_port(t.socket, t.port, followed->role, t.to, t.wall_ns);
}

void Analyzer::Impl::move(Followed& followed, const Transition& t) {
  if (t.path.first() == State::SynSent) followed.role = Role::Active;
  if (t.path.first() == State::SynRecv) followed.role = Role::Passive;
  findings_.moved(followed, t);
  if (t.ends_a_dwell()) followed.add_segment(t.from, t.dwell);
  if (t.accept_wait_ns) followed.accept_wait = *t.accept_wait_ns;
  if (t.last()) return finish(followed, t);
  timeline_.move(t.wall_ns, followed.state, t.to);
  const bool waits = t.to == State::TimeWait;
  if (followed.port_row == Ports::kNoRow) {
    if (holds_port(t.to))
      followed.port_row = ports_.take_port(t.socket, t.port, followed.role, t.to, t.wall_ns);
  } else if (waits && followed.state != State::TimeWait) {
    ports_.to_time_wait(followed.port_row, followed.socket.local.port, t.wall_ns);
  }
  followed.socket = t.socket;
  followed.state = t.to;
  followed.closer = waits ? std::optional(closer_so_far(followed)) : std::nullopt;
  followed.since_wall_ns = t.wall_ns;
  followed.since_before = {Bound::Exact, 0};
}

void Analyzer::Impl::finish(Followed& followed, const Transition& t) {
  timeline_.move(t.wall_ns, followed.state, std::nullopt);
  if (t.reason == Reason::NoLocalPort)
    ports_.take_back(followed.port_row, followed.socket.local.port, followed.since_wall_ns);
  else
    ports_.release(followed.port_row, followed.socket.local.port,
                   followed.state == State::TimeWait);
  if (t.reason == Reason::NoLocalPort) {
    if (followed.begin_wall_ns) timeline_.not_opened(*followed.begin_wall_ns);
  } else if (t.from != State::Listen) {
    timeline_.close(t.wall_ns);
  }
  if (t.from != State::Listen) {
    connections_.finished(host_, followed, t);
    if (options_.on_connection) options_.on_connection(finished_row(host_, followed, t));
  }
  forget(t.socket.id);
}

void Analyzer::Impl::each_open(
    std::int64_t wall_ns,
    const std::function<void(const Followed&, const Dwell& age)>& visit) const {
  slots_.each([&](const Followed& followed) { visit(followed, followed.age(wall_ns)); });
}

void Analyzer::Impl::add_open(std::int64_t wall_ns, Connections& connections, Waiting& waiting,
                              Ends::TimeWaits& waits) const {
  slots_.each([&](const Followed& followed) {
    connections.open_at_end(host_, followed, wall_ns);
    waiting.open_at_end(followed, wall_ns, looked_);
    if (followed.closer) ++waits[static_cast<std::size_t>(*followed.closer)];
  });
  waiting.looked(waiting_);
}

void Analyzer::Impl::end_host(bool goes_on) {
  slots_.each([&](const Followed& followed) {
    timeline_.move(last_wall_ns_, followed.state, std::nullopt);
  });
  time_waits_before_.clear();
  if (goes_on) {
    slots_.each([&](const Followed& followed) {
      if (followed.closer) time_waits_before_[followed.socket.id] = *followed.closer;
    });
    findings_.waiting().looked_before(waiting_);
    ports_.release_all();
  } else {
    add_open(last_wall_ns_, connections_, findings_.waiting(), time_waits_);
    tell_open();
  }
  open_.drop_all(&OpenTable::Entry::slot);
  slots_ = {};
  waiting_.clear();
  looked_ = false;
}

void Analyzer::Impl::end(const TraceEnd& end) {
  timeline_.reach(end.wall_ns);
  note(end.wall_ns);
  looked_ = looked_ || end.looked;
}

void Analyzer::Impl::tell_open() const {
  if (!options_.on_connection) return;
  slots_.each([&](const Followed& followed) {
    if (followed.state != State::Listen)
      options_.on_connection(open_row(host_, followed, last_wall_ns_));
  });
}

Analysis Analyzer::Impl::look(std::int64_t wall_ns) const {
  Connections connections = connections_;
  Waiting waiting = findings_.waiting();
  Ends::TimeWaits waits = time_waits_;
  add_open(wall_ns, connections, waiting, waits);
  Analysis analysis;
  analysis.series = timeline_.take();
  analysis.series.minisockets_off = minisockets_off_;
  analysis.ends = ends_.take(waits);
  analysis.edges = edges_.take();
  analysis.ports = ports_.take(options_.most_ports);
  analysis.local_ports = ports_.namespaces();
  analysis.findings = findings_.take(analysis.ports, analysis.local_ports, waiting);
  connections.take(analysis);
  analysis.not_followed = not_followed_;
  analysis.ports_left_out = ports_.left_out();
  return analysis;
}

Analysis Analyzer::Impl::look(const Survey& survey, std::vector<PortRow> ports) const {
  Connections connections = connections_;
  Waiting waiting = findings_.waiting();
  waiting.open_now(survey);
  Analysis analysis;
  analysis.ends = ends_.take();
  analysis.edges = edges_.take();
  analysis.ports = std::move(ports);
  analysis.local_ports = ports_.namespaces();
  analysis.findings = findings_.take(analysis.ports, analysis.local_ports, waiting);
  connections.take(analysis);
  for (const Connection& open : survey.listed) analysis.stuck.push_back(open_row(host_, open));
  analysis.ports_left_out = survey.ports_left_out;
  return analysis;
}

Analysis Analyzer::Impl::take() {
  Analysis analysis = look(last_wall_ns_);
  tell_open();
  return analysis;
}

void Analyzer::Impl::begin_window(std::int64_t wall_ns) {
  ends_ = {};
  time_waits_ = {};
  edges_ = {};
  findings_ = {};
  timeline_ = {};
  connections_ = Connections(options_.connections);
  not_followed_ = 0;
  ports_.begin_window(wall_ns);
  slots_.each(
      [&](const Followed& followed) { timeline_.move(wall_ns, std::nullopt, followed.state); });
}

Analyzer::Analyzer(AnalyzerOptions options)
    : impl_(std::make_unique<Impl>(std::move(options), nullptr)) {}
Analyzer::Analyzer(AnalyzerOptions options, OpenTable& open)
    : impl_(std::make_unique<Impl>(std::move(options), &open)) {}
Analyzer::~Analyzer() = default;

Status Analyzer::header(const Header& header) {
  impl_->begin_trace(header);
  return Ok;
}
Status Analyzer::transition(const Transition& t) {
  impl_->transition(t);
  return Ok;
}
Status Analyzer::seed(const Seed& seed) {
  impl_->seed(seed);
  return Ok;
}
Status Analyzer::connection(const Connection& connection) {
  impl_->connection(connection);
  return Ok;
}
Status Analyzer::socket(const Listed& one) {
  impl_->socket(one);
  return Ok;
}
void Analyzer::begin_look() { impl_->begin_look(); }
Status Analyzer::local_ports(const LocalPorts& ports) {
  impl_->local_ports(ports);
  return Ok;
}
Status Analyzer::loss(const Loss&) { return Ok; }
Status Analyzer::end(const TraceEnd& end) {
  impl_->end(end);
  return Ok;
}
Analysis Analyzer::take() { return impl_->take(); }
Analysis Analyzer::look(std::int64_t wall_ns) const { return impl_->look(wall_ns); }
Analysis Analyzer::look(const Survey& survey, std::vector<PortRow> ports) const {
  return impl_->look(survey, std::move(ports));
}
void Analyzer::each_open(
    std::int64_t wall_ns,
    const std::function<void(const Followed&, const Dwell& age)>& visit) const {
  impl_->each_open(wall_ns, visit);
}
void Analyzer::begin_window(std::int64_t wall_ns) { impl_->begin_window(wall_ns); }

}  // namespace tcpdwell
