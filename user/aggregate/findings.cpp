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
constexpr std::uint64_t kFailures = 3;
constexpr std::uint64_t kSlowCount = 3, kSlowPercent = 10;
constexpr std::uint64_t kIdleCount = 3, kIdleLeast = kSecond;
constexpr std::uint64_t kLateHandshake = kSecond, kLateCount = 10;
constexpr std::uint64_t kWrongSideCount = 100;
constexpr std::uint64_t kKeepAliveCount = 20, kKeepAliveLeast = kSecond;
constexpr std::uint64_t kPortsPercent = 70, kPortsCritical = 90;

/// What to change that more ports can be had.
std::string wider(const PortRow& row) {
  if (row.own_range) return "widen the sockets' own range (IP_LOCAL_PORT_RANGE)";
  return fmt::format(
      "widen net.ipv4.ip_local_port_range{}{}",
      row.reserved == 0 ? "" : fmt::format(", of which {} are reserved", human_count(row.reserved)),
      row.range_known ? "" : " (the default range: the trace does not say which)");
}

std::string exhaustion_text(const PortRow& row, std::uint64_t percent) {
  const std::string here = row.local_text(), to = row.remote_text();
  if (row.any_remote)
    return fmt::format(
        "{} of {} local ports ({} %) were taken from {} for all destinations at once, {} of them "
        "by TIME_WAIT, as bind() took them before connect(): do not bind, set "
        "IP_BIND_ADDRESS_NO_PORT, or {}.",
        human_count(row.peak), human_count(row.range), percent, here,
        human_count(row.peak_time_wait), wider(row));
  if (row.bound > 0)
    return fmt::format(
        "{} of {} local ports ({} %) were taken for connections from {} to {} at once: {} by such "
        "connections, {} of them in TIME_WAIT, and {} by bind(), for all destinations. Keep "
        "connections open and use them again, look for what is bound, or {}.",
        human_count(row.taken()), human_count(row.range), percent, here, to, human_count(row.peak),
        human_count(row.peak_time_wait), human_count(row.bound), wider(row));
  return fmt::format(
      "{} of {} local ports ({} %) were taken from {} to {} at once, {} of them by TIME_WAIT: "
      "keep connections open and use them again, or {}.",
      human_count(row.peak), human_count(row.range), percent, here, to,
      human_count(row.peak_time_wait), wider(row));
}

void add_port_exhaustion(const std::vector<PortRow>& ports, std::vector<Finding>& found) {
  for (const PortRow& row : ports) {
    const std::uint64_t percent = row.range == 0 ? 0 : row.taken() * 100 / row.range;
    if (percent < kPortsPercent) continue;
    const std::string about = row.any_remote ? row.local_text() : row.remote_text();
    found.push_back({"port_exhaustion",
                     percent >= kPortsCritical ? Severity::Critical : Severity::Warning, about,
                     row.taken(), exhaustion_text(row, percent)});
  }
}

std::string name_of(const LocalPorts& ports) {
  if (ports.vrf == Comm()) return fmt::format("network namespace {}", ports.netns);
  return fmt::format("VRF {} of network namespace {}", printable(ports.vrf.view()), ports.netns);
}

/// A row of connections tells it too, unless others have ports bound as well.
bool told_by_row(const LocalPorts& local, const std::vector<PortRow>& ports) {
  return local.unconnected.value_or(0) == 0 &&
         std::any_of(ports.begin(), ports.end(), [&](const PortRow& row) {
           return row.any_remote && row.netns == local.netns &&
                  row.taken() * 100 >= kPortsPercent * row.range;
         });
}

void add_bound_ports(const std::vector<PortRow>& ports,
                     const std::vector<NamespacePorts>& namespaces, std::vector<Finding>& found) {
  for (const auto& [host, local] : namespaces) {
    const std::uint64_t bound = local.bound.value_or(0), all = local.available();
    if (all == 0 || bound * 100 < kPortsPercent * all || told_by_row(local, ports)) continue;
    const std::uint64_t percent = bound * 100 / all;
    found.push_back(
        {"port_exhaustion", percent >= kPortsCritical ? Severity::Critical : Severity::Warning,
         name_of(local), bound,
         fmt::format("{} of {} local ports ({} %) of {} were bound at once, {} of them without a "
                     "connection: connect() gets none of these, whatever the destination, so look "
                     "for what calls bind(), and for sockets that never connect.",
                     human_count(bound), human_count(all), percent, name_of(local),
                     human_count(local.unconnected.value_or(0)))});
  }
}

}  // namespace

Findings::Destination* Findings::destination(const Socket& socket) {
  auto& last = last_destination_;
  if (last.found != nullptr && last.family == socket.family && last.remote == socket.remote &&
      last.iface == socket.iface)
    return last.found;
  Socket plain;
  plain.family = socket.family;
  plain.remote = socket.remote;
  plain.iface = socket.iface;
  unmap(plain.family, plain.local, plain.remote);
  Destination* const found =
      subject(destinations_, destination_key(plain.family, plain.remote, plain.iface),
              [&] { return remote_text(plain); });
  last = {socket.family, socket.remote, socket.iface, found};
  if (found != nullptr && found->netns == 0) {
    found->netns = socket.netns;
    found->family = socket.family;
    found->remote = socket.remote;
  }
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
  if (t.from == State::SynRecv || t.from == State::Listen) waiting_.at_listener(t);
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
      to.without_port_in = t.socket.netns;
      if (to.tried > 0) --to.tried;
      break;
    default:
      break;
  }
}

