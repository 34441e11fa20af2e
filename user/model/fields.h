// SPDX-License-Identifier: BSD-2-Clause
/// Every field of every kind of line, described once. From here come what is written and read as
/// JSON (trace), the columns of CSV (sinks), and what packaging/fields writes:
/// docs/trace.schema.json, the tables of docs/trace.md and the columns of
/// packaging/clickhouse/schema.sql.
#pragma once

#include <cstddef>
#include <functional>
#include <optional>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <utility>

#include "model/event.h"
#include "model/listing.h"
#include "model/values.h"
#include "util/json.h"

namespace tcpdwell {

/// When a line has a field, and what stands there when the value is not known.
enum class Presence {
  Always,   ///< and its value is known
  Written,  ///< always in what we write; a reader does without
  OrZero,   ///< 0 or "", which can not be a real value
  OrNull,   ///< `null`
  IfKnown,  ///< the field is absent
};
using enum Presence;

/// `get`, a member or a function of an event, gives the value: one of model/values.h.
template <std::size_t kSize, class Get>
struct Field {
  JsonKey<kSize> key;
  Get get;
  Presence presence;
  std::string_view meaning;
  std::string_view otherwise;  ///< what it means that it is absent, or what stands for "not known"
  int late = 0;  ///< which of those that came later: their CSV columns stand last, in that order

