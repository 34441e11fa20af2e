// SPDX-License-Identifier: BSD-2-Clause
#include "capture/decode.h"

#include <tcpdwell/event.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <optional>
#include <string>

namespace tcpdwell {
namespace {

static_assert(static_cast<unsigned>(State::Listen) == TD_LISTEN && kStateCount == TD_STATE_COUNT);
static_assert(static_cast<unsigned>(State::TimeWait) == TD_TIME_WAIT);
static_assert(static_cast<unsigned>(Bound::AtLeast) == TD_DWELL_AT_LEAST &&
              kBoundCount == TD_DWELL_COUNT);
static_assert(static_cast<unsigned>(OwnerSource::Seed) == TD_OWNER_SEED &&
              kOwnerSourceCount == TD_OWNER_COUNT);
static_assert(static_cast<unsigned>(Reason::SynTimeout) == TD_REASON_SYN_TIMEOUT &&
              kReasonCount == TD_REASON_COUNT);
static_assert(static_cast<unsigned>(SocketTimer::Persist) == TD_TIMER_PERSIST &&
              kSocketTimerCount == TD_TIMER_COUNT);

constexpr std::array kHeld = {Held::Unknown, Held::Process, Held::NotAccepted, Held::Closed,
                              Held::Kernel};
static_assert(kHeld.size() == TD_HELD_COUNT && kHeld[TD_HELD_KERNEL] == Held::Kernel);

constexpr std::size_t kShortSize = TD_OFFSETOF(td_event, stats);

Error malformed(const char* what) {
  return {Fault::Runtime, std::string("malformed event: ") + what};
}

/// Whether a state of the path is none there is: the numbers from 12 on have both high bits set.
bool bad_path(std::uint64_t path) {
  static_assert(TD_STATE_COUNT == 12);
  return (path & path << 1 & 0x8888888888888888U) != 0;
}

/// How long a record is to be.
std::size_t size_of(const td_event& e) {
  if (e.kind == TD_KIND_CONNECTION) return sizeof(td_connection);
  return (e.flags & (TD_F_STATS | TD_F_LIVE)) != 0 ? sizeof(td_event) : kShortSize;
}

bool closes_listener(const td_event& e) {
  return e.old_state == TD_LISTEN && e.new_state == TD_CLOSE;
}

/// Why the record cannot be used, or nullptr.
const char* fault_in(const td_event& e, std::size_t size) {
  if (e.size != size) return "size field differs from its length";
  if (e.version != TD_EVENT_VERSION) return "unknown version";
  if (e.kind == 0 || e.kind >= TD_KIND_COUNT) return "unknown kind";
  if (size != size_of(e)) return "length does not fit its flags";
  if (e.flags & ~(TD_F_GAP | TD_F_STATS | TD_F_LIVE | TD_F_DEFERRED | TD_F_QUEUE_FULL | TD_F_BOUND |
                  TD_F_ACCEPT_WAIT))
    return "unknown flag";
  if (e.first_port > e.last_port) return "no range of ports";
  if ((e.flags & TD_F_ACCEPT_WAIT) && (e.first_port != 0 || e.kind == TD_KIND_SEED))
    return "a wait for accept() where there is none";
  if (e.family != 4 && e.family != 6) return "unknown address family";
  if (e.old_state >= TD_STATE_COUNT || e.new_state >= TD_STATE_COUNT) return "unknown state";
  if (e.dwell >= TD_DWELL_COUNT) return "unknown kind of dwell";
  if (e.owner >= TD_OWNER_COUNT) return "unknown owner source";
  if (e.reason >= TD_REASON_COUNT) return "unknown reason";
  if (e.use == 0) return "use 0";
  if ((e.flags & TD_F_LIVE) && e.kind != TD_KIND_SEED && !closes_listener(e))
    return "queues of a transition";
  if ((e.flags & TD_F_LIVE) && (e.flags & TD_F_STATS)) return "both queues and traffic";
  if (e.kind == TD_KIND_CONNECTION && e.mono_ns > INT64_MAX) return "a time there is none";
  if ((e.flags & TD_F_STATS) && e.kind == TD_KIND_SEED) return "traffic of a seed";
  if ((e.flags & TD_F_LIVE) && e.live.timer >= TD_TIMER_COUNT) return "unknown timer";
  if ((e.flags & TD_F_LIVE) && e.live.held >= TD_HELD_COUNT) return "unknown kind of holder";
  if (bad_path(e.path)) return "unknown state in the path";
  return nullptr;
}

Endpoint endpoint_of(const std::uint8_t (&addr)[16], std::uint16_t port, std::uint8_t family) {
  Endpoint endpoint;
  std::copy_n(addr, family == 4 ? 4 : 16, endpoint.addr.begin());
  endpoint.port = port;
  return endpoint;
}

Socket socket_of(const td_event& e) {
  Socket socket;
  socket.id = {e.cookie, e.use};
  socket.netns = e.netns;
  socket.family = e.family == 6 ? Family::V6 : Family::V4;
  socket.local = endpoint_of(e.laddr, e.lport, e.family);
  socket.remote = endpoint_of(e.raddr, e.rport, e.family);
  if (e.pid != 0) socket.owner.pid = e.pid;
  socket.owner.comm = Comm(std::string_view(e.comm, strnlen(e.comm, sizeof e.comm)));
  socket.owner.source = static_cast<OwnerSource>(e.owner);
  socket.cgroup_id = e.cgroup_id;
  socket.owner_cgroup_id = e.owner_cgroup_id;
  return socket;
}

Dwell dwell_of(const td_event& e) {
  if (e.dwell == TD_DWELL_UNKNOWN) return {};
  return {static_cast<Bound>(e.dwell), e.dwell_ns};
}

TrafficStats traffic_of(const td_event& e, const ResetNames& resets) {
  const td_stats& s = e.stats;
  TrafficStats traffic{
      s.bytes_sent, s.bytes_received, s.segs_out, s.segs_in, s.retrans, {}, {}, {}, 0};
  if (e.reason == TD_REASON_RESET_BY_PEER)
    traffic.idle_ms = s.idle_ms;
  else if (s.rst != 0 && s.rst <= resets.size())
    traffic.rst = resets[s.rst - 1];
  if (s.srtt_us != 0) traffic.srtt_us = s.srtt_us;
  if (s.min_rtt_us != 0) traffic.min_rtt_us = s.min_rtt_us;
  return traffic;
}

AcceptQueue accept_queue_of(const td_live& l) {
  return {l.recv_queue, l.send_queue, l.peak, l.drops};
}

PortChoice port_of(const td_event& e) {
  PortChoice port;
  port.bound = (e.flags & TD_F_BOUND) != 0;
  if (e.first_port != 0) port.own = {e.first_port, e.last_port, e.reserved};
  return port;
}

std::optional<std::uint64_t> accept_wait_of(const td_event& e) {
  return e.flags & TD_F_ACCEPT_WAIT ? std::optional<std::uint64_t>(e.accept_wait_ns) : std::nullopt;
}

Transition transition_of(const td_event& e, const ResetNames& resets) {
  Transition t;
  t.mono_ns = e.mono_ns;
  t.socket = socket_of(e);
  t.from = static_cast<State>(e.old_state);
  t.to = static_cast<State>(e.new_state);
  t.dwell = dwell_of(e);
  t.port = port_of(e);
  t.gap = (e.flags & TD_F_GAP) != 0;
  t.reason = static_cast<Reason>(e.reason);
  t.error = errno_of(e.error);
  t.timer_restarts = e.restarts;
  if (t.from == State::SynRecv) {
    t.deferred = (e.flags & TD_F_DEFERRED) != 0;
    t.queue_full = (e.flags & TD_F_QUEUE_FULL) != 0;
  }
  t.accept_wait_ns = accept_wait_of(e);
  if (!t.last()) return t;
  t.path = Path(e.path);
  if (e.start_ns != 0 && e.start_ns <= e.mono_ns) t.life_ns = e.mono_ns - e.start_ns;
  if (e.flags & TD_F_STATS) t.traffic = traffic_of(e, resets);
  if (e.flags & TD_F_LIVE) t.accept_queue = accept_queue_of(e.live);
  return t;
}

Live live_of(const td_live& l) {
  Live live;
  if (l.known & TD_KNOWN_QUEUES) live.queues = {l.recv_queue, l.send_queue, l.retrans};
  if (l.known & TD_KNOWN_TIMER) live.timer = static_cast<SocketTimer>(l.timer);
  if (live.timer && *live.timer != SocketTimer::Off) live.timer_ns = l.timer_ns;
  live.held = kHeld[l.held];
  live.file_cookie = l.file_cookie;
  live.drops = l.drops;
  live.peak = l.peak;
  return live;
}

Seed seed_of(const td_event& e) {
  Seed seed;
  seed.mono_ns = e.mono_ns;
  seed.socket = socket_of(e);
  seed.state = static_cast<State>(e.new_state);
  seed.age = dwell_of(e);
  seed.port = port_of(e);
  if (e.flags & TD_F_LIVE) seed.live = live_of(e.live);
  return seed;
}

Stay stay_of(std::uint64_t packed) {
  const auto bound = static_cast<Bound>(packed >> TD_STAY_DWELL_SHIFT & 3U);
  return {static_cast<State>(packed & 15U),
          {bound, bound == Bound::Unknown ? 0 : packed >> TD_STAY_NS_SHIFT}};
}

const char* fault_in(const td_connection& c) {
  if (c.n_stays > TD_STAYS || c.told > c.n_stays) return "too many stays";
  for (std::size_t i = c.told; i < c.n_stays; ++i) {
    if ((c.stays[i] & 15U) >= TD_STATE_COUNT) return "unknown state of a stay";
    if ((c.stays[i] >> TD_STAY_DWELL_SHIFT & 3U) >= TD_DWELL_COUNT)
      return "unknown kind of dwell of a stay";
  }
  return nullptr;
}

Connection connection_of(const td_connection& c, const ResetNames& resets) {
  const td_event& e = c.last;
  Connection connection;
  connection.socket = socket_of(e);
  const auto now = static_cast<std::int64_t>(e.mono_ns);
  if (e.start_ns != 0 && e.start_ns <= e.mono_ns)
    connection.start_wall_ns = static_cast<std::int64_t>(e.start_ns);
  connection.state = static_cast<State>(e.new_state);
  for (std::size_t i = c.told; i < c.n_stays; ++i) connection.stays.push(stay_of(c.stays[i]));
  connection.stays_left_out = c.stays_left_out;
  connection.port.bound = (e.flags & TD_F_BOUND) != 0;
  connection.gap = (e.flags & TD_F_GAP) != 0;
  connection.reason = static_cast<Reason>(e.reason);
  connection.error = errno_of(e.error);
  connection.timer_restarts = e.restarts;
  connection.path = Path(e.path);
  connection.deferred = (e.flags & TD_F_DEFERRED) != 0;
  connection.queue_full = (e.flags & TD_F_QUEUE_FULL) != 0;
  connection.accept_wait_ns = accept_wait_of(e);
  if (connection.state == State::Close) {
    connection.end_wall_ns = now;
    if (connection.start_wall_ns) connection.life_ns = e.mono_ns - e.start_ns;
    if (e.flags & TD_F_STATS) connection.traffic = traffic_of(e, resets);
    if (e.flags & TD_F_LIVE) connection.accept_queue = accept_queue_of(e.live);
  } else {
    connection.seen_wall_ns = now;
    connection.stays.push({connection.state, dwell_of(e)});
  }
  return connection;
}

}  // namespace

Result<DecodedEvent> decode_event(const void* data, std::size_t size, const ResetNames& resets) {
  static_assert(TD_STAYS < Stays::kMost);
  td_connection c{};
  const td_event& e = c.last;
  if (size < kShortSize) return malformed("too short");
  if (size > sizeof c) return malformed("too long");
  std::memcpy(&c, data, size);
  if (const char* fault = fault_in(e, size)) return malformed(fault);
  if (e.kind == TD_KIND_SEED) return DecodedEvent(seed_of(e));
  if (e.kind == TD_KIND_TRANSITION) return DecodedEvent(transition_of(e, resets));
  if (const char* fault = fault_in(c)) return malformed(fault);
  return DecodedEvent(connection_of(c, resets));
}

}  // namespace tcpdwell
