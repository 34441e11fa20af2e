// SPDX-License-Identifier: BSD-2-Clause
#include "aggregate/aggregator.h"

#include <algorithm>
#include <optional>
#include <string>
#include <utility>

#include "aggregate/lives.h"
#include "aggregate/open_table.h"
#include "aggregate/row_table.h"
#include "aggregate/waits.h"

namespace tcpdwell {
namespace {

/// Of sockets that are not followed it is not known how many are open.
void forget_unobserved(Summary& summary) {
  const auto key = std::find(summary.by.begin(), summary.by.end(), Key::State);
  if (key == summary.by.end()) return;
  const auto at = static_cast<std::size_t>(key - summary.by.begin());
  for (Row& row : summary.rows)
    if (of_minisockets(parse_state(row.keys[at]).value_or(State::Unknown))) row.open.reset();
}

}  // namespace

class Aggregator::Impl {
 public:
  Impl(AggregatorOptions options, OpenTable* open)
      : options_(std::move(options)),
        whole_(whole_connections(options_.by)),
        open_known_(options_.open_known && !whole_ && options_.of == Of::State),
        lives_(whole_),
        waits_(whole_),
        rows_(options_.by, options_.max_rows),
        // Alone, as in a run without an end, it is to be small.
        own_(open == nullptr ? std::make_unique<OpenTable>(0.85F) : nullptr),
        open_(open == nullptr ? *own_ : *open) {}

  void begin_trace(const Header& header);
  void transition(const Transition& t);
  void seed(const Seed& s) { move_to(s.socket, s.state, s.state, /*begins=*/true); }
  void tally(const Tally& tally);
  void connection(const Connection& c);
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
  void forget_open();
  bool is_as_long(const Dwell& dwell) const {
    return options_.min_dwell_ns == 0 ||
           (dwell.bound != Bound::Unknown && dwell.ns >= options_.min_dwell_ns);
  }
  /// In a table of states the wait for accept() is a row beside that of ESTABLISHED.
  void count_wait(const Socket& socket, const std::optional<std::uint64_t>& wait_ns) {
    if (wait_ns && wanted(State::Established) && is_as_long({Bound::Exact, *wait_ns}))
      rows_.count({.socket = socket, .state = State::Established, .not_accepted = true},
                  {Bound::Exact, *wait_ns});
  }
  /// A row of a wait is of the connection, if need be with its end.
  template <class Event>
  void count_of_accept(const Event& event) {
    if (const auto wait = waits_.over(event); wait && is_as_long(*wait))
      rows_.count({event.socket, State::Established, event.path, event.reason}, *wait);
  }
  RowTable::Index enter(const Socket& socket, State state);
  void leave(RowTable::Index row);

