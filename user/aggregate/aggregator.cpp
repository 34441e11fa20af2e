// SPDX-License-Identifier: BSD-2-Clause
#include "aggregate/aggregator.h"

#include <tsl/robin_map.h>

#include <algorithm>
#include <optional>
#include <string>
#include <utility>

#include "aggregate/rows.h"

namespace tcpdwell {
namespace {

struct ConnIdHash {
  std::size_t operator()(const ConnId& id) const {
    // Cookies are small consecutive numbers and the map uses the low bits.
    const std::uint64_t hash = (id.cookie ^ std::uint64_t{id.use} << 48) * 0x9e3779b97f4a7c15U;
    return hash ^ hash >> 32;
  }
};

}  // namespace

class Aggregator::Impl {
 public:
  explicit Impl(AggregatorOptions options)
      : options_(std::move(options)),
        whole_(whole_connections(options_.by)),
        open_known_(options_.open_known && !whole_),
        rows_(options_.by, options_.max_rows) {
    // Half the memory for a probe or two more: there may be a hundred thousand connections.
    open_.max_load_factor(0.85F);
  }

  void begin_trace(const Header& header);
  void transition(const Transition& t);
  void seed(const Seed& s) { move_to(s.socket, s.state, s.state, /*begins=*/true); }
  Summary take_summary(std::int64_t end_wall_ns);

  LossCounts lost{};
  std::uint64_t transitions = 0;
  std::uint64_t connections = 0;

 private:
  bool wanted(State state) const {
    return options_.states == 0 || (options_.states & bit(state)) != 0;
  }
  void move_to(const Socket& socket, State to, State from, bool begins);
  void stop_following();
  RowTable::Index enter(const Socket& socket, State state);
  void leave(RowTable::Index row);

  const AggregatorOptions options_;
  const bool whole_;
  bool open_known_;
  bool following_ = true;
  RowTable rows_;
  /// Connections in a wanted state, and the row under which each entered it: its owner may have
  /// changed, or lines been lost, by the time it leaves.
  tsl::robin_map<ConnId, RowTable::Index, ConnIdHash> open_;
  std::optional<std::int64_t> start_wall_ns_;
  std::string boot_id_;
  bool minisockets_off_ = false;
};

/// Connection ids mean nothing in another trace. What was open at the end of a trace of another
/// host stays counted; a later trace of the same host says anew what is open.
void Aggregator::Impl::begin_trace(const Header& header) {
  if (!start_wall_ns_) start_wall_ns_ = header.start_wall_ns;
  start_wall_ns_ = std::min(*start_wall_ns_, header.start_wall_ns);
  if (header.boot_id == boot_id_) rows_.zero_open();
  boot_id_ = header.boot_id;
  minisockets_off_ = minisockets_off_ || header.minisockets == "off";
  open_.clear();
  rows_.drop_indices();
}

void Aggregator::Impl::transition(const Transition& t) {
  ++transitions;
  const bool dwelt = t.ends_a_dwell();
  move_to(t.socket, t.to, t.from, !dwelt);
  if (!wanted(t.from)) return;
  if (!whole_) {
    if (dwelt) rows_.count({t.socket, t.from}, t.dwell);
  } else if (t.last()) {
    const Dwell life = t.life_ns ? Dwell{Bound::Exact, *t.life_ns} : Dwell{};
    rows_.count({t.socket, t.from, t.path, t.reason}, life);
  }
}

void Aggregator::Impl::move_to(const Socket& socket, State to, State from, bool begins) {
  if (!following_) {
    connections += begins;
    return;
  }
  const bool stays = to != State::Close && wanted(to);
  const auto found = open_.find(socket.id);
  if (found != open_.end()) {
    leave(found->second);
    if (stays) {
      found.value() = enter(socket, to);
    } else {
      open_.erase(found);
    }
    return;
  }
  if (!wanted(to) && !wanted(from)) return;
  ++connections;
  if (!stays) return;
  if (open_.size() >= options_.max_open) return stop_following();
  open_.emplace(socket.id, enter(socket, to));
}

/// A partial count of what is open would be a wrong one.
void Aggregator::Impl::stop_following() {
  following_ = false;
  open_known_ = false;
  open_ = {};
  rows_.zero_open();
}

RowTable::Index Aggregator::Impl::enter(const Socket& socket, State state) {
  return open_known_ ? rows_.enter({socket, state}) : RowTable::kNoRow;
}

void Aggregator::Impl::leave(RowTable::Index row) {
  if (open_known_) rows_.leave(row);
}

Summary Aggregator::Impl::take_summary(std::int64_t end_wall_ns) {
  Summary summary;
  summary.start_wall_ns = start_wall_ns_.value_or(end_wall_ns);
  summary.end_wall_ns = end_wall_ns;
  summary.by = options_.by;
  summary.rows = rows_.take(open_known_);
  summary.rows_left_out = rows_.take_left_out();
  summary.lost = std::exchange(lost, {});
  summary.minisockets_off = minisockets_off_;
  start_wall_ns_ = end_wall_ns;
  return summary;
}

Aggregator::Aggregator(AggregatorOptions options)
    : impl_(std::make_unique<Impl>(std::move(options))) {}
Aggregator::~Aggregator() = default;

Status Aggregator::header(const Header& header) {
  impl_->begin_trace(header);
  return Ok;
}

Status Aggregator::transition(const Transition& transition) {
  impl_->transition(transition);
  return Ok;
}

Status Aggregator::seed(const Seed& seed) {
  impl_->seed(seed);
  return Ok;
}

Status Aggregator::loss(const Loss& loss) {
  impl_->lost[static_cast<std::size_t>(loss.where)] += loss.count;
  return Ok;
}

Status Aggregator::end(const TraceEnd&) { return Ok; }

Summary Aggregator::take_summary(std::int64_t end_wall_ns) {
  return impl_->take_summary(end_wall_ns);
}
std::uint64_t Aggregator::transitions() const { return impl_->transitions; }
std::uint64_t Aggregator::connections() const { return impl_->connections; }

}  // namespace tcpdwell
