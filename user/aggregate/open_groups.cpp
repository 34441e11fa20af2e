// SPDX-License-Identifier: BSD-2-Clause
#include "aggregate/open_groups.h"

#include <algorithm>
#include <utility>

namespace tcpdwell {
namespace {

/// The port that says what a connection is for.
struct Service {
  std::uint16_t port;
  std::uint8_t called;  ///< 1: by this host, 0: served here
};

Service service_of(const Socket& socket, State state, Role role) {
  // Of one older than the trace nobody saw who opened it: a client's port is chosen from the upper
  // ones.
  const bool called = role == Role::Unknown && state != State::Listen
                          ? socket.local.port > socket.remote.port
                          : role == Role::Active;
  return {called ? socket.remote.port : socket.local.port, called};
}

std::vector<std::string> texts(const Grouping& grouping, const Socket& socket, State state,
                               Role role) {
  std::vector<std::string> keys;
  if (grouping.by.empty()) {
    const Service service = service_of(socket, state, role);
    return {service.port == 0 ? "" : std::to_string(service.port),
            service.called ? "called" : "served"};
  }
  for (const Key key : grouping.by) keys.push_back(text_of(key, {socket, state}));
  return keys;
}

Role role_of(const Transition& t) {
  const State first = t.path.empty() ? t.to : t.path.first();
  if (first == State::SynSent) return Role::Active;
  return first == State::SynRecv ? Role::Passive : Role::Unknown;
}

bool longer(const Dwell& a, const Dwell& b) {
  return b.bound == Bound::Unknown || (a.bound != Bound::Unknown && a.ns > b.ns);
}

}  // namespace

Status OpenGroups::transition(const Transition& t) {
  const bool begins = !t.ends_a_dwell() && !t.last() && t.to != State::Listen;
  const bool ends = t.last() && t.from != State::Listen;
  if (!begins && !ends) return Ok;
  Group* const group = row(t.socket, begins ? t.to : t.from, role_of(t));
  if (group != nullptr) ++(begins ? group->began : group->ended);
  return Ok;
}

void OpenGroups::open(const Followed& followed, const Dwell& age) {
  Group* const group = row(followed.socket, followed.state, followed.role);
  if (group == nullptr) return;
  ++group->open[static_cast<std::size_t>(followed.state)];
  if (followed.state == State::Listen || followed.state == State::Established) return;
  if (group->stuck_state != State::Unknown && !longer(age, group->stuck)) return;
  group->stuck_state = followed.state;
  group->stuck = age;
}

Group* OpenGroups::row(const Socket& socket, State state, Role role) {
  PackedKey packed;
  if (grouping_.by.empty()) {
    const Service service = service_of(socket, state, role);
    packed.put(service.port);
    packed.put(service.called);
  }
  for (const Key key : grouping_.by) pack(packed, key, {socket, state});
  if (const auto found = index_.find(packed); found != index_.end()) return &rows_[found->second];
  if (rows_.size() >= kMostRows) {
    ++without_row_;
    return nullptr;
  }
  index_.emplace(packed, rows_.size());
  rows_.emplace_back();
  rows_.back().keys = texts(grouping_, socket, state, role);
  return &rows_.back();
}

std::vector<Group> OpenGroups::take() {
  index_.clear();
  left_out_ = std::exchange(without_row_, 0);
  return std::exchange(rows_, {});
}

bool in_group(const Grouping& grouping, const std::vector<std::string>& keys,
              const Followed& followed) {
  return texts(grouping, followed.socket, followed.state, followed.role) == keys;
}

}  // namespace tcpdwell
