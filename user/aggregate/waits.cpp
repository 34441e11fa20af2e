// SPDX-License-Identifier: BSD-2-Clause
#include "aggregate/waits.h"

#include <algorithm>

namespace tcpdwell {
namespace {

std::optional<Dwell> exact(const std::optional<std::uint64_t>& ns) {
  return ns ? std::optional(Dwell{Bound::Exact, *ns}) : std::nullopt;
}

/// A finished stay is in one line alone, while each line behind it has the wait too.
bool has_left_established(const Connection& c) {
  const Stay* const over = c.stays.end() - (c.open() && !c.stays.empty() ? 1 : 0);
  return std::any_of(c.stays.begin(), over,
                     [](const Stay& stay) { return stay.state == State::Established; });
}

}  // namespace

std::optional<Dwell> Waits::over(const Transition& t) {
  if (!at_end_) return exact(t.accept_wait_ns);
  if (!t.last()) {
    if (t.accept_wait_ns && known_.size() < most_) known_[t.socket.id] = *t.accept_wait_ns;
    return std::nullopt;
  }
  if (t.accept_wait_ns) return exact(t.accept_wait_ns);
  const auto found = known_.find(t.socket.id);
  if (found == known_.end()) return std::nullopt;
  const Dwell wait{Bound::Exact, found->second};
  known_.erase(found);
  return wait;
}

std::optional<Dwell> Waits::over(const Connection& c) const {
  const bool told_here = at_end_ ? !c.open() : has_left_established(c);
  return told_here ? exact(c.accept_wait_ns) : std::nullopt;
}

}  // namespace tcpdwell
