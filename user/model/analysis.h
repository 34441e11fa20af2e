// SPDX-License-Identifier: BSD-2-Clause
/// What `report` says beside the table: how connections ended, which took long, what there was
/// when, which ports run short, and what a person should look at.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "model/event.h"
#include "model/histogram.h"
#include "model/summary.h"

namespace tcpdwell {

/// Connections that ended for one reason, closed by one side; or that both sides have closed and
/// that were in TIME_WAIT when the trace ended.
struct EndRow {
  Reason reason = Reason::None;
  Closer closer = Closer::None;
  std::uint64_t count = 0;
  Histogram life;  ///< of those whose beginning was seen
  bool time_wait = false;
};

/// One arrow of the observed state diagram; `dwell` is what was spent in `from` before it.
struct Edge {
  State from = State::Unknown, to = State::Unknown;
  std::uint64_t count = 0;
  Histogram dwell;  ///< exact ones
};

/// A stay in a state. Of the last one of an open connection the dwell is what it has been so far.
struct Segment {
  State state = State::Unknown;
  Dwell dwell;
};

/// Who opened a connection, as far as the trace shows.
enum class Role : std::uint8_t { Unknown, Active, Passive };

struct ConnectionRow {
  std::string host;
  Socket socket;
  std::string cgroup_name;  ///< what a person calls its cgroup; "" where it is not known
  Role role = Role::Unknown;
  std::optional<std::int64_t> begin_wall_ns;  ///< absent where it began before the trace
  std::int64_t end_wall_ns = 0;  ///< of the last line, or of the trace where it is open
  bool open = false;             ///< when the trace ended
  State state = State::Unknown;  ///< the last one: CLOSE, or where it is open the one it is in
  Dwell in_state;                ///< where it is open: how long it has been in it
  Dwell life;                    ///< whole life, or where it is open so far
  Path path;
  Reason reason = Reason::None;
  Closer closer = Closer::None;
  std::vector<Segment> segments;  ///< oldest first; of many the last
  /// Of ESTABLISHED the part before accept(); absent where that is not known.
  std::optional<std::uint64_t> accept_wait_ns;
};

/// Ports that one host uses towards one remote address and port from one local address; IPv4 where
/// an IPv6 socket uses it too.
struct PortRow {
  std::string host;
  std::uint32_t netns = 0;
  Comm iface;  ///< as Socket's: the same addresses elsewhere are others
  Family family = Family::V4;
  Endpoint local;                         ///< the port is 0
  Endpoint remote;                        ///< 0 where `any_remote`
  bool any_remote = false;                ///< bind() took these ports, towards all destinations
  bool own_range = false;                 ///< of sockets with a range of their own
  std::uint64_t live = 0, time_wait = 0;  ///< when the trace ended
  std::uint64_t peak = 0, peak_time_wait = 0;  ///< ports taken at once, and in TIME_WAIT of them
  std::int64_t peak_wall_ns = 0;               ///< when that was first reached
  /// Beside the peak at that moment, taken for all destinations; 0 in rows with `any_remote`.
  std::uint64_t bound = 0;
  std::uint32_t range = 0;     ///< ports that these sockets could have got, then: not reserved ones
  std::uint32_t reserved = 0;  ///< of the range that these were in
  bool range_known = false;    ///< false: the kernel's default is supposed

  std::uint64_t taken() const { return peak + bound; }
  /// "127.0.0.1", "fe80::2%eth0".
  std::string local_text() const;
  /// "10.0.0.1:80", "[fe80::1%eth0]:80", "any".
  std::string remote_text() const;
};

struct NamespacePorts {
  std::string host;
  LocalPorts ports;
};

struct SeriesPoint {
  std::uint64_t opens = 0, closes = 0;
  std::array<std::uint64_t, kStateCount> population{};  ///< at the end of the interval
};

/// Equal intervals from `start_wall_ns` on; those of several hosts add up.
struct Series {
  std::int64_t start_wall_ns = 0;
  std::uint64_t width_ns = 0;
  std::vector<SeriesPoint> points;
  bool minisockets_off = false;  ///< as Summary's
  bool observed(State state) const { return !minisockets_off || !of_minisockets(state); }
};

enum class Severity : std::uint8_t { Note, Warning, Critical };
/// "note", "warning", "critical".
constexpr std::string_view name_of(Severity severity) {
  constexpr std::array<std::string_view, 3> kNames = {"note", "warning", "critical"};
  return kNames[static_cast<std::size_t>(severity)];
}

/// One sentence with the evidence and what to do.
struct Finding {
  std::string kind;  ///< a word that does not change: "close_wait_leak"
  Severity severity = Severity::Warning;
  std::string subject;      ///< the process, destination or service it is about
  std::uint64_t count = 0;  ///< what was counted
  std::string text;
};

struct Analysis {
  std::vector<EndRow> ends;            ///< the most frequent first
  std::vector<Edge> edges;             ///< in the order of kLifeOrder
  std::vector<ConnectionRow> slowest;  ///< finished ones, the longest life first
  std::vector<ConnectionRow> stuck;   ///< open ones but listeners, the longest in their state first
  std::vector<ConnectionRow> sample;  ///< some of all, in the order of time
  std::vector<PortRow> ports;         ///< the highest peak first
  std::vector<NamespacePorts> local_ports;  ///< as they were when most were bound
  Series series;
  std::vector<Finding> findings;   ///< the most severe first
  std::uint64_t connections = 0;   ///< of which `sample` is some
  std::uint64_t not_followed = 0;  ///< connections that had no room: in no view but ends and edges
  std::uint64_t ports_left_out = 0;  ///< connections whose destination found no room in `ports`
};

/// All that `report` found in some traces.
struct Report {
  Summary summary;
  Analysis analysis;
  std::vector<std::string> sources;  ///< names of the files
  std::vector<std::string> flaws;    ///< what was left out of them, a sentence each
};

}  // namespace tcpdwell
