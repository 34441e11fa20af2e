// SPDX-License-Identifier: BSD-2-Clause
/// TCP states and the other small vocabularies of a trace, with their names.
/// The numbers are those of include/tcpdwell/event.h (checked in capture/decode.cpp).
#pragma once

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace tcpdwell {

/// RFC 9293 section 3.3.2, numbered as the kernel does (include/net/tcp_states.h).
enum class State : std::uint8_t {
  Unknown = 0,
  Established = 1,
  SynSent = 2,
  SynRecv = 3,
  FinWait1 = 4,
  FinWait2 = 5,
  TimeWait = 6,
  Close = 7,
  CloseWait = 8,
  LastAck = 9,
  Listen = 10,
  Closing = 11,
};
inline constexpr std::size_t kStateCount = 12;

/// The order in which tables list states: a connection's life from first to last.
inline constexpr std::array<State, kStateCount> kLifeOrder = {
    State::Listen,    State::SynSent,  State::SynRecv, State::Established,
    State::FinWait1,  State::FinWait2, State::Closing, State::TimeWait,
    State::CloseWait, State::LastAck,  State::Close,   State::Unknown};

/// netstat's name, e.g. "TIME_WAIT". The view lives as long as the program.
std::string_view name_of(State state);

/// The state of a netstat name in any case, `-` or `_` ("time-wait", "TIME_WAIT"); also ss's
/// "estab", "closed", "listening", "fin-wait-1", "syn-rcv". nullopt if there is none.
std::optional<State> parse_state(std::string_view text);
/// The states as people type them on a command line: "time-wait".
std::vector<std::string> state_words();

/// A set of states, a bit each (bit n = state number n).
using StateSet = std::uint16_t;
constexpr StateSet bit(State state) {
  return static_cast<StateSet>(1U << static_cast<unsigned>(state));
}

/// What a duration is worth.
enum class Bound : std::uint8_t { Unknown = 0, Exact = 1, AtLeast = 2 };
inline constexpr std::size_t kBoundCount = 3;
std::string_view name_of(Bound bound);  ///< "unknown", "exact", "at_least"
std::optional<Bound> parse_bound(std::string_view text);

/// How a socket's owner was learned.
enum class OwnerSource : std::uint8_t {
  None = 0,
  Connect = 1,
  Accept = 2,
  Listen = 3,
  Close = 4,
  Seed = 5
};
inline constexpr std::size_t kOwnerSourceCount = 6;
std::string_view name_of(OwnerSource source);  ///< "none", "connect", …
std::optional<OwnerSource> parse_owner_source(std::string_view text);

/// Who has a socket open.
enum class Held : std::uint8_t {
  Unknown = 0,
  Process = 1,
  Nobody = 2,  ///< there is a descriptor, and no process has it: sent and not received, io_uring's
  NotAccepted = 3,
  Closed = 4,  ///< by all who had it
  Kernel = 5
};
inline constexpr std::size_t kHeldCount = 6;
std::string_view name_of(Held held);  ///< "", "process", …
std::optional<Held> parse_held(std::string_view text);

/// Why a state or a connection ended, where the kernel tells.
enum class Reason : std::uint8_t {
  None = 0,
  Refused = 1,
  Timeout = 2,
  ResetByPeer = 3,
  ResetLocal = 4,
  Aborted = 5,
  Expired = 6,
  Reused = 7,
  Reopened = 8,
  Purged = 9,
  Overflow = 10,
  SynTimeout = 11,
  NoLocalPort = 12,
  Unreachable = 13,
  RefusedByIcmp = 14,
  GivenUp = 15,
  ListenerClosed = 16,
  Repaired = 17,
  Restored = 18,
};
inline constexpr std::size_t kReasonCount = 19;
std::string_view name_of(Reason reason);  ///< "" for None, else "refused", "reset_by_peer", …
std::optional<Reason> parse_reason(std::string_view text);

/// The error that a connection ended with, of those that its socket can have by then.
enum class Errno : std::uint8_t {
  None = 0,
  Perm = 1,
  Acces = 2,
  AddrNotAvail = 3,
  NetDown = 4,
  NetUnreach = 5,
  ConnAborted = 6,
  TimedOut = 7,
  ConnRefused = 8,
  HostDown = 9,
  HostUnreach = 10,
  NoNet = 11,
  Proto = 12,
  NoProtoOpt = 13,
  OpNotSupp = 14,
};
inline constexpr std::size_t kErrnoCount = 15;
std::string_view name_of(Errno error);  ///< "" for None, else "EPERM", …
std::optional<Errno> parse_errno(std::string_view text);
Errno errno_of(int number);  ///< None for any other

/// Who sent the first FIN or RST.
enum class Closer : std::uint8_t { None = 0, Local = 1, Remote = 2, Both = 3 };
std::string_view name_of(Closer closer);  ///< "none", "local", "remote", "both"
std::optional<Closer> parse_closer(std::string_view text);

/// The timer of a socket that runs, named as `ss -o` does.
enum class SocketTimer : std::uint8_t {
  Off = 0,
  Retransmit = 1,
  Keepalive = 2,
  TimeWait = 3,
  Persist = 4
};
inline constexpr std::size_t kSocketTimerCount = 5;
std::string_view name_of(SocketTimer timer);  ///< "off", "on", "keepalive", "timewait", "persist"
std::optional<SocketTimer> parse_socket_timer(std::string_view text);

/// Where something was lost.
enum class LossPlace : std::uint8_t { Ring = 0, Recursion = 1, Map = 2, Output = 3 };
inline constexpr std::size_t kLossPlaceCount = 4;
std::string_view name_of(LossPlace place);  ///< "ring", "recursion", "map", "output"
std::optional<LossPlace> parse_loss_place(std::string_view text);

/// The states a connection went through, oldest first; at most 16 are kept.
class Path {
 public:
  Path() = default;
  /// From the kernel's packing: 4 bits a state, the newest in the lowest bits.
  explicit constexpr Path(std::uint64_t packed) : packed_(packed) {}

  bool empty() const { return packed_ == 0; }
  std::uint64_t packed() const { return packed_; }
  void push(State state) { packed_ = packed_ << 4 | static_cast<std::uint64_t>(state); }
  bool contains(State state) const;
  std::size_t size() const { return (static_cast<std::size_t>(std::bit_width(packed_)) + 3) / 4; }
  State first() const;
  /// The last one for 0, and so on to size() - 1.
  State before_last(std::size_t states) const {
    return static_cast<State>(packed_ >> (4 * states) & 0xfU);
  }
  std::string to_string() const;  ///< "SYN_SENT>ESTABLISHED>CLOSE"; "" if empty
  static std::optional<Path> parse(std::string_view text);  ///< what to_string() prints, only
  friend bool operator==(Path, Path) = default;

 private:
  std::uint64_t packed_ = 0;
};

/// Who closed, as far as the path and the reason show: a FIN of ours first is `local`, of the
/// peer's `remote`, crossing FINs (CLOSING) `both`; a reset counts for the side that sent it.
Closer closer_of(Path path, Reason reason);

}  // namespace tcpdwell
