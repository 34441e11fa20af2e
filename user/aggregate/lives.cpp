// SPDX-License-Identifier: BSD-2-Clause
#include "aggregate/lives.h"

#include "util/moments.h"

namespace tcpdwell {
namespace {

bool begins(const Transition& t) {
  return (t.from == State::Close && t.to == State::SynSent) ||
         (t.from == State::Listen && t.to == State::SynRecv);
}

Dwell exact_or_unknown(const std::optional<std::uint64_t>& ns) {
  return ns ? Dwell{Bound::Exact, *ns} : Dwell{};
}

bool is_listener(const Connection& c) { return c.stays.back().state == State::Listen; }

}  // namespace

std::optional<Dwell> Lives::enter_time_wait(const Transition& t) {
  const auto found = known_.find(t.socket.id);
  Dwell life;
  if (found != known_.end() && found->second.begin_mono_ns <= t.mono_ns)
    life = {Bound::Exact, t.mono_ns - found->second.begin_mono_ns};
  if (!at_end_) {
    if (found != known_.end()) known_.erase(found);
    return life;
  }
  if (found != known_.end()) found->second.life = life;
  return std::nullopt;
}

std::optional<Dwell> Lives::over(const Transition& t) {
  if (begins(t)) {
    if (known_.size() < most_) known_[t.socket.id] = {t.mono_ns, {}};
    return std::nullopt;
  }
  if (t.to == State::TimeWait) return enter_time_wait(t);
  if (!t.last() || t.from == State::Listen) return std::nullopt;
  const auto found = known_.find(t.socket.id);
  const Dwell before = found != known_.end() ? found->second.life : Dwell{};
  if (found != known_.end()) known_.erase(found);
  if (t.from != State::TimeWait) return exact_or_unknown(t.life_ns);
  if (!at_end_) return std::nullopt;  // when it came into TIME_WAIT
  return before;
}

std::optional<Dwell> Lives::over(const Connection& c) const {
  if (c.stays.empty() || is_listener(c)) return std::nullopt;
  const Stay& last = c.stays.back();
  const bool in_time_wait = last.state == State::TimeWait;
  // Its earlier stays were in a line before this one.
  const bool rest = in_time_wait && c.stays.size() == 1 && c.stays_left_out == 0;
  if (!at_end_ && rest) return std::nullopt;
  if (c.open() && (at_end_ || !in_time_wait)) return std::nullopt;
  std::optional<std::uint64_t> ns = c.life_ns;
  if (c.open() && c.start_wall_ns) ns = since(*c.start_wall_ns, c.wall_ns());
  if (!in_time_wait) return exact_or_unknown(ns);
  if (!ns || last.dwell.bound != Bound::Exact || last.dwell.ns > *ns) return Dwell{};
  return Dwell{Bound::Exact, *ns - last.dwell.ns};
}

}  // namespace tcpdwell
