// SPDX-License-Identifier: BSD-2-Clause
#include "model/state.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cerrno>
#include <iterator>
#include <utility>

#include "util/names.h"

namespace tcpdwell {
namespace {

constexpr Names<kStateCount> kStates = {"UNKNOWN",    "ESTABLISHED", "SYN_SENT",  "SYN_RECV",
                                        "FIN_WAIT1",  "FIN_WAIT2",   "TIME_WAIT", "CLOSE",
                                        "CLOSE_WAIT", "LAST_ACK",    "LISTEN",    "CLOSING"};
constexpr Names<kBoundCount> kBounds = {"unknown", "exact", "at_least"};
constexpr Names<kOwnerSourceCount> kOwnerSources = {"none",   "connect", "accept",
                                                    "listen", "close",   "seed"};
constexpr Names<kReasonCount> kReasons = {
    "",         "refused",         "timeout",       "reset_by_peer", "reset_local",
    "aborted",  "expired",         "reused",        "reopened",      "purged",
    "overflow", "syn_timeout",     "no_local_port", "unreachable",   "refused_by_icmp",
    "given_up", "listener_closed", "repaired",      "restored"};
constexpr Names<kErrnoCount> kErrors = {"",
                                        "EPERM",
                                        "EACCES",
                                        "EADDRNOTAVAIL",
                                        "ENETDOWN",
                                        "ENETUNREACH",
                                        "ECONNABORTED",
                                        "ETIMEDOUT",
                                        "ECONNREFUSED",
                                        "EHOSTDOWN",
                                        "EHOSTUNREACH",
                                        "ENONET",
                                        "EPROTO",
                                        "ENOPROTOOPT",
                                        "EOPNOTSUPP"};
constexpr Names<4> kClosers = {"none", "local", "remote", "both"};
constexpr Names<kLossPlaceCount> kLossPlaces = {"ring", "recursion", "map", "output"};
constexpr Names<kSocketTimerCount> kTimers = {"off", "on", "keepalive", "timewait", "persist"};
constexpr Names<kHeldCount> kHeldWords = {"",       "process", "nobody", "not_accepted",
                                          "closed", "kernel"};

/// What ss and the RFC call states, where it is not netstat's name.
constexpr std::pair<std::string_view, State> kStateAliases[] = {
    {"ESTAB", State::Established},   {"CLOSED", State::Close},
    {"LISTENING", State::Listen},    {"SYN_RCV", State::SynRecv},
    {"FIN_WAIT_1", State::FinWait1}, {"FIN_WAIT_2", State::FinWait2}};

char to_name_char(char c) {
  if (c == '-') return '_';
  return c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c;
}

constexpr unsigned kPathStates = 16;

State state_at(std::uint64_t packed, unsigned place) {
  return static_cast<State>(packed >> (4 * place) & 0xfU);
}

/// States in the path; the oldest is at this place - 1.
unsigned length_of(std::uint64_t packed) {
  return static_cast<unsigned>(std::bit_width(packed) + 3) / 4;
}

constexpr std::uint64_t kOnes = 0x1111111111111111U;

/// The lowest bit of each place that has this state. Of places beyond the path's length too, for
/// State::Unknown alone.
std::uint64_t places_of(std::uint64_t packed, State state) {
  const std::uint64_t differs = packed ^ (kOnes * static_cast<std::uint64_t>(state));
  return ~(differs | differs >> 1 | differs >> 2 | differs >> 3) & kOnes;
}

/// Whose FIN came first, as far as the states tell: only our own leads to FIN_WAIT, only the
/// peer's to CLOSE_WAIT and LAST_ACK. A path may start in the middle of a connection.
Closer first_fin(Path path) {
  const auto places = [path](State a, State b) {
    return places_of(path.packed(), a) | places_of(path.packed(), b);
  };
  const std::uint64_t ours = places(State::FinWait1, State::FinWait2);
  const std::uint64_t theirs = places(State::CloseWait, State::LastAck);
  if (ours == theirs) return Closer::None;  // neither
  return ours > theirs ? Closer::Local : Closer::Remote;
}

/// When somebody aborts it (tcp_need_reset, net/ipv4/tcp.c): not before a handshake is over.
bool sends_rst(State state) { return state != State::SynSent && state != State::SynRecv; }

}  // namespace

std::string_view name_of(State state) { return entry_of(kStates, state); }
std::string_view name_of(Bound bound) { return entry_of(kBounds, bound); }
std::string_view name_of(Held held) { return entry_of(kHeldWords, held); }
std::optional<Held> parse_held(std::string_view text) { return find_in<Held>(kHeldWords, text); }
std::string_view name_of(OwnerSource source) { return entry_of(kOwnerSources, source); }
std::string_view name_of(Reason reason) { return entry_of(kReasons, reason); }
std::string_view name_of(Closer closer) { return entry_of(kClosers, closer); }
std::string_view name_of(SocketTimer timer) { return entry_of(kTimers, timer); }
std::string_view name_of(LossPlace place) { return entry_of(kLossPlaces, place); }

std::optional<Bound> parse_bound(std::string_view text) { return find_in<Bound>(kBounds, text); }
std::optional<OwnerSource> parse_owner_source(std::string_view text) {
  return find_in<OwnerSource>(kOwnerSources, text);
}
std::string_view name_of(Errno error) { return entry_of(kErrors, error); }
std::optional<Errno> parse_errno(std::string_view text) { return find_in<Errno>(kErrors, text); }
Errno errno_of(int number) {
  constexpr std::array<int, kErrnoCount> kNumbers = {
      0,         EPERM,        EACCES,    EADDRNOTAVAIL, ENETDOWN, ENETUNREACH, ECONNABORTED,
      ETIMEDOUT, ECONNREFUSED, EHOSTDOWN, EHOSTUNREACH,  ENONET,   EPROTO,      ENOPROTOOPT,
      EOPNOTSUPP};
  const auto found = std::find(kNumbers.begin(), kNumbers.end(), number);
  return found == kNumbers.end() ? Errno::None : static_cast<Errno>(found - kNumbers.begin());
}
std::optional<Reason> parse_reason(std::string_view text) {
  return find_in<Reason>(kReasons, text);
}
std::optional<Closer> parse_closer(std::string_view text) {
  return find_in<Closer>(kClosers, text);
}
std::optional<SocketTimer> parse_socket_timer(std::string_view text) {
  return find_in<SocketTimer>(kTimers, text);
}
std::optional<LossPlace> parse_loss_place(std::string_view text) {
  return find_in<LossPlace>(kLossPlaces, text);
}

std::vector<std::string> state_words() {
  std::vector<std::string> words;
  for (unsigned state = 1; state < kStateCount; ++state) {
    std::string word(name_of(static_cast<State>(state)));
    for (char& c : word)
      c = c == '_' ? '-' : static_cast<char>(c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c);
    words.push_back(std::move(word));
  }
  return words;
}

std::optional<State> parse_state(std::string_view text) {
  std::array<char, 12> buffer;  // the longest name is ESTABLISHED
  if (text.size() > buffer.size()) return std::nullopt;
  const auto end = std::transform(text.begin(), text.end(), buffer.begin(), to_name_char);
  const std::string_view name(buffer.data(), static_cast<std::size_t>(end - buffer.begin()));

  const auto alias = std::find_if(std::begin(kStateAliases), std::end(kStateAliases),
                                  [name](const auto& entry) { return entry.first == name; });
  if (alias != std::end(kStateAliases)) return alias->second;
  return find_in<State>(kStates, name);
}

bool Path::contains(State state) const {
  const unsigned length = length_of(packed_);
  const std::uint64_t within = length == kPathStates ? kOnes : kOnes & ((1ULL << 4 * length) - 1);
  return (places_of(packed_, state) & within) != 0;
}

State Path::first() const {
  return empty() ? State::Unknown : state_at(packed_, length_of(packed_) - 1);
}

std::string Path::to_string() const {
  std::string text;
  for (unsigned place = length_of(packed_); place-- > 0;) {
    text += name_of(state_at(packed_, place));
    if (place > 0) text += '>';
  }
  return text;
}

std::optional<Path> Path::parse(std::string_view text) {
  Path path;
  if (text.empty()) return path;
  for (std::string_view rest = text;;) {
    const std::size_t end = rest.find('>');
    const auto state = find_in<State>(kStates, rest.substr(0, end));
    if (!state) return std::nullopt;
    // A full path would lose its oldest state; a path cannot start with an unknown one.
    const bool full = length_of(path.packed_) == kPathStates;
    if (full || (path.empty() && *state == State::Unknown)) return std::nullopt;
    path.push(*state);
    if (end == std::string_view::npos) return path;
    rest.remove_prefix(end + 1);
  }
}

Closer closer_of(Path path, Reason reason) {
  if (path.contains(State::Closing)) return Closer::Both;
  if (const Closer closer = first_fin(path); closer != Closer::None) return closer;
  switch (reason) {
    case Reason::ResetByPeer:
    case Reason::Refused:
      return Closer::Remote;
    case Reason::Aborted:
      return sends_rst(path.before_last(1)) ? Closer::Local : Closer::None;
    case Reason::ResetLocal:
    case Reason::ListenerClosed:
      return Closer::Local;
    default:
      return Closer::None;
  }
}

}  // namespace tcpdwell
