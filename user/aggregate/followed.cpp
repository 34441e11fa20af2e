// SPDX-License-Identifier: BSD-2-Clause
#include "aggregate/followed.h"

#include <algorithm>

#include "util/moments.h"

namespace tcpdwell {
namespace {

// A segment in 64 bits: state in 4, bound in 2, nanoseconds in 58 (nine years).
constexpr std::uint64_t kMostNs = (std::uint64_t{1} << 58) - 1;

ConnectionRow row_of(const std::string& host, const Followed& followed) {
  ConnectionRow row;
  row.host = host;
  row.socket = followed.socket;
  row.role = followed.role;
  row.begin_wall_ns = followed.begin_wall_ns;
  row.segments = followed.finished_segments();
  if (followed.accept_wait != Followed::kNotKnown) row.accept_wait_ns = followed.accept_wait;
  return row;
}

}  // namespace

Role role_of(OwnerSource source) {
  if (source == OwnerSource::Connect) return Role::Active;
  return source == OwnerSource::Accept || source == OwnerSource::Listen ? Role::Passive
                                                                        : Role::Unknown;
}

Role role_of(const Connection& connection) {
  const State first = connection.path.first();
  if (first == State::SynSent) return Role::Active;
  return first == State::SynRecv ? Role::Passive : role_of(connection.socket.owner.source);
}

void Followed::add_segment(State left, const Dwell& dwell) {
  if (segments == kSegments) {
    std::copy(packed.begin() + 1, packed.end(), packed.begin());
    --segments;
  }
  packed[segments++] = std::min(dwell.ns, kMostNs) << 6 |
                       static_cast<std::uint64_t>(dwell.bound) << 4 |
                       static_cast<std::uint64_t>(left);
}

Dwell Followed::age(std::int64_t wall_ns) const {
  if (since_before.bound == Bound::Unknown) return {Bound::AtLeast, since(since_wall_ns, wall_ns)};
  return {since_before.bound, saturating_add(since_before.ns, since(since_wall_ns, wall_ns))};
}

std::vector<Segment> Followed::finished_segments() const {
  std::vector<Segment> list;
  for (std::size_t i = 0; i < segments; ++i)
    list.push_back({static_cast<State>(packed[i] & 15U),
                    {static_cast<Bound>(packed[i] >> 4 & 3U), packed[i] >> 6}});
  return list;
}

ConnectionRow finished_row(const std::string& host, const Followed& followed,
                           const Transition& last) {
  ConnectionRow row = row_of(host, followed);
  row.socket = last.socket;
  row.end_wall_ns = last.wall_ns;
  row.state = State::Close;
  if (last.life_ns) row.life = {Bound::Exact, *last.life_ns};
  row.path = last.path;
  row.reason = last.reason;
  row.closer = closer_of(last.path, last.reason);
  return row;
}

ConnectionRow open_row(const std::string& host, const Connection& open) {
  ConnectionRow row;
  row.host = host;
  row.socket = open.socket;
  row.role = role_of(open);
  row.begin_wall_ns = open.start_wall_ns;
  row.end_wall_ns = open.wall_ns();
  row.open = true;
  row.state = open.state;
  row.in_state = open.stays.back().dwell;
  if (open.start_wall_ns) row.life = {Bound::Exact, since(*open.start_wall_ns, open.wall_ns())};
  row.path = open.path;
  row.accept_wait_ns = open.accept_wait_ns;
  for (const Stay& stay : open.stays) row.segments.push_back({stay.state, stay.dwell});
  return row;
}

ConnectionRow open_row(const std::string& host, const Followed& followed,
                       std::int64_t end_wall_ns) {
  ConnectionRow row = row_of(host, followed);
  row.end_wall_ns = end_wall_ns;
  row.open = true;
  row.state = followed.state;
  row.in_state = followed.age(end_wall_ns);
  if (followed.begin_wall_ns)
    row.life = {Bound::Exact, since(*followed.begin_wall_ns, end_wall_ns)};
  for (const Segment& segment : row.segments) row.path.push(segment.state);
  row.path.push(followed.state);
  row.segments.push_back({followed.state, row.in_state});
  return row;
}

}  // namespace tcpdwell
