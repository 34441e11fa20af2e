// SPDX-License-Identifier: BSD-2-Clause
#include "aggregate/findings.h"

#include <fmt/format.h>

#include <algorithm>
#include <tuple>

#include "util/duration.h"
#include "util/escape.h"

namespace tcpdwell {
namespace {

constexpr std::uint64_t kSecond = 1'000'000'000;

// docs/report.md says these too.
constexpr std::uint64_t kLeakCount = 3, kHeldCount = 5;
constexpr std::uint64_t kFailures = 3;
constexpr std::uint64_t kLateHandshake = kSecond, kLateCount = 10;
constexpr std::uint64_t kWrongSideCount = 100;
constexpr std::uint64_t kKeepAliveCount = 20, kKeepAliveLeast = kSecond;
constexpr std::uint64_t kPortsPercent = 70, kPortsCritical = 90;

std::string process_name(const Comm& name) {
  const std::string comm = printable(name.view());
  return comm.empty() ? "an unknown process" : comm;
}

/// The subject under a key; nullptr where there is no room for one more.
template <class Map, class Name>
auto* subject(Map& map, const PackedKey& key, Name name) {
  using Subject = typename Map::mapped_type;
  if (const auto found = map.find(key); found != map.end()) return &found.value();
  if (map.size() >= kMostSubjects) return static_cast<Subject*>(nullptr);
  Subject made;
  made.name = name();
  return &map.insert({key, std::move(made)}).first.value();
}

PackedKey destination_key(Family family, const Endpoint& remote) {
  PackedKey key;
  key.put(family);
  key.put(remote.addr);
  key.put(remote.port);
  return key;
}

void add_close_wait_leaks(const Waiting& waiting, std::vector<Finding>& found) {
  for (const auto& [key, p] : waiting.processes()) {
    if (p.unclosed < kLeakCount) continue;
    found.push_back(
        {"close_wait_leak", Severity::Critical, p.name, p.unclosed,
         fmt::format(
             "{} connections of {} stay in CLOSE_WAIT, the oldest for {} or longer: the peer has "
             "closed and {} has not, so look there for a descriptor that is never closed.",
             human_count(p.unclosed), p.name, human_duration(p.oldest_ns), p.name)});
  }
}

void add_port_exhaustion(const std::vector<PortRow>& ports, std::vector<Finding>& found) {
  for (const PortRow& row : ports) {
    const std::uint64_t percent = row.range == 0 ? 0 : row.peak * 100 / row.range;
    if (percent < kPortsPercent) continue;
    Endpoint here = row.local;
    const std::string to = endpoint_text(row.family, row.remote);
    found.push_back(
        {"port_exhaustion", percent >= kPortsCritical ? Severity::Critical : Severity::Warning, to,
         row.peak,
         fmt::format(
             "{} of {} local ports ({} %) were taken from {} to {} at once, {} of them by "
             "TIME_WAIT: "
             "keep connections open and use them again, or widen net.ipv4.ip_local_port_range{}.",
             human_count(row.peak), human_count(row.range), percent, address_text(row.family, here),
             to, human_count(row.peak_time_wait),
             row.range_known ? "" : " (the default range: the trace does not say which)")});
  }
}

void add_held_fin_wait2(const Waiting& waiting, std::vector<Finding>& found) {
  for (const auto& [key, p] : waiting.peers()) {
    if (p.held < kHeldCount) continue;
    found.push_back({"fin_wait2_held", Severity::Warning, p.name, p.held,
                     fmt::format("{} connections to {} were held in FIN_WAIT2 for {} or longer, up "
                                 "to {}: we closed and the "
                                 "peer did not, so look for CLOSE_WAIT there.",
                                 human_count(p.held), p.name, human_duration(kHeldAgeNs),
                                 human_duration(p.longest_ns))});
  }
}

}  // namespace

Findings::Destination* Findings::destination(const Socket& socket) {
  auto& last = last_destination_;
  if (last.found != nullptr && last.family == socket.family && last.remote == socket.remote)
    return last.found;
  Destination* const found = subject(destinations_, destination_key(socket.family, socket.remote),
                                     [&] { return endpoint_text(socket.family, socket.remote); });
  last = {socket.family, socket.remote, found};
  return found;
}

Findings::Service* Findings::service(const Socket& socket) {
  auto& last = last_service_;
  if (last.found != nullptr && last.netns == socket.netns && last.port == socket.local.port)
    return last.found;
  PackedKey key;
  key.put(socket.netns);
  key.put(socket.local.port);
  Service* const found = subject(services_, key, [&] {
    return fmt::format("port {} ({})", socket.local.port, process_name(socket.owner.comm));
  });
  last = {socket.netns, socket.local.port, found};
  return found;
}

void Findings::moved(const Followed& followed, const Transition& t) {
  if (t.from == State::FinWait2 && t.dwell.bound != Bound::Unknown)
    waiting_.held_open(t.socket, t.dwell);
  if (followed.role == Role::Active) towards(followed, t);
  if (followed.role == Role::Passive) served(t);
}

/// An attempt that no SYN left for is none of the destination's. Whoever gives up within a second,
/// as a client does that tries two addresses at once, has not waited for an answer.
void Findings::add_failure(Destination& to, const Transition& t) {
  switch (t.reason) {
    case Reason::Refused:
    case Reason::RefusedByIcmp:
      ++to.refused;
      break;
    case Reason::Timeout:
      ++to.timed_out;
      break;
    case Reason::GivenUp:
      to.timed_out += t.dwell.bound != Bound::Unknown && t.dwell.ns >= kSecond;
      break;
    case Reason::Unreachable:
      ++to.unreachable;
      break;
    case Reason::NoLocalPort:
      // Else bind() chose it, and it is taken.
      to.without_port += t.socket.local.port == 0;
      if (to.tried > 0) --to.tried;
      break;
    default:
      break;
  }
}

void Findings::towards(const Followed& followed, const Transition& t) {
  const bool begins = t.to == State::SynSent && t.from != State::SynSent;
  const bool failed = t.from == State::SynSent && t.to == State::Close;
  const bool peer_closed = t.from == State::Established && t.to == State::CloseWait;
  if (!begins && !failed && !peer_closed && !t.last()) return;
  Destination* const to = destination(t.socket);
  if (to == nullptr) return;
  to->tried += begins;
  if (failed) add_failure(*to, t);
  to->ended += t.last() && followed.state != State::SynSent;
  to->closed_by_peer += peer_closed;
  if (peer_closed && t.dwell.bound == Bound::Exact) to->open_until_peer_closed.add(t.dwell.ns);
}

void Findings::served(const Transition& t) {
  const bool begins = t.from == State::Listen && t.to == State::SynRecv;
  const bool closes_first = t.from == State::Established && t.to == State::FinWait1;
  if (!begins && !closes_first && t.from != State::SynRecv && !t.last()) return;
  Service* const at = service(t.socket);
  if (at == nullptr) return;
  at->requests += begins;
  at->answered_late += t.from == State::SynRecv && t.to == State::Established &&
                       t.dwell.bound != Bound::Unknown && t.dwell.ns >= kLateHandshake;
  at->never_answered += t.from == State::SynRecv && t.reason == Reason::SynTimeout;
  at->ended += t.last() && t.from != State::SynRecv;
  at->closed_here += closes_first;
}

void Waiting::held_open(const Socket& socket, const Dwell& dwell) {
  if (dwell.ns < kHeldAgeNs) return;
  PackedKey key;
  key.put(socket.family);
  key.put(socket.remote.addr);
  Peer* const peer =
      subject(peers_, key, [&] { return address_text(socket.family, socket.remote); });
  if (peer == nullptr) return;
  ++peer->held;
  peer->longest_ns = std::max(peer->longest_ns, dwell.ns);
}

void Waiting::open_at_end(const Followed& followed, std::int64_t end_wall_ns) {
  const Dwell age = followed.age(end_wall_ns);
  if (followed.state == State::FinWait2) held_open(followed.socket, age);
  if (followed.state != State::CloseWait || age.ns < kLeakAgeNs) return;
  PackedKey key;
  key.put(followed.socket.owner.comm.bytes);
  Process* const process =
      subject(processes_, key, [&] { return process_name(followed.socket.owner.comm); });
  if (process == nullptr) return;
  ++process->unclosed;
  process->oldest_ns = std::max(process->oldest_ns, age.ns);
}

void Waiting::open_now(const Survey& survey) {
  for (const OwnerRow& owner : survey.owners) {
    if (owner.unclosed == 0) continue;
    PackedKey key;
    key.put(owner.comm->bytes);
    Process* const process = subject(processes_, key, [&] { return process_name(*owner.comm); });
    if (process == nullptr) continue;
    process->unclosed += owner.unclosed;
    process->oldest_ns = std::max(process->oldest_ns, owner.oldest_unclosed_ns);
  }
  for (const HeldRow& row : survey.held) {
    PackedKey key;
    key.put(row.family);
    key.put(row.remote.addr);
    Peer* const peer = subject(peers_, key, [&] { return address_text(row.family, row.remote); });
    if (peer == nullptr) continue;
    peer->held += row.held;
    peer->longest_ns = std::max(peer->longest_ns, row.longest_ns);
  }
  for (const PortRow& row : survey.ports)
    open_to_[destination_key(row.family, row.remote)] += row.live + row.time_wait;
}

std::uint64_t Waiting::open_to(const PackedKey& destination) const {
  const auto found = open_to_.find(destination);
  return found == open_to_.end() ? 0 : found->second;
}

/// The kernel itself said that there was no port left.
void Findings::add_ports_that_ran_out(const std::vector<PortRow>& ports, const Waiting& waiting,
                                      std::vector<Finding>& found) const {
  for (const auto& [key, d] : destinations_) {
    if (d.without_port == 0) continue;
    std::uint64_t taken = 0;
    for (const PortRow& row : ports)
      if (endpoint_text(row.family, row.remote) == d.name) taken += row.peak;
    const std::uint64_t all = d.without_port + std::max(d.tried, d.ended) + waiting.open_to(key);
    found.push_back(
        {"port_exhaustion", Severity::Critical, d.name, d.without_port,
         fmt::format(
             "{} of {} attempts to connect to {} found no local port (EADDRNOTAVAIL) while {} "
             "were seen taken towards it: keep connections open and use them again, widen "
             "net.ipv4.ip_local_port_range, or look for ports that are bound or reserved.",
             human_count(d.without_port), human_count(all), d.name, human_count(taken))});
  }
}

/// Of a connection that is open, a line comes when it has ended: those were tried too.
void Findings::add_failures_to_connect(const Waiting& waiting, std::vector<Finding>& found) const {
  for (const auto& [key, d] : destinations_) {
    const std::uint64_t tried = d.tried + waiting.open_to(key);
    if (d.refused >= kFailures)
      found.push_back(
          {"connect_refused", Severity::Warning, d.name, d.refused,
           fmt::format("{} of {} connections to {} were refused: nobody listens there, its backlog "
                       "is full, "
                       "or a firewall rejects them.",
                       human_count(d.refused), human_count(std::max(tried, d.refused)), d.name)});
    if (d.unreachable >= kFailures)
      found.push_back(
          {"connect_unreachable", Severity::Warning, d.name, d.unreachable,
           fmt::format(
               "{} of {} connections to {} failed as it cannot be reached: a router says so "
               "(ICMP), nobody answers to its address (ARP, neighbour discovery), or there "
               "is no route.",
               human_count(d.unreachable), human_count(std::max(tried, d.unreachable)), d.name)});
    if (d.timed_out >= kFailures)
      found.push_back({"connect_timeout", Severity::Warning, d.name, d.timed_out,
                       fmt::format("{} of {} connections to {} got no answer to their SYN: the "
                                   "host is down, a firewall "
                                   "drops them, or its SYN backlog overflows.",
                                   human_count(d.timed_out),
                                   human_count(std::max(tried, d.timed_out)), d.name)});
  }
}

void Findings::add_keep_alive_mismatches(std::vector<Finding>& found) const {
  for (const auto& [key, d] : destinations_) {
    const Histogram& open = d.open_until_peer_closed;
    if (open.count() < kKeepAliveCount || d.closed_by_peer * 2 < d.ended) continue;
    const std::uint64_t p10 = *open.percentile(10), p50 = *open.percentile(50),
                        p90 = *open.percentile(90);
    if (p50 < kKeepAliveLeast || p90 - p10 > p50 / 20 + kSecond / 10) continue;
    found.push_back(
        {"keep_alive_mismatch", Severity::Warning, d.name, d.closed_by_peer,
         fmt::format("{} closes first after {}, {} times: that is its keep-alive timeout, and a "
                     "request sent "
                     "at that moment fails, so let the client drop idle connections earlier.",
                     d.name, human_duration(p50), human_count(d.closed_by_peer))});
  }
}

void Findings::add_late_handshakes(std::vector<Finding>& found) const {
  for (const auto& [key, s] : services_) {
    if (s.never_answered + s.answered_late >= kLateCount &&
        (s.never_answered + s.answered_late) * 100 >= s.requests)
      found.push_back(
          {"syn_backlog", Severity::Warning, s.name, s.never_answered + s.answered_late,
           fmt::format("{} of {} handshakes at {} took {} or longer and {} never ended: packets "
                       "are lost, it is "
                       "a SYN flood, or the backlog is full (see nstat -az TcpExtListenOverflows).",
                       human_count(s.answered_late),
                       human_count(std::max(s.requests, s.answered_late)), s.name,
                       human_duration(kLateHandshake), human_count(s.never_answered))});
  }
}

void Findings::add_time_wait_on_servers(std::vector<Finding>& found) const {
  for (const auto& [key, s] : services_) {
    if (s.closed_here >= kWrongSideCount && s.closed_here * 2 > s.ended)
      found.push_back({"time_wait_on_server", Severity::Note, s.name, s.closed_here,
                       fmt::format("{} closed first {} times of {}, so TIME_WAIT gathers on the "
                                   "server: let clients close, "
                                   "or keep connections open for more requests.",
                                   s.name, human_count(s.closed_here),
                                   human_count(std::max(s.ended, s.closed_here)))});
  }
}

std::vector<Finding> Findings::take(const std::vector<PortRow>& ports,
                                    const Waiting& waiting) const {
  std::vector<Finding> found;
  add_close_wait_leaks(waiting, found);
  add_port_exhaustion(ports, found);
  add_ports_that_ran_out(ports, waiting, found);
  add_failures_to_connect(waiting, found);
  add_keep_alive_mismatches(found);
  add_late_handshakes(found);
  add_time_wait_on_servers(found);
  add_held_fin_wait2(waiting, found);
  std::sort(found.begin(), found.end(), [](const Finding& a, const Finding& b) {
    return std::tie(b.severity, b.count, a.kind, a.subject, a.text) <
           std::tie(a.severity, a.count, b.kind, b.subject, b.text);
  });
  return found;
}

}  // namespace tcpdwell