void Findings::add_handshake(Destination& to, const Dwell& dwell) {
  if (dwell.bound == Bound::Unknown) return;
  ++to.connected;
  to.slow += dwell.ns >= kLateHandshake;
  to.slowest_ns = std::max(to.slowest_ns, dwell.ns);
}

void Findings::towards(const Followed& followed, const Transition& t) {
  const bool begins = t.to == State::SynSent && t.from != State::SynSent;
  const bool failed = t.from == State::SynSent && t.to == State::Close;
  const bool peer_closed = t.from == State::Established && t.to == State::CloseWait;
  const bool connected = t.from == State::SynSent && t.to == State::Established;
  if (!begins && !failed && !connected && !peer_closed && !t.last()) return;
  Destination* const to = destination(t.socket);
  if (to == nullptr) return;
  to->tried += begins;
  if (failed) add_failure(*to, t);
  if (connected) add_handshake(*to, t.dwell);
  if (t.traffic && t.traffic->idle_ms * std::uint64_t{1'000'000} >= kIdleLeast)
    to->idle_until_dropped.add(t.traffic->idle_ms * std::uint64_t{1'000'000});
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
  // Who waits for data (TCP_DEFER_ACCEPT) or for room in the accept queue has had the last ACK.
  const bool answered = t.deferred || t.queue_full;
  at->answered_late += t.from == State::SynRecv && t.to == State::Established && !answered &&
                       t.dwell.bound != Bound::Unknown && t.dwell.ns >= kLateHandshake;
  at->never_answered += t.from == State::SynRecv && t.reason == Reason::SynTimeout && !answered;
  at->ended += t.last() && t.from != State::SynRecv;
  at->closed_here += closes_first;
}

/// The kernel itself said that there was no port left.
void Findings::add_ports_that_ran_out(const std::vector<PortRow>& ports,
                                      const std::vector<NamespacePorts>& namespaces,
                                      const Waiting& waiting, std::vector<Finding>& found) const {
  for (const auto& [key, d] : destinations_) {
    if (d.without_port == 0) continue;
    std::uint64_t taken = 0;
    for (const PortRow& row : ports)
      if (!row.any_remote && row.netns == d.without_port_in && row.remote_text() == d.name)
        taken += row.peak;
    std::string bound;
    for (const auto& [host, local] : namespaces)
      if (local.netns == d.without_port_in && local.bound.value_or(0) > 0)
        bound += fmt::format(
            ", and {} of the {} that there are in {} were bound, {} of them "
            "without a connection",
            human_count(*local.bound), human_count(local.available()), name_of(local),
            human_count(local.unconnected.value_or(0)));
    const std::uint64_t all = d.without_port + std::max(d.tried, d.ended) + waiting.open_to(key);
    found.push_back(
        {"port_exhaustion", Severity::Critical, d.name, d.without_port,
         fmt::format(
             "{} of {} attempts to connect to {} found no local port (EADDRNOTAVAIL) while {} "
             "were seen taken towards it{}: keep connections open and use them again, widen "
             "net.ipv4.ip_local_port_range, or look for ports that are bound or reserved.",
             human_count(d.without_port), human_count(all), d.name, human_count(taken), bound)});
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

/// A SYN that is not answered is sent again after a second (TCP_TIMEOUT_INIT).
void Findings::add_slow_handshakes(const Waiting& waiting, std::vector<Finding>& found) const {
  for (const auto& [key, d] : destinations_) {
    if (d.slow < kSlowCount || d.slow * 100 < d.connected * kSlowPercent) continue;
    const Waiting::Queue* const queue = waiting.queue_of(d.netns, d.family, d.remote);
    const std::string why =
        queue != nullptr && queue->was_full()
            ? fmt::format("the accept queue there was full, as {} accepts too slowly",
                          process_name(queue->comm))
            : "SYNs or their answers are lost, or the accept queue there is full";
    found.push_back(
        {"slow_handshakes", Severity::Warning, d.name, d.slow,
         fmt::format("{} of {} handshakes with {} took {} or longer, up to {}: {}.",
                     human_count(d.slow), human_count(std::max(d.tried, d.connected)), d.name,
                     human_duration(kLateHandshake), human_duration(d.slowest_ns), why)});
  }
}

void Findings::add_dropped_while_idle(std::vector<Finding>& found) const {
  for (const auto& [key, d] : destinations_) {
    const Histogram& idle = d.idle_until_dropped;
    if (idle.count() < kIdleCount) continue;
    found.push_back(
        {"idle_dropped", Severity::Warning, d.name, idle.count(),
         fmt::format(
             "{} connections to {} were dropped while idle, and it was found at the next "
             "write: after {} without a segment (median) a RST answered it that knows no "
             "such connection. The peer has closed, or a firewall, NAT or load balancer has "
             "forgotten them: use keepalive, or close idle connections earlier.",
             human_count(idle.count()), d.name, human_duration(*idle.percentile(50)))});
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
                                    const std::vector<NamespacePorts>& namespaces,
                                    const Waiting& waiting) const {
  std::vector<Finding> found;
  waiting.add_findings(found);
  add_port_exhaustion(ports, found);
  add_bound_ports(ports, namespaces, found);
  add_ports_that_ran_out(ports, namespaces, waiting, found);
  add_failures_to_connect(waiting, found);
  add_keep_alive_mismatches(found);
  add_late_handshakes(found);
  add_time_wait_on_servers(found);
  add_slow_handshakes(waiting, found);
  add_dropped_while_idle(found);
  std::sort(found.begin(), found.end(), [](const Finding& a, const Finding& b) {
    return std::tie(b.severity, b.count, a.kind, a.subject, a.text) <
           std::tie(a.severity, a.count, b.kind, b.subject, b.text);
  });
  return found;
}

}  // namespace tcpdwell
