// SPDX-License-Identifier: BSD-2-Clause
#include "aggregate/ports.h"

#include <algorithm>
#include <functional>
#include <iterator>

namespace tcpdwell {
namespace {

/// In users_ a port of a namespace, not of a row.
constexpr std::uint32_t kOfNamespace = 1U << 31;

bool in(const EphemeralPorts& range, std::uint16_t port) {
  return port >= range.first && port <= range.last;
}

/// `a` is more of `all_a` than `b` is of `all_b`.
bool more(std::uint64_t a, std::uint64_t all_a, std::uint64_t b, std::uint64_t all_b) {
  return a * all_b > b * all_a;
}

/// The port that connect() chooses is known a moment after the state is SYN_SENT; that of bind()
/// was known before.
bool takes_none(const Socket& socket, bool bound, Role role, State state,
                const EphemeralPorts& range) {
  if (role == Role::Passive || socket.remote.port == 0) return true;
  if (state == State::SynSent && socket.local.port == 0 && role == Role::Active) return false;
  if (bound || role == Role::Active) return !in(range, socket.local.port);
  return !in(range, socket.local.port) || in(range, socket.remote.port);
}

}  // namespace

PackedKey key_of(const PortRow& row) {
  PackedKey key;
  key.put(row.netns);
  key.put(row.family);
  key.put(row.local.addr);
  key.put(row.remote.addr);
  key.put(row.remote.port);
  key.put(row.iface.bytes);
  return key;
}

void Ports::begin_host(const std::string& host, std::optional<EphemeralPorts> ports) {
  host_ = host;
  ++host_number_;
  ports_ = ports.value_or(EphemeralPorts{});
  ports_known_ = ports.has_value();
  first_of_host_ = rows_.size();
  first_namespace_of_host_ = namespaces_.size();
  // One for what finds no room.
  namespaces_.emplace_back().now.range = ports_;
}

std::uint32_t Ports::namespace_of(std::uint32_t netns, const Comm& vrf, bool make) {
  PackedKey key;
  key.put(host_number_);
  key.put(netns);
  key.put(vrf.bytes);
  if (const auto found = namespace_index_.find(key); found != namespace_index_.end())
    return found->second;
  const auto none = static_cast<std::uint32_t>(first_namespace_of_host_);
  if (!make) return vrf == Comm() ? none : namespace_of(netns, Comm(), true);
  if (namespaces_.size() - first_namespace_of_host_ > kMostNamespaces) return none;
  const auto index = static_cast<std::uint32_t>(namespaces_.size());
  Namespace& fresh = namespaces_.emplace_back();
  fresh.host = host_;
  fresh.now.netns = netns;
  fresh.now.range = ports_;
  namespace_index_.emplace(key, index);
  return index;
}

void Ports::local_ports(const LocalPorts& ports) {
  const std::uint32_t index = namespace_of(ports.netns, ports.vrf, true);
  if (index == first_namespace_of_host_) return;
  Namespace& ns = namespaces_[index];
  const bool first = !ns.known;
  ns.now = ports;
  ns.known = true;
  if (first ||
      more(ports.bound.value_or(0), ports.available(), ns.worst.bound.value_or(0),
           ns.worst.available()) ||
      !ns.worst.bound)
    ns.worst = ports;
  for (std::size_t i = first_of_host_; i < rows_.size(); ++i) {
    Row& row = rows_[i];
    if (row.ns != index || row.shown.peak == 0) continue;
    if (first && row.own == 0) {
      row.shown.range = row.before.range = ports.available();
      row.shown.reserved = ports.reserved;
      row.shown.range_known = true;
      row.shown.peak = std::min<std::uint64_t>(row.shown.peak, row.shown.range);
    }
    if (!row.shown.any_remote) note_peak(row, ports.bound.value_or(0), ports.wall_ns);
  }
}

Ports::Index Ports::row_of(const PackedKey& key, const Row& fresh) {
  const auto found = index_.find(key);
  if (found != index_.end()) return found->second;
  if (free_.empty()) {
    if (rows_.size() >= kMostRows) return ++left_out_, kNoRoom;
    free_.push_back(static_cast<Index>(rows_.size()));
    rows_.emplace_back();
  }
  const Index index = free_.back();
  free_.pop_back();
  rows_[index] = fresh;
  index_.emplace(key, index);
  return index;
}

Ports::Index Ports::take_port(const Socket& socket, const PortChoice& choice, Role role,
                              State state, std::int64_t wall_ns) {
  Row fresh;
  fresh.ns = namespace_of(socket.netns, socket.iface, socket.iface == Comm());
  const Namespace& ns = namespaces_[fresh.ns];
  const bool bound = choice.bound;
  EphemeralPorts range = ns.now.range;
  if (choice.own && !bound) range = {choice.own->first, choice.own->last};
  if (takes_none(socket, bound, role, state, range)) return kNoRow;
  PortRow& row = fresh.shown;
  row.host = host_;
  row.netns = socket.netns;
  row.iface = socket.iface;
  row.family = socket.family;
  row.local.addr = socket.local.addr;
  row.any_remote = bound;
  if (!bound) row.remote = socket.remote;
  unmap(row.family, row.local, row.remote);
  row.range = ns.now.available();
  row.reserved = ns.now.reserved;
  row.range_known = ns.known || ports_known_;
  if (choice.own && !bound) {
    row.reserved = choice.own->reserved;
    row.range = fresh.own = 1U + choice.own->last - choice.own->first - row.reserved;
    row.own_range = row.range_known = true;
  }
  PackedKey key = key_of(row);
  key.put(host_number_);
  if (row.own_range) {
    key.put(range.first);
    key.put(range.last);
  }
  const Index index = row_of(key, fresh);
  if (index == kNoRoom) return index;
  Row& taken = rows_[index];
  const bool waits = state == State::TimeWait;
  if (bound)
    use_bound(taken, index, socket.local.port, !waits, waits);
  else
    ++(waits ? taken.shown.time_wait : taken.shown.live);
  note_peak(taken, wall_ns);
  return index;
}

Ports::Users Ports::change(std::uint32_t of, std::uint16_t port, int live, int time_wait) {
  PackedKey key;
  key.put(of);
  key.put(port);
  const auto at = users_.try_emplace(key).first;
  Users& users = at.value();
  users.live += static_cast<std::uint32_t>(live);
  users.time_wait += static_cast<std::uint32_t>(time_wait);
  const Users now = users;
  if (now.live == 0 && now.time_wait == 0) users_.erase(at);
  return now;
}

/// Several connections may have a port that bind() took: it is counted once, as live if one is.
void Ports::use_bound(Row& row, Index index, std::uint16_t port, int live, int time_wait) {
  const auto count = [&](std::uint32_t of, std::uint64_t& alive, std::uint64_t& waiting) {
    const Users now = change(of, port, live, time_wait);
    const Users before{now.live - static_cast<std::uint32_t>(live),
                       now.time_wait - static_cast<std::uint32_t>(time_wait)};
    alive += (now.live > 0);
    alive -= (before.live > 0);
    waiting += (now.live == 0 && now.time_wait > 0);
    waiting -= (before.live == 0 && before.time_wait > 0);
  };
  count(index, row.shown.live, row.shown.time_wait);
  std::uint64_t& bound = namespaces_[row.ns].bound;
  count(kOfNamespace | row.ns, bound, bound);
}

void Ports::to_time_wait(Index index, std::uint16_t port, std::int64_t wall_ns) {
  if (index == kNoRow || index == kNoRoom) return;
  Row& row = rows_[index];
  if (row.shown.any_remote) {
    use_bound(row, index, port, -1, 1);
  } else {
    --row.shown.live;
    ++row.shown.time_wait;
  }
  note_peak(row, wall_ns);
}

void Ports::release(Index index, std::uint16_t port, bool time_wait) {
  if (index == kNoRow || index == kNoRoom) return;
  Row& row = rows_[index];
  if (row.shown.any_remote)
    use_bound(row, index, port, time_wait ? 0 : -1, time_wait ? -1 : 0);
  else
    --(time_wait ? row.shown.time_wait : row.shown.live);
}

/// Such an attempt is over within microseconds, so nearly always its own is the last peak.
void Ports::take_back(Index index, std::uint16_t port, std::int64_t begin_wall_ns) {
  if (index == kNoRow || index == kNoRoom) return;
  release(index, port, false);
  Row& row = rows_[index];
  if (row.shown.any_remote || row.shown.peak_wall_ns != begin_wall_ns) return;
  row.shown.peak = row.before.peak;
  row.shown.peak_time_wait = row.before.peak_time_wait;
  row.shown.peak_wall_ns = row.before.peak_wall_ns;
  row.shown.bound = row.before.bound;
  row.shown.range = row.before.range;
}

void Ports::release_all() {
  for (std::size_t i = first_of_host_; i < rows_.size(); ++i)
    rows_[i].shown.live = rows_[i].shown.time_wait = 0;
  for (Namespace& ns : namespaces_) ns.bound = 0;
  users_.clear();
}

void Ports::begin_window(std::int64_t wall_ns) {
  for (auto at = index_.begin(); at != index_.end();) {
    Row& row = rows_[at->second];
    if (row.shown.live + row.shown.time_wait > 0) {
      row.shown.peak = 0;
      note_peak(row, wall_ns);
      ++at;
    } else {
      row = Row{};
      free_.push_back(at->second);
      at = index_.erase(at);
    }
  }
  for (Namespace& ns : namespaces_) ns.worst = ns.now;
  // The order of an index is its own: which row is taken next is told by `take` where peaks are
  // equal.
  std::sort(free_.begin(), free_.end(), std::greater<>());
}

/// `others` of the ports that it could have had are taken for all destinations.
void Ports::note_peak(Row& row, std::uint64_t others, std::int64_t wall_ns) {
  const Namespace& ns = namespaces_[row.ns];
  PortRow& shown = row.shown;
  const std::uint64_t range = row.own != 0 ? row.own : ns.now.available();
  const std::uint64_t peak = std::min(shown.live + shown.time_wait, range);
  const std::uint64_t bound = row.own != 0 ? 0 : std::min(others, range - peak);
  if (peak == 0 ||
      (shown.peak != 0 && !more(peak + bound, range, shown.peak + shown.bound, shown.range)))
    return;
  row.before = shown;
  shown.peak = peak;
  shown.peak_time_wait = std::min(shown.time_wait, peak);
  shown.peak_wall_ns = wall_ns;
  shown.bound = bound;
  shown.range = static_cast<std::uint32_t>(range);
  if (row.own == 0) {
    shown.reserved = ns.now.reserved;
    shown.range_known = ns.known || ports_known_;
  }
}

void Ports::note_peak(Row& row, std::int64_t wall_ns) {
  note_peak(row, row.shown.any_remote ? 0 : namespaces_[row.ns].bound, wall_ns);
}

std::vector<PortRow> Ports::take(std::size_t most) const {
  std::vector<PortRow> rows;
  for (const Row& row : rows_)
    if (row.shown.peak > 0) rows.push_back(row.shown);
  std::stable_sort(rows.begin(), rows.end(), [](const PortRow& a, const PortRow& b) {
    return more(a.taken(), a.range, b.taken(), b.range);
  });
  if (rows.size() > most) rows.resize(most);
  return rows;
}

std::vector<NamespacePorts> Ports::namespaces() const {
  std::vector<NamespacePorts> all;
  for (const Namespace& ns : namespaces_)
    if (ns.known) all.push_back({ns.host, ns.worst});
  return all;
}

}  // namespace tcpdwell
