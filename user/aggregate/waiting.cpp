// SPDX-License-Identifier: BSD-2-Clause
#include "aggregate/waiting.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <optional>
#include <tuple>

#include "util/duration.h"
#include "util/escape.h"

namespace tcpdwell {
namespace {

constexpr std::uint64_t kSecond = 1'000'000'000;
// docs/report.md says these too.
constexpr std::uint64_t kLeakCount = 3, kHeldOpenCount = 5;
constexpr std::uint64_t kUnacceptedAgeNs = 10 * kSecond, kUnacceptedCount = 3;
constexpr std::uint64_t kDropped = 3;

/// One end, an IPv4 address as the mapped one: two ends of a connection need not be of one family.
using End = std::pair<std::array<std::uint8_t, 16>, std::uint16_t>;
End end_of(Family family, const Endpoint& endpoint) {
  End end{endpoint.addr, endpoint.port};
  if (family == Family::V4) {
    end.first = {};
    end.first[10] = end.first[11] = 0xff;
    std::copy_n(endpoint.addr.begin(), 4, end.first.begin() + 12);
  }
  return end;
}

bool is_loopback(Family family, const Endpoint& endpoint) {
  const End end = end_of(family, endpoint);
  std::array<std::uint8_t, 16> v6{};
  v6.back() = 1;
  return end.first == v6 || (end.first[10] == 0xff && end.first[12] == 127);
}

Holder holder_of(const Listed& one) {
  const std::vector<Holder>& all = one.holders.first.all;
  const auto owner = std::find_if(all.begin(), all.end(), [&](const Holder& holder) {
    return one.seed.socket.owner.pid == holder.pid;
  });
  return owner == all.end() ? all.front() : *owner;
}

}  // namespace

PackedKey destination_key(Family family, const Endpoint& remote, const Comm& iface) {
  PackedKey key;
  key.put(family);
  key.put(remote.addr);
  key.put(remote.port);
  if (is_link_local(family, remote)) key.put(iface.bytes);
  return key;
}

std::string process_name(const Comm& name) {
  const std::string comm = printable(name.view());
  return comm.empty() ? "an unknown process" : comm;
}

/// One look. Somebody who has closed one connection and waits for its peer may keep another one
/// open as long: then that peer is who does not close.
class Waiting::Look {
 public:
  explicit Look(Waiting& waiting) : waiting_(waiting) {}

  void add(const Listed& one) {
    const Seed& seed = one.seed;
    if (one.holders.first.all.empty()) return;
    const Socket& socket = seed.socket;
    const Holder holder = holder_of(one);
    Process& process = processes_[holder.pid];
    process.comm = holder.comm;
    if (seed.state == State::CloseWait) {
      unclosed_[{end_of(socket.family, socket.local), end_of(socket.family, socket.remote)}] =
          holder;
      if (seed.age.bound != Bound::Unknown && seed.age.ns >= kLeakAgeNs)
        process.unclosed.push_back(seed.age.ns);
    } else if (seed.state == State::FinWait2 && seed.age.bound != Bound::Unknown &&
               seed.age.ns >= kHeldAgeNs) {
      process.waits.push_back(&socket);
    }
  }

  void finish() {
    for (auto& [pid, process] : processes_) tell(pid, process);
  }

 private:
  struct Process {
    Comm comm;
    std::vector<std::uint64_t> unclosed;
    std::vector<const Socket*> waits;
  };

  /// Who has the other end open, where that is on this host and waits too.
  std::optional<Holder> at_other_end(const Socket& socket) const {
    const auto found =
        unclosed_.find({end_of(socket.family, socket.remote), end_of(socket.family, socket.local)});
    return found == unclosed_.end() ? std::nullopt : std::optional(found->second);
  }

  void tell(std::uint32_t pid, Process& process) {
    std::sort(process.unclosed.rbegin(), process.unclosed.rend());
    const std::uint64_t oldest = process.unclosed.empty() ? 0 : process.unclosed.front();
    std::uint64_t left = process.unclosed.size();
    for (const Socket* const socket : process.waits) {
      const auto other = at_other_end(*socket);
      if (left == 0) break;
      if (other && other->pid == pid) continue;
      const std::string end = endpoint_text(socket->family, socket->remote);
      waiting_.waits_for(process.comm,
                         other ? fmt::format("{} ({})", end, process_name(other->comm)) : end, 1,
                         oldest);
      --left;
    }
    if (left > 0) waiting_.unclosed(process.comm, left, oldest);
  }

