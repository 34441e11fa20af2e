// SPDX-License-Identifier: BSD-2-Clause
/// The table that stat, trace and report show: dwell per state and per key.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "model/event.h"
#include "model/histogram.h"

namespace tcpdwell {

/// What a table is of.
enum class Of : std::uint8_t {
  State,  ///< dwells in states; with `end` or `path` whole connections, TIME_WAIT included
  Life,   ///< from the SYN to the end, or to TIME_WAIT
  Accept  ///< of connections that this host was asked for, in ESTABLISHED before accept()
};
std::string_view name_of(Of of);  ///< "state", "life", "accept"
/// Fault::Usage names what is expected.
Result<Of> parse_of(std::string_view text);

/// What rows are grouped by. `state` is added as the last key where it is not named, because a
/// dwell means nothing without its state - except with `end` or `path`, whose rows are whole
/// connections: they hold life_ns, counted when the connection ends.
enum class Key : std::uint8_t {
  State,
  Pid,
  Comm,
  LocalPort,
  RemotePort,
  Remote,
  Cgroup,
  Netns,
  End,
  Path
};
std::string_view name_of(Key key);  ///< the contract's word: "state", "local-port", …
std::string field_name(Key key);    ///< that as a name of JSON and CSV: "local_port"
bool is_number(Key key);            ///< pid, the ports, cgroup, netns
/// Rows are whole connections: `end` or `path` is among the keys.
bool whole_connections(const std::vector<Key>& by);
/// "comm,state"; rejects unknown and repeated keys (Fault::Usage); adds `state` as said above,
/// where the table is of states.
Result<std::vector<Key>> parse_keys(std::string_view text, Of of = Of::State);
std::vector<std::string> key_words();  ///< all of them

/// What a row by state is called that has the part of ESTABLISHED before accept(), where that is
/// known: a dwell in it is in the row of ESTABLISHED too.
inline constexpr std::string_view kNotAccepted = "not accepted";

struct Row {
  /// One value per key, in the keys' order, as text ("TIME_WAIT", "4711", "10.0.0.1"); empty where
  /// unknown. `numeric[i]` holds the number where the key is a number (pid, ports, cgroup, netns).
  /// A cgroup's text may be its name.
  std::vector<std::string> keys;
  std::vector<std::optional<std::uint64_t>> numeric;
  Histogram exact;                    ///< finished dwells known exactly; count, percentiles, total
  std::uint64_t at_least = 0;         ///< finished dwells only bounded from below
  std::uint64_t unknown = 0;          ///< finished dwells of unknown length
  std::optional<std::uint64_t> open;  ///< in the state now; absent where it cannot be known
  /// All finished dwells, whatever they are worth.
  std::uint64_t count() const { return exact.count() + at_least + unknown; }
};

/// Time-wait and request sockets are all, or nearly all, that is in this state: where they are not
/// followed (minisockets "off"), how many there are is unknown. FIN_WAIT2 has full sockets beside
/// orphans.
constexpr bool of_minisockets(State state) {
  return state == State::TimeWait || state == State::SynRecv;
}

struct Summary {
  /// Rows by cgroup have its name as their text, where `name_of_cgroup` gives one.
  void name_cgroups(const std::function<std::string(std::uint64_t id)>& name_of_cgroup);

  std::int64_t start_wall_ns = 0, end_wall_ns = 0;
  Of of = Of::State;
  std::vector<Key> by;              ///< of lives perhaps none: then there is one row
  std::vector<Row> rows;            ///< by state: kLifeOrder; otherwise the largest total first
  std::uint64_t rows_left_out = 0;  ///< dwells in keys past the row limit, gathered in no row
  LossCounts lost{};
  /// Some trace did not follow request and time-wait sockets: TIME_WAIT, orphaned FIN_WAIT2 and a
  /// server's SYN_RECV were not observed in it.
  bool minisockets_off = false;
};

}  // namespace tcpdwell