  constexpr std::string_view name() const { return key.name(); }
  constexpr Field added_later(int number) const {
    return {key, get, presence, meaning, otherwise, number};
  }
};

template <std::size_t kSize, class Get>
constexpr auto field(const char (&name)[kSize], Get get, Presence presence,
                     std::string_view meaning, std::string_view otherwise = "never") {
  return Field<kSize - 1, Get>{JsonKey(name), get, presence, meaning, otherwise};
}

/// Fields of a part of an event. find() is nullptr where that part is not there.
template <class Get, class Table>
struct Part {
  static constexpr bool kOptional = false;
  Get get;
  Table fields;
  constexpr auto* find(auto& event) const { return &std::invoke(get, event); }
};
template <class Get, class Table>
constexpr Part<Get, Table> part(Get get, Table fields) {
  return {get, fields};
}

/// Of a std::optional. A line has all of them but those that are IfKnown, or none: which, its first
/// says.
template <class Get, class Table>
struct OptionalPart {
  static constexpr bool kOptional = true;
  Get get;
  Table fields;
  constexpr auto* find(auto& event) const {
    auto& maybe = std::invoke(get, event);
    return maybe ? &*maybe : nullptr;
  }
  /// Not by emplace(): while a class is not complete, Clang takes what is nested in it and has
  /// values of its own for a type that has no default, and std::optional believes that for good.
  constexpr void begin(auto& event) const {
    auto& maybe = std::invoke(get, event);
    maybe = typename std::remove_cvref_t<decltype(maybe)>::value_type{};
  }
};
template <class Get, class Table>
constexpr OptionalPart<Get, Table> optional_part(Get get, Table fields) {
  return {get, fields};
}

/// Of the event itself, on a connection's last line alone. Behind what says which line that is.
template <class Table>
struct LastLine {
  static constexpr bool kOptional = false;
  Table fields;
  template <class Event>
  constexpr Event* find(Event& event) const {
    return event.last() ? &event : nullptr;
  }
};
template <class... Entries>
constexpr LastLine<std::tuple<Entries...>> last_line(Entries... entries) {
  return {{entries...}};
}

template <class Entry>
concept IsPart = requires(const Entry& entry) {
  entry.fields;
};

/// Calls `visit` with each entry of a table, a Field or a part, as long as it says yes. All is
/// inlined that can be, so that what is constant of a field is constant in the code made of it.
template <class Table, class Visit>
[[gnu::always_inline]] constexpr bool all_entries(const Table& table, const Visit& visit) {
  return [&]<std::size_t... kAt>(std::index_sequence<kAt...>) __attribute__((always_inline)) {
    return (visit(std::get<kAt>(table)) && ...);
  }
  (std::make_index_sequence<std::tuple_size_v<Table>>());
}
/// With each entry.
template <class Table, class Visit>
[[gnu::always_inline]] constexpr void for_each_entry(const Table& table, const Visit& visit) {
  all_entries(
      table, [&visit](const auto& entry)
                 __attribute__((always_inline)) { return visit(entry), true; });
}

// The tables, in the order of a line: a row a field. CONTRIBUTING.md, "How to add a field".
// clang-format off

inline constexpr auto kAddressFields = std::tuple{
    field("conn", &Socket::id, Always, "[connection id](#the-connection-id)"),
    field("netns", &Socket::netns, Always, "inode number of the network namespace (`stat -Lc %i /proc/PID/ns/net`)"),
    field("family", &Socket::family, Always, "of the socket; an IPv4 peer of an IPv6 socket is 6, with addresses `::ffff:…`"),
    field("laddr", [](auto& s) { return AddressOf{s.family, s.local}; }, Always, "local address, numeric",
          "`0.0.0.0` or `::` where not yet known"),
    field("lport", [](auto& s) -> auto& { return s.local.port; }, OrZero, "local port", "0 where not yet known"),
    field("raddr", [](auto& s) { return AddressOf{s.family, s.remote}; }, Always, "remote address, numeric",
          "`0.0.0.0` or `::` where not yet known"),
    field("rport", [](auto& s) -> auto& { return s.remote.port; }, OrZero, "remote port", "0 where not yet known"),
    field("iface", &Socket::iface, IfKnown,
          "name of the device that the socket is bound to (SO_BINDTODEVICE, a VRF), or that its link-local address is of; its number where the name is not known",
          "absent if there is none").added_later(11)};

inline constexpr auto kBoundField =
    field("bound", &PortChoice::bound, IfKnown, "bind() took the local port, so connect() gives it to no other socket, whatever the destination",
          "connect() chose it, or it is a server's that has begun since").added_later(12);
inline constexpr auto kOwnRangeFields = std::tuple{
    field("port_range_first", &PortChoice::Range::first, Always,
          "first port of the socket's own range (IP_LOCAL_PORT_RANGE), on the line to SYN_SENT", "it has none").added_later(13),
    field("port_range_last", &PortChoice::Range::last, Always, "last port of it", "`port_range_first` is").added_later(14),
    field("port_range_reserved", &PortChoice::Range::reserved, IfKnown,
          "how many of these are in `net.ipv4.ip_local_reserved_ports`", "absent if none is").added_later(15)};
inline constexpr auto kPortFields = std::tuple{kBoundField, optional_part(&PortChoice::own, kOwnRangeFields)};

inline constexpr auto kOwnerFields = std::tuple{
    field("pid", [](auto& s) { return shown<Show::Pid>(s.owner.pid); }, OrNull,
          "process that owns the socket, in the host's pid namespace. Not the task that happened to run on the processor",
          "`null` where unknown"),
    field("comm", [](auto& s) -> auto& { return s.owner.comm; }, OrZero, "that process's name, at most 15 bytes", "`\"\"` where unknown"),
    field("owner", [](auto& s) -> auto& { return s.owner.source; }, Always, "[how the owner was learned](#owner)", "`none`"),
    field("cgroup", &Socket::cgroup_id, OrZero,
          "cgroup v2 id (the directory's inode number) of the socket: of the process that made it, of an accepted one of the process that made the listening socket. "
          "Of the owner where the kernel keeps none (before Linux 5.15)", "0 if not known"),
    field("owner_cgroup", &Socket::owner_cgroup_id, IfKnown, "cgroup v2 id of the owner, where it is another",
          "it is the same, or not known").added_later(16),
    // Follows from the two.
    field("socket_cgroup", [](auto& s) { return s.owner_cgroup_id != 0 ? std::optional(s.cgroup_id) : std::nullopt; }, IfKnown,
          "the same as `cgroup`", "`owner_cgroup` is").added_later(17)};
inline constexpr auto kOwnerPart = part([](auto& event) -> auto& { return event.socket; }, kOwnerFields);

inline constexpr auto kTrafficFields = std::tuple{
    field("bytes_sent", &TrafficStats::bytes_sent, Always,
          "payload that left, each byte once; not all of it need have arrived", "not known"),
    field("bytes_received", &TrafficStats::bytes_received, Always, "payload received in order", "`bytes_sent` is"),
    field("segs_out", &TrafficStats::segs_out, Always, "segments sent", "`bytes_sent` is"),
    field("segs_in", &TrafficStats::segs_in, Always, "segments received", "`bytes_sent` is"),
    field("retrans", &TrafficStats::retrans, Always, "segments sent again", "`bytes_sent` is"),
    field("srtt_us", &TrafficStats::srtt_us, IfKnown, "smoothed round-trip time at the end", "no round trip was measured"),
    field("min_rtt_us", &TrafficStats::min_rtt_us, IfKnown, "smallest round-trip time in the kernel's window",
          "no round trip was measured"),
    field("rst", &TrafficStats::rst, IfKnown,
          "why this host sent the RST that ended it, in the kernel's words (`SK_RST_REASON_…`): `TCP_ABORT_ON_CLOSE`",
          "it sent none, or the kernel does not say (before Linux 6.10)").added_later(3),
    field("idle_ms", &TrafficStats::idle_ms, IfKnown,
          "of `reset_by_peer`: how long nothing had come when data was sent that was answered by a RST of somebody who knows no such "
          "connection: it was dropped while idle, and this found at the next write",
          "it did not end so, or not known (without TCP timestamps)").added_later(10)};

inline constexpr auto kAcceptQueueFields = std::tuple{
    field("recv_queue", &AcceptQueue::waiting, Always, "connections that nobody had accepted, of a listening socket",
          "it is no listening socket").added_later(6),
    field("send_queue", &AcceptQueue::most, Always, "the most that may wait; the queue is full with one more", "as above").added_later(7),
    field("recv_queue_peak", &AcceptQueue::peak, IfKnown, "the most that waited at once", "not known").added_later(8),
    field("drops", &AcceptQueue::drops, IfKnown, "segments that it dropped: SYNs and ACKs for which there was no room, above all",
          "absent if none").added_later(9)};

inline constexpr auto kTransitionFields = std::tuple{
    field("ts", &Transition::wall_ns, Always, "when, as a date"),
    field("mono_ns", &Transition::mono_ns, Always, "when, on the host's CLOCK_MONOTONIC: since boot, without suspend"),
    part(&Transition::socket, kAddressFields),
    field("old", &Transition::from, Always, "[state](#states) before", "`UNKNOWN`"),
    field("new", &Transition::to, Always, "[state](#states) after", "`UNKNOWN`"),
    field("dwell_ns", [](auto& t) { return shown<Show::Number>(t.dwell); }, OrNull, "time spent in `old`",
          "`null` where unknown"),
    field("dwell", [](auto& t) { return shown<Show::Worth>(t.dwell); }, Always,
          "what `dwell_ns` is worth: `exact`, `at_least`, `unknown`"),
    kOwnerPart,
    part(&Transition::port, kPortFields),
    field("gap", &Transition::gap, IfKnown, "a transition of this connection before this one was lost",
          "absent if none was"),
    field("reason", &Transition::reason, IfKnown, "[why](#reasons)", "absent where not known"),
    field("errno", &Transition::error, IfKnown, "the error that it ended with: `EHOSTUNREACH`",
          "absent if there was none").added_later(2),
    field("timer_restarts", &Transition::timer_restarts, IfKnown,
          "times the TIME_WAIT timer was started again (by late segments of the peer), on the line that leaves TIME_WAIT",
          "absent if none").added_later(1),
    field("defer_accept", &Transition::deferred, IfKnown,
          "on the line that leaves SYN_RECV: the handshake's last ACK had come, and TCP_DEFER_ACCEPT waited for data",
          "absent if not").added_later(4),
    field("accept_queue_full", &Transition::queue_full, IfKnown,
          "on the line that leaves SYN_RECV: the handshake's last ACK had come, and there was no room in the accept queue",
          "absent if not").added_later(5),
    field("accept_wait_ns", &Transition::accept_wait_ns, IfKnown,
          "on the line that leaves ESTABLISHED: how long of `dwell_ns` a server's connection waited until accept() fetched it; all of it where "
          "nobody had fetched it by then, as the peer or the end of the listening socket was faster",
          "no server's, or not known (without fentry, of MPTCP, older than the trace)").added_later(18),
    last_line(
        field("life_ns", &Transition::life_ns, IfKnown, "from the SYN to this line", "the connection began before the trace"),
        field("path", &Transition::path, IfKnown,
              "the states it went through, joined with `>`; of more than 16 the last 16", "not known"),
        // Follows from others: what is read of it is checked and dropped.
        field("closer", [](auto& t) { return t.path.empty() ? std::nullopt : std::optional(closer_of(t.path, t.reason)); },
              IfKnown, "who sent the first FIN or RST: `local`, `remote`, `both` (they crossed), `none`", "`path` is"),
        optional_part(&Transition::traffic, kTrafficFields),
        optional_part(&Transition::accept_queue, kAcceptQueueFields))};

inline constexpr auto kConnectionFields = std::tuple{
    field("start", &Connection::start_wall_ns, IfKnown, "when it began: its SYN was sent or received",
          "it began before the trace"),
    field("end", &Connection::end_wall_ns, IfKnown, "when it ended", "it is open"),
    field("ts", &Connection::seen_wall_ns, IfKnown, "when it was looked at", "it has ended"),
    // Follows from `end`.
    field("open", [](auto& c) { return c.open(); }, IfKnown, "it goes on: its last stay does", "it has ended"),
    part(&Connection::socket, kAddressFields),
    field("state", &Connection::state, Always, "[state](#states) it is in, `CLOSE` when it has ended", "`UNKNOWN`"),
    field("stays", &Connection::stays, Always,
          "its stays in [states](#states), the oldest first, as objects of `state`, `dwell_ns` and `dwell`; see below"),
    field("stays_left_out", &Connection::stays_left_out, IfKnown, "older stays for which there was no room",
          "absent if none was"),
    kOwnerPart,
    part(&Connection::port, std::tuple{kBoundField}),
    field("gap", &Connection::gap, IfKnown, "a transition of this connection was lost", "absent if none was"),
    field("reason", &Connection::reason, IfKnown, "[why](#reasons) it ended", "absent where not known"),
    field("errno", &Connection::error, IfKnown, "the error that it ended with: `EHOSTUNREACH`",
          "absent if there was none"),
    field("timer_restarts", &Connection::timer_restarts, IfKnown,
          "times the TIME_WAIT timer was started again (by late segments of the peer)", "absent if none"),
    field("defer_accept", &Connection::deferred, IfKnown,
          "the handshake's last ACK had come, and TCP_DEFER_ACCEPT waited for data: SYN_RECV lasted on", "absent if not"),
    field("accept_queue_full", &Connection::queue_full, IfKnown,
          "the handshake's last ACK had come, and there was no room in the accept queue: SYN_RECV lasted on", "absent if not"),
    field("accept_wait_ns", &Connection::accept_wait_ns, IfKnown,
          "how long of its stay in ESTABLISHED a server's connection waited until accept() fetched it; all of it where nobody did until that stay was over",
          "it is in ESTABLISHED, no server's, or not known (without fentry, of MPTCP, older than the trace)"),
    field("life_ns", &Connection::life_ns, IfKnown, "from `start` to `end`", "it is open, or began before the trace"),
    field("path", &Connection::path, IfKnown,
          "the states it went through, joined with `>`; of more than 16 the last 16", "not known"),
    // Follows from others, as above.
    field("closer", [](auto& c) { return c.path.empty() || c.open() ? std::nullopt : std::optional(closer_of(c.path, c.reason)); },
          IfKnown, "who sent the first FIN or RST: `local`, `remote`, `both` (they crossed), `none`",
          "it is open, or the path not known"),
    optional_part(&Connection::traffic, kTrafficFields),
    optional_part(&Connection::accept_queue, kAcceptQueueFields)};

inline constexpr auto kSeedFields = std::tuple{
    field("ts", &Seed::wall_ns, Always, "when the socket was looked at, as a date"),
    field("mono_ns", &Seed::mono_ns, Always, "the same, on CLOCK_MONOTONIC"),
    part(&Seed::socket, kAddressFields),
    field("state", &Seed::state, Always, "[state](#states) it was in", "`UNKNOWN`"),
    field("age_ns", [](auto& s) { return shown<Show::Number>(s.age); }, OrNull, "how long it had been in it",
          "`null` where unknown"),
    field("age", [](auto& s) { return shown<Show::Worth>(s.age); }, Always,
          "what `age_ns` is worth: `exact`, `at_least`, `unknown`"),
    kOwnerPart,
    part(&Seed::port, kPortFields)};

inline constexpr auto kQueueFields = std::tuple{
    field("recv_queue", &Live::Queues::receive, Always,
          "bytes received and read by nobody yet; of a LISTEN socket connections that nobody has accepted",
          "absent for time-wait and request sockets"),
    field("send_queue", &Live::Queues::send, Always,
          "bytes written and not acknowledged by the peer; of a LISTEN socket the most connections that may wait", "as above"),
    field("retrans", &Live::Queues::retrans, Always, "segments sent again in the socket's life", "as above")};
inline constexpr auto kLiveFields = std::tuple{
    optional_part(&Live::queues, kQueueFields),
    field("timer", &Live::timer, IfKnown,
          "the timer that runs, as `ss -o` names it: `off`, `on` (retransmission), `keepalive`, `timewait`, `persist`",
          "absent where this kernel keeps it where tcpdwell does not look"),
    field("timer_ns", &Live::timer_ns, IfKnown, "until it expires; 0 when it is due", "absent with `off`"),
    field("recv_queue_peak", &Live::peak, IfKnown, "of a LISTEN socket: the most connections that waited at once",
          "not known; `stuck` never knows it").added_later(4),
    field("drops", &Live::drops, IfKnown,
          "segments that the socket dropped; of a LISTEN socket SYNs and ACKs for which there was no room, above all",
          "absent if none").added_later(5)};
inline constexpr auto kCgroupFields = std::tuple{
    field("cgroup_path", &CgroupName::path, IfKnown,
          "path of `cgroup` below the mount of cgroup v2; one of more than 1,024 bytes is cut there and ends with `…`",
          "`cgroup` is not known, or gone"),
    field("container", &CgroupName::container, IfKnown, "id of the container, 64 hexadecimal digits",
          "absent where the path shows none"),
    field("pod", &CgroupName::pod, IfKnown, "uid of the Kubernetes pod", "as above"),
    field("unit", &CgroupName::unit, IfKnown, "systemd's service or scope that is no container", "as above"),
    field("machine", &CgroupName::machine, IfKnown, "systemd's name of a container or virtual machine", "as above").added_later(18),
    field("pod_namespace", &CgroupName::pod_namespace, IfKnown, "Kubernetes' namespace of the pod, as the node's log directories have it",
          "not known").added_later(19),
    field("pod_name", &CgroupName::pod_name, IfKnown, "name of the pod", "not known").added_later(20),
    field("container_name", &CgroupName::container_name, IfKnown,
          "name of the container: of Kubernetes within its pod, else docker's or podman's", "not known").added_later(21)};
inline constexpr auto kHolderFields = std::tuple{
    field("held", &Holders::held, IfKnown,
          "who has it open: a `process`; `nobody`, as its descriptor is on its way in a unix socket's queue or in io_uring's table; "
          "`not_accepted`, as nobody has called accept() for it; `closed` by all, and ended by the kernel; or the `kernel` itself",
          "not known, or a time-wait or request socket, which nobody can have open").added_later(1),
    field("holders", &Holders::first, IfKnown,
          "the processes that have it open now, as objects of `pid` and `comm`, 8 at most; `pid` beside it is who opened or accepted it, "
          "where that is known", "`held` is").added_later(2),
    field("holders_more", &Holders::more, IfKnown, "how many processes beyond these have it open", "absent if none").added_later(3)};
/// `socket`: a seed's fields first.
inline constexpr auto kListedFields = std::tuple{
    part(&Listed::seed, kSeedFields),
    part([](auto& listed) -> auto& { return listed.seed.live; }, kLiveFields),
    part([](auto& listed) -> auto& { return *listed.cgroup; }, kCgroupFields),
    part(&Listed::holders, kHolderFields)};

/// The same in a trace.
inline constexpr auto kWaitingFields = std::tuple{
    part(&Listed::seed, kSeedFields),
    part([](auto& listed) -> auto& { return listed.seed.live; }, kLiveFields),
    part(&Listed::holders, kHolderFields)};

/// `name`.
inline constexpr auto kNamedFields = std::tuple{
    field("ts", &NamedCgroup::wall_ns, Always, "when it was looked up"),
    field("cgroup", &NamedCgroup::id, Always, "the cgroup that lines have by this number"),
    part(&NamedCgroup::name, kCgroupFields)};

inline constexpr auto kLossFields = std::tuple{
    field("ts", &Loss::wall_ns, Always, "when it was noticed"),
    field("where", &Loss::where, Always, "place, below"),
    field("count", &Loss::count, Always, "events lost there since the last such line for the same place")};

inline constexpr auto kLocalPortsFields = std::tuple{
    field("ts", &LocalPorts::wall_ns, Always, "when it was looked at"),
    field("netns", &LocalPorts::netns, Always, "inode number of the network namespace"),
    field("vrf", &LocalPorts::vrf, IfKnown, "name of the VRF whose ports these are", "those of sockets in no VRF"),
    field("ip_local_port_range", &LocalPorts::range, Always, "first and last port that connect() chooses from"),
    field("reserved", &LocalPorts::reserved, Always,
          "how many of these are in `net.ipv4.ip_local_reserved_ports`, and never chosen"),
    field("bound", &LocalPorts::bound, IfKnown,
          "how many of the others bind() took: connect() passes them by, whatever the destination", "nobody has looked"),
    field("unconnected", &LocalPorts::unconnected, IfKnown,
          "of `bound` those of which no socket is connected, or listens; a lower bound where many sockets share one", "`bound` is")};

inline constexpr auto kHeaderFields = std::tuple{
    field("schema", &Header::schema, Always, "version of this format: 1"),
    field("tool", [](auto&) { return Constant{"tcpdwell"}; }, Always, "`tcpdwell`"),
    field("version", &Header::version, Written, "version of the program"),
    field("host", &Header::host, Written, "host name"),
    field("kernel", &Header::kernel, Written, "kernel release, as `uname -r` prints it"),
    field("arch", &Header::arch, Written, "processor architecture, as `uname -m` prints it"),
    field("boot_id", &Header::boot_id, Written,
          "`/proc/sys/kernel/random/boot_id`: `mono_ns` and `conn` of two traces can be compared if it is the same"),
    field("start", &Header::start_wall_ns, Always, "when the trace began"),
    field("clock", [](auto&) { return Constant{"monotonic"}; }, Written, "`monotonic`: `mono_ns` is CLOCK_MONOTONIC"),
    field("minisockets", [](auto& h) { return shown<Show::Minisockets>(h.minisockets); }, Always,
          "how TIME_WAIT, orphaned FIN_WAIT2 and a server's SYN_RECV were watched: `fentry`, `timer`, or `off` (they are missing)"),
    field("filters", [](auto& h) { return shown<Show::Object>(h.filters_json); }, Written,
          "the filters the trace was made with, and `command`, whose process tree alone it is of; `{}` if there were none"),
    field("ip_local_port_range", &Header::ports, IfKnown,
          "first and last port that connect() chooses from, of the recorder's network namespace", "not known"),
    field("lines", [](auto& h) { return shown<Show::Lines>(h.lines); }, Written,
          "what there is a line for: `transitions`, or `connections` (`record --lines connections`)")};

inline constexpr auto kEndFields = std::tuple{
    field("ts", &TraceEnd::wall_ns, Written, "when the trace ended"),
    field("transitions", &TraceEnd::transitions, Always, "transition lines written"),
    field("lost", &TraceEnd::lost, Always, "events lost in all, a count for each `where`"),
    field("duration_ns", &TraceEnd::duration_ns, Always, "how long the trace took"),
    field("connections", &TraceEnd::connections, Always, "connections with at least one line"),
    field("suspended_ns", &TraceEnd::suspended_ns, IfKnown,
          "how long the machine was suspended meanwhile: no dwell has that time, nor `duration_ns`; `ts` after it is early by it",
          "it was not (a millisecond is not noticed)"),
    field("looked", &TraceEnd::looked, IfKnown,
          "true: it was looked for what waits for somebody when the trace ended; the `socket` lines before this one say what was found",
          "nobody has looked"),
};

// clang-format on

}  // namespace tcpdwell
