// SPDX-License-Identifier: BSD-2-Clause
#include "aggregate/begun.h"

#include <algorithm>

namespace tcpdwell {
namespace {

constexpr std::size_t kMostRows = 65536;

std::vector<Key> known_at_once(std::vector<Key> by) {
  std::erase_if(by,
                [](Key key) { return key == Key::State || key == Key::End || key == Key::Path; });
  return by;
}

}  // namespace

Begun::Begun(const std::vector<Key>& by, Consumer& next)
    : by_(known_at_once(by)), next_(next), opened_(by_, kMostRows), accepted_(by_, kMostRows) {}

Status Begun::header(const Header& header) {
  old_.clear();
  start_wall_ns_ = header.start_wall_ns;
  return next_.header(header);
}

Status Begun::seed(const Seed& seed) {
  if (seed.state != State::Listen) older_ += old_.insert(seed.socket.id).second;
  return Ok;
}

Status Begun::transition(const Transition& t) {
  if (const auto old = old_.find(t.socket.id); old != old_.end()) {
    if (t.last()) old_.erase(old);
    return Ok;
  }
  if (t.from == State::Close && t.to == State::SynSent) opened_.count({t.socket, t.to}, {});
  if (t.from == State::Listen && t.to == State::SynRecv) accepted_.count({t.socket, t.to}, {});
  return next_.transition(t);
}

/// A connection has its first stay in one line alone.
Status Begun::connection(const Connection& c) {
  if (c.stays.empty()) return next_.connection(c);
  const State first = c.stays.begin()->state;
  if (first == State::Listen) return next_.connection(c);
  if (!c.start_wall_ns || *c.start_wall_ns < start_wall_ns_) {
    older_ += old_.insert(c.socket.id).second;
    return Ok;
  }
  // That an open connection is in comes again in its next line.
  const bool whole = c.stays_left_out == 0 && !(c.open() && c.stays.size() == 1);
  if (whole && first == State::SynSent) opened_.count({c.socket, first}, {});
  if (whole && first == State::SynRecv) accepted_.count({c.socket, first}, {});
  return next_.connection(c);
}

}  // namespace tcpdwell