  const AggregatorOptions options_;
  const bool whole_;
  bool open_known_;
  Lives lives_;  ///< of Of::Life
  Waits waits_;  ///< of Of::Accept
  bool following_ = true;
  RowTable rows_;
  /// Connections in a wanted state, and the row under which each entered it: its owner may have
  /// changed, or lines been lost, by the time it leaves.
  const std::unique_ptr<OpenTable> own_;
  OpenTable& open_;
  std::size_t open_count_ = 0;
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
  forget_open();
  rows_.drop_indices();
}

void Aggregator::Impl::transition(const Transition& t) {
  ++transitions;
  const bool dwelt = t.ends_a_dwell();
  move_to(t.socket, t.to, t.from, !dwelt);
  if (options_.of == Of::Life) {
    if (const auto life = lives_.over(t)) rows_.count({t.socket, t.from, t.path, t.reason}, *life);
    return;
  }
  if (options_.of == Of::Accept) return count_of_accept(t);
  if (!wanted(t.from)) return;
  if (!whole_) {
    if (dwelt) rows_.count({t.socket, t.from}, t.dwell);
    count_wait(t.socket, t.accept_wait_ns);
  } else if (t.last()) {
    const Dwell life = t.life_ns ? Dwell{Bound::Exact, *t.life_ns} : Dwell{};
    rows_.count({t.socket, t.from, t.path, t.reason}, life);
  }
}

void Aggregator::Impl::tally(const Tally& tally) {
  for (const State state : kLifeOrder)
    rows_.add(state, tally.states[static_cast<std::size_t>(state)], open_known_);
  rows_.add_not_accepted(tally.not_accepted);
}

void Aggregator::Impl::move_to(const Socket& socket, State to, State from, bool begins) {
  if (!following_) {
    connections += begins;
    return;
  }
  const bool stays = to != State::Close && wanted(to);
  OpenTable::Entry* const entry = open_.find(socket.id);
  if (entry != nullptr && entry->row != OpenTable::kAbsent) {
    leave(entry->row);
    if (stays) {
      entry->row = enter(socket, to);
    } else {
      open_.drop(socket.id, &OpenTable::Entry::row);
      --open_count_;
    }
    return;
  }
  if (!wanted(to) && !wanted(from)) return;
  ++connections;
  if (!stays) return;
  if (open_count_ >= options_.max_open) return stop_following();
  open_.add(socket.id).row = enter(socket, to);
  ++open_count_;
}

/// Each stay that is over is a dwell. Where it is open, its last stay is not, and comes again.
void Aggregator::Impl::connection(const Connection& c) {
  const Stay* const over = c.open() && !c.stays.empty() ? c.stays.end() - 1 : c.stays.end();
  bool any_wanted = c.open() && wanted(c.state);
  for (const Stay* stay = c.stays.begin(); stay != over; ++stay) {
    if (!wanted(stay->state)) continue;
    any_wanted = true;
    if (options_.of != Of::State || whole_) continue;
    if (is_as_long(stay->dwell)) rows_.count({c.socket, stay->state}, stay->dwell);
    if (stay->state == State::Established) count_wait(c.socket, c.accept_wait_ns);
  }
  if (options_.of == Of::Life) {
    if (const auto life = lives_.over(c))
      rows_.count({c.socket, c.stays.back().state, c.path, c.reason}, *life);
  } else if (options_.of == Of::Accept) {
    count_of_accept(c);
  } else if (whole_ && !c.open() && !c.stays.empty() && wanted(c.stays.back().state)) {
    const Dwell life = c.life_ns ? Dwell{Bound::Exact, *c.life_ns} : Dwell{};
    rows_.count({c.socket, c.stays.back().state, c.path, c.reason}, life);
  }
  OpenTable::Entry* const entry = following_ ? open_.find(c.socket.id) : nullptr;
  const bool known = entry != nullptr && entry->row != OpenTable::kAbsent;
  connections += !known && any_wanted;
  if (known) {
    leave(entry->row);
    open_.drop(c.socket.id, &OpenTable::Entry::row);
    --open_count_;
  }
  if (!following_ || !c.open() || !wanted(c.state)) return;
  if (open_count_ >= options_.max_open) return stop_following();
  open_.add(c.socket.id).row = enter(c.socket, c.state);
  ++open_count_;
}

/// A partial count of what is open would be a wrong one.
void Aggregator::Impl::stop_following() {
  following_ = false;
  open_known_ = false;
  forget_open();
  rows_.zero_open();
}

void Aggregator::Impl::forget_open() {
  open_.drop_all(&OpenTable::Entry::row);
  open_count_ = 0;
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
  summary.of = options_.of;
  summary.by = options_.by;
  summary.rows = rows_.take(open_known_);
  summary.rows_left_out = rows_.take_left_out();
  summary.lost = std::exchange(lost, {});
  summary.minisockets_off = minisockets_off_;
  if (minisockets_off_) forget_unobserved(summary);
  start_wall_ns_ = end_wall_ns;
  return summary;
}

Aggregator::Aggregator(AggregatorOptions options)
    : impl_(std::make_unique<Impl>(std::move(options), nullptr)) {}
Aggregator::Aggregator(AggregatorOptions options, OpenTable& open)
    : impl_(std::make_unique<Impl>(std::move(options), &open)) {}
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

Status Aggregator::tally(const Tally& tally) {
  impl_->tally(tally);
  return Ok;
}

Status Aggregator::connection(const Connection& connection) {
  impl_->connection(connection);
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
