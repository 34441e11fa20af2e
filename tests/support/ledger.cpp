// SPDX-License-Identifier: BSD-2-Clause
#include "support/ledger.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>

#include "support/truth.h"

namespace tcpdwell::test {
namespace {

constexpr std::size_t kComplaintsInWords = 20;

std::string text_of(const Account& account) {
  std::string text(name_of(account.begin));
  for (const Moment& moment : account.moments) text.append(">").append(name_of(moment.state));
  return text;
}

/// What the path on the last line must be: of a long one only the last 16 states are kept.
Path path_of(const Account& account) {
  Path path;
  for (const Moment& moment : account.moments) path.push(moment.state);
  return path;
}

}  // namespace

bool Account::may_have_been(State state, std::uint64_t from, std::uint64_t to) const {
  State now = State::Close;  // for a passive open: there was none
  std::uint64_t since = 0;
  for (const Moment& moment : moments) {
    if (now == state && since <= to && moment.mono_ns >= from) return true;
    now = moment.state;
    since = moment.mono_ns;
  }
  return now == state && since <= to;
}

State Account::last_open() const {
  if (!closed()) return moments.back().state;
  return moments.size() < 2 ? begin : moments[moments.size() - 2].state;
}

std::uint64_t Account::last_dwell() const {
  if (moments.size() < 2) return 0;
  return moments.back().mono_ns - moments[moments.size() - 2].mono_ns;
}

Ledger::Ledger(std::vector<std::uint32_t> namespaces) : pid_(static_cast<std::uint32_t>(getpid())) {
  for (const std::uint32_t netns : namespaces) kinds_[netns];
}

Status Ledger::transition(const Transition& line) {
  const auto kinds = kinds_.find(line.socket.netns);
  if (kinds == kinds_.end()) return Ok;
  ++lines_;
  const bool request = line.from == State::SynRecv && line.last() && !line.traffic;
  ++kinds->second[{line.from, line.to, line.reason, request}];

  const auto [found, first] = accounts_.try_emplace(line.socket.id);
  Account& account = found->second;
  if (first) {
    account.netns = line.socket.netns;
    account.begin = line.from;
    check_first(line);
  } else {
    check_next(line, account);
    account.exact_ns += line.dwell.ns;
    account.all_exact = account.all_exact && line.dwell.bound == Bound::Exact;
  }
  if (line.gap) complain(line, "has a gap before it");
  if (line.socket.owner.pid != pid_) complain(line, "is somebody else's");
  account.moments.push_back({line.mono_ns, line.to});
  account.end = line.reason;
  account.local_port = line.socket.local.port;
  account.remote_port = line.socket.remote.port;
  if (line.last()) check_last(line, account);
  return Ok;
}

Status Ledger::seed(const Seed& seed) {
  if (kinds_.count(seed.socket.netns) != 0) ++wrong_;
  return Ok;
}

void Ledger::check_first(const Transition& line) {
  const bool active =
      line.from == State::Close && (line.to == State::SynSent || line.to == State::Listen);
  const bool passive = line.from == State::Listen && line.to == State::SynRecv;
  if (!active && !passive) complain(line, "begins nothing");
  if (line.dwell.bound != Bound::Unknown) complain(line, "has a dwell before the connection");
}

void Ledger::check_next(const Transition& line, const Account& account) {
  const Moment& before = account.moments.back();
  if (line.socket.netns != account.netns) complain(line, "changes its namespace");
  if (account.closed()) complain(line, "comes after the end");
  if (line.from != before.state) complain(line, "does not go on where the line before ended");
  if (line.mono_ns < before.mono_ns) complain(line, "comes before the line before");
  const std::uint64_t passed = line.mono_ns - before.mono_ns;
  // By timers the FIN that ends an orphan's FIN_WAIT2 may be known to have come by then, no more.
  const bool may_be_bounded = line.from == State::FinWait2 || line.from == State::TimeWait;
  if (line.dwell.bound == Bound::AtLeast && may_be_bounded) {
    if (line.dwell.ns > passed) complain(line, "has a bound above what passed");
    return;
  }
  if (line.dwell.bound != Bound::Exact) complain(line, "has no exact dwell");
  if (line.dwell.ns != passed) complain(line, "has a wrong dwell");
}

void Ledger::check_last(const Transition& line, const Account& account) {
  if (line.path != path_of(account)) complain(line, "has the path " + line.path.to_string());
  if (!line.life_ns) {
    complain(line, "does not know the life");
  } else if (account.all_exact && *line.life_ns != account.exact_ns) {
    complain(line,
             fmt::format("says life {}, dwells add up to {}", *line.life_ns, account.exact_ns));
  }
}

void Ledger::complain(const Transition& line, const std::string& what) {
  Account& account = accounts_.at(line.socket.id);
  wrong_ += account.wrong ? 0 : 1;
  account.wrong = true;
  if (complaints_.size() >= kComplaintsInWords) return;
  complaints_.push_back(fmt::format(
      "{} {}>{} {} ({} {} ns) netns {} {}:{} -> {}:{} {}; so far {}", to_string(line.socket.id),
      name_of(line.from), name_of(line.to), name_of(line.reason), name_of(line.dwell.bound),
      line.dwell.ns, line.socket.netns, address_text(line.socket.family, line.socket.local),
      line.socket.local.port, address_text(line.socket.family, line.socket.remote),
      line.socket.remote.port, what, text_of(account)));
}

std::uint64_t Ledger::count(std::uint32_t netns,
                            const std::function<bool(const Kind&)>& which) const {
  std::uint64_t sum = 0;
  for (const auto& [kind, count] : kinds_.at(netns)) sum += which(kind) ? count : 0;
  return sum;
}

std::uint64_t Ledger::count(std::uint32_t netns, State from, State to) const {
  return count(netns, [&](const Kind& kind) { return kind.from == from && kind.to == to; });
}

std::string Ledger::kinds_text(std::uint32_t netns) const {
  std::string text;
  for (const auto& [kind, count] : kinds_.at(netns)) {
    text += fmt::format(
        "  {}>{} {}{}{}\n", name_of(kind.from), name_of(kind.to), kind.request ? "(request) " : "",
        kind.reason == Reason::None ? "" : std::string(name_of(kind.reason)) + " ", count);
  }
  return text;
}

}  // namespace tcpdwell::test
