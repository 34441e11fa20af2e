// SPDX-License-Identifier: BSD-2-Clause
// A connection that comes as one line (Detail::Connections).
#include <array>
#include <cstdint>

#include "aggregate/analyzer_impl.h"
#include "util/moments.h"

namespace tcpdwell {
namespace {

/// The moments at which the stays of a connection began, and the last one ended. Counted from that
/// end backwards: an unknown stay is as if it were none.
class Moments {
 public:
  explicit Moments(const Connection& c) {
    at_[c.stays.size()] = c.wall_ns();
    for (std::size_t i = c.stays.size(); i-- > 0;) {
      const Dwell& dwell = (c.stays.begin() + i)->dwell;
      at_[i] = earlier(at_[i + 1], dwell.bound == Bound::Unknown ? 0 : dwell.ns);
    }
  }
  std::int64_t begin_of(std::size_t stay) const { return at_[stay]; }

 private:
  std::array<std::int64_t, Stays::kMost + 1> at_{};
};

/// Whether a line has the whole of its connection.
bool is_whole(const Connection& c) {
  return c.start_wall_ns && !c.stays.empty() && c.path.size() == c.stays.size() + !c.open();
}

}  // namespace

/// The same as its lines would have told one by one; what needs the order of all lines of a host,
/// how many ports were taken at once, cannot be told.
void Analyzer::Impl::connection(const Connection& c) {
  note(c.wall_ns());
  const Moments moments(c);
  Followed* const known = find(c.socket.id);
  Followed& followed = passing_;
  if (known != nullptr)
    followed = *known;
  else
    followed.begin_anew();
  followed.socket = c.socket;
  if (known == nullptr || !c.path.empty()) followed.role = role_of(c);
  followed.begin_wall_ns = c.start_wall_ns;
  followed.accept_wait = c.accept_wait_ns.value_or(Followed::kNotKnown);
  const State first = c.stays.empty() ? c.state : c.stays.begin()->state;
  Transition& t = line_;
  t.socket = c.socket;
  t.dwell = {};
  t.reason = Reason::None;
  t.life_ns.reset();
  t.path = {};
  t.traffic.reset();
  t.accept_queue.reset();
  t.deferred = t.queue_full = false;
  if (known == nullptr && is_whole(c)) begin_whole(followed, t, first, moments.begin_of(0));
  timeline_.move(moments.begin_of(0), known != nullptr ? std::optional(known->state) : std::nullopt,
                 first);
  followed.state = first;
  const std::size_t over = c.stays.size() - (c.open() && !c.stays.empty());
  for (std::size_t i = 0; i < over; ++i) {
    const Stay& stay = *(c.stays.begin() + i);
    t.wall_ns = moments.begin_of(i + 1);
    t.from = stay.state;
    t.to = i + 1 < c.stays.size() ? (c.stays.begin() + i + 1)->state : State::Close;
    t.dwell = stay.dwell;
    t.deferred = c.deferred && t.from == State::SynRecv;
    t.queue_full = c.queue_full && t.from == State::SynRecv;
    if (t.last()) {
      t.reason = c.reason;
      t.life_ns = c.life_ns;
      t.path = c.path;
      t.traffic = c.traffic;
      t.accept_queue = c.accept_queue;
    }
    end_stay(followed, t);
  }
  if (c.open()) return keep_open(c, followed, known != nullptr);
  if (known != nullptr) forget(c.socket.id);
}

void Analyzer::Impl::begin_whole(Followed& followed, Transition& t, State first,
                                 std::int64_t began_ns) {
  t.wall_ns = began_ns;
  t.to = first;
  t.from = t.to == State::SynRecv ? State::Listen : State::Close;
  edges_.add(t);
  if (t.to != State::Listen) timeline_.open(began_ns);
  findings_.moved(followed, t);
}

void Analyzer::Impl::end_stay(Followed& followed, const Transition& t) {
  ends_.add(t);
  edges_.add(t);
  findings_.moved(followed, t);
  followed.add_segment(t.from, t.dwell);
  if (!t.last()) {
    timeline_.move(t.wall_ns, t.from, t.to);
    followed.state = t.to;
    return;
  }
  timeline_.move(t.wall_ns, t.from, std::nullopt);
  if (t.from == State::Listen) return;
  if (t.reason != Reason::NoLocalPort) {
    timeline_.close(t.wall_ns);
  } else if (followed.begin_wall_ns) {
    timeline_.not_opened(*followed.begin_wall_ns);
  }
  connections_.finished(host_, followed, t);
  if (options_.on_connection) options_.on_connection(finished_row(host_, followed, t));
}

void Analyzer::Impl::keep_open(const Connection& c, const Followed& followed, bool known) {
  Followed now = followed;
  now.state = c.state;
  now.since_wall_ns = c.wall_ns();
  now.since_before = c.stays.empty() ? Dwell{} : c.stays.back().dwell;
  if (c.state == State::TimeWait && c.path.size() > 1) now.closer = closer_of(c.path, Reason::None);
  if (known) {
    *find(c.socket.id) = now;
  } else if (slots_.taken() >= options_.max_followed) {
    ++not_followed_;
    timeline_.move(c.wall_ns(), c.state, std::nullopt);
  } else {
    const FollowedSlots::Index slot = slots_.take();
    open_.add(c.socket.id).slot = slot;
    slots_[slot] = now;
  }
}

}  // namespace tcpdwell