  Waiting& waiting_;
  std::map<std::uint32_t, Process> processes_;
  std::map<std::pair<End, End>, Holder> unclosed_;  ///< in CLOSE_WAIT, by local and remote end
};

void Waiting::unclosed(const Comm& comm, std::uint64_t count, std::uint64_t oldest_ns) {
  PackedKey key;
  key.put(comm.bytes);
  Process* const process = subject(processes_, key, [&] { return process_name(comm); });
  if (process == nullptr) return;
  process->unclosed += count;
  process->oldest_ns = std::max(process->oldest_ns, oldest_ns);
}

void Waiting::waits_for(const Comm& comm, const std::string& towards, std::uint64_t count,
                        std::uint64_t oldest_ns) {
  const std::string process = process_name(comm);
  const auto key = std::pair(process, towards);
  if (chains_.size() >= kMostSubjects && !chains_.contains(key)) return;
  Chain& chain = chains_[key];
  chain.process = process;
  chain.towards = towards;
  chain.count += count;
  chain.oldest_ns = std::max(chain.oldest_ns, oldest_ns);
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

void Waiting::open_at_end(const Followed& followed, std::int64_t end_wall_ns, bool looked) {
  const Dwell age = followed.age(end_wall_ns);
  if (followed.state == State::FinWait2) held_open(followed.socket, age);
  if (followed.state == State::CloseWait && age.ns >= kLeakAgeNs && !looked)
    unclosed(followed.socket.owner.comm, 1, age.ns);
}

void Waiting::looked(const std::vector<Listed>& sockets) {
  Look look(*this);
  for (const Listed& one : sockets) {
    const Seed& seed = one.seed;
    if (seed.state == State::Listen) {
      listens(one);
    } else if (seed.live.held == Held::NotAccepted || one.holders.held == Held::NotAccepted) {
      not_accepted(one);
    } else {
      look.add(one);
    }
  }
  look.finish();
}

Waiting::Queue* Waiting::queue(const Socket& socket) {
  PackedKey key;
  key.put(socket.netns);
  key.put(socket.local.port);
  return subject(queues_, key, [&] { return endpoint_text(socket.family, socket.local); });
}

void Waiting::not_accepted(const Listed& one) {
  const Seed& seed = one.seed;
  Queue* const at = queue(seed.socket);
  if (at == nullptr || seed.age.bound == Bound::Unknown || seed.age.ns < kUnacceptedAgeNs) return;
  if (at->comm == Comm()) at->comm = seed.socket.owner.comm;
  ++at->late;
  at->closed += seed.state == State::CloseWait;
  at->oldest_ns = std::max(at->oldest_ns, seed.age.ns);
}

Waiting::Queue* Waiting::note_listener(const Listed& one) {
  Queue* const at = queue(one.seed.socket);
  if (at == nullptr) return nullptr;
  const Live& live = one.seed.live;
  at->comm = one.holders.first.all.empty() ? one.seed.socket.owner.comm : holder_of(one).comm;
  if (live.queues)
    note_listener(*at, one.seed.socket,
                  {live.queues->receive, live.queues->send, live.peak, live.drops});
  return at;
}

void Waiting::listens(const Listed& one) {
  Queue* const at = note_listener(one);
  if (at == nullptr || !one.seed.live.queues) return;
  at->waiting += one.seed.live.queues->receive;
  at->most += one.seed.live.queues->send;
}

void Waiting::looked_before(const std::vector<Listed>& sockets) {
  for (const Listed& one : sockets)
    if (one.seed.state == State::Listen) note_listener(one);
}

/// The queue is full when more wait than may (sk_acceptq_is_full, include/net/sock.h).
void Waiting::note_listener(Queue& at, const Socket& socket, const AcceptQueue& queue) {
  at.name = endpoint_text(socket.family, socket.local);
  at.netns = socket.netns;
  at.everywhere = socket.local.addr == decltype(socket.local.addr){};
  if (std::max(queue.peak, queue.waiting) <= queue.most) return;
  at.full = true;
  at.limit = queue.most;
  at.drops += queue.drops;
}

void Waiting::at_listener(const Transition& t) {
  const bool closed = t.from == State::Listen && t.last() && t.accept_queue;
  if (!closed && !t.queue_full) return;
  Queue* const at = queue(t.socket);
  if (at == nullptr) return;
  if (at->comm == Comm()) at->comm = t.socket.owner.comm;
  at->delayed += t.queue_full;
  if (closed) note_listener(*at, t.socket, *t.accept_queue);
}

void Waiting::open_now(const Survey& survey) {
  if (survey.waiting) {
    looked(*survey.waiting);
  } else {
    for (const OwnerRow& owner : survey.owners)
      if (owner.unclosed != 0) unclosed(*owner.comm, owner.unclosed, owner.oldest_unclosed_ns);
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
    if (!row.any_remote)
      open_to_[destination_key(row.family, row.remote, row.iface)] += row.live + row.time_wait;
}

std::uint64_t Waiting::open_to(const PackedKey& destination) const {
  const auto found = open_to_.find(destination);
  return found == open_to_.end() ? 0 : found->second;
}

void Waiting::add_leaks(std::vector<Finding>& found) const {
  for (const auto& [key, p] : processes_) {
    if (p.unclosed < kLeakCount) continue;
    found.push_back(
        {"close_wait_leak", Severity::Critical, p.name, p.unclosed,
         fmt::format(
             "{} connections of {} stay in CLOSE_WAIT, the oldest for {} or longer: the peer has "
             "closed and {} has not, so look there for a descriptor that is never closed.",
             human_count(p.unclosed), p.name, human_duration(p.oldest_ns), p.name)});
  }
}

void Waiting::add_chains(std::vector<Finding>& found) const {
  for (const auto& [key, chain] : chains_) {
    if (chain.count < kLeakCount) continue;
    found.push_back(
        {"close_wait_chain", Severity::Warning, chain.process, chain.count,
         fmt::format(
             "{} connections of {} stay in CLOSE_WAIT, the oldest for {} or longer, while it waits "
             "in FIN_WAIT2 for {}, which does not close: look there, not at {}.",
             human_count(chain.count), chain.process, human_duration(chain.oldest_ns),
             chain.towards, chain.process)});
  }
}

void Waiting::add_held(std::vector<Finding>& found) const {
  for (const auto& [key, p] : peers_) {
    if (p.held < kHeldOpenCount) continue;
    found.push_back({"fin_wait2_held", Severity::Warning, p.name, p.held,
                     fmt::format("{} connections to {} were held in FIN_WAIT2 for {} or longer, up "
                                 "to {}: we closed and the "
                                 "peer did not, so look for CLOSE_WAIT there.",
                                 human_count(p.held), p.name, human_duration(kHeldAgeNs),
                                 human_duration(p.longest_ns))});
  }
}

void Waiting::add_queues(std::vector<Finding>& found) const {
  for (const auto& [key, q] : queues_) {
    const std::string comm = process_name(q.comm);
    const std::uint64_t waiting = std::max(q.waiting, q.late);
    if (q.late >= kUnacceptedCount) {
      const std::string of = q.most > 0 ? " of " + human_count(q.most) : "";
      const std::string closed =
          q.closed > 0 ? fmt::format("; the peers of {} have closed already", human_count(q.closed))
                       : "";
      found.push_back(
          {"not_accepted", Severity::Critical, q.name, q.late,
           fmt::format("{} does not accept: {}{} wait in the accept queue of {}, the oldest for {} "
                       "or longer{}: look why it does not call accept().",
                       comm, human_count(waiting), of, q.name, human_duration(q.oldest_ns),
                       closed)});
    }
    const std::uint64_t dropped = std::max(q.drops, q.delayed);
    if (!q.was_full() || dropped < kDropped) continue;
    const std::string most =
        q.full ? fmt::format(" ({} may wait)", human_count(q.limit)) : std::string();
    found.push_back(
        {"accept_queue_full", Severity::Warning, q.name, dropped,
         fmt::format("{} accepts too slowly: the accept queue of {} was full{}, and {} SYNs and "
                     "ACKs found no room in it: their clients wait a second or more, or are reset "
                     "(net.ipv4.tcp_abort_on_overflow). Let it accept sooner, or give it a longer "
                     "queue (listen(), net.core.somaxconn).",
                     comm, q.name, most, human_count(dropped))});
  }
}

const Waiting::Queue* Waiting::queue_of(std::uint32_t netns, Family family,
                                        const Endpoint& endpoint) const {
  const std::string name = endpoint_text(family, endpoint);
  PackedKey key;
  key.put(netns);
  key.put(endpoint.port);
  const auto here = queues_.find(key);
  if (here != queues_.end() && here->second.everywhere && is_loopback(family, endpoint))
    return &here->second;
  for (const auto& [other, q] : queues_)
    if (q.name == name) return &q;
  return nullptr;
}

void Waiting::add_findings(std::vector<Finding>& found) const {
  add_leaks(found);
  add_chains(found);
  add_held(found);
  add_queues(found);
}

}  // namespace tcpdwell
