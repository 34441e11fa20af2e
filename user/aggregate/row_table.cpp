// SPDX-License-Identifier: BSD-2-Clause
#include "aggregate/row_table.h"

#include <algorithm>
#include <optional>
#include <string>
#include <utility>

namespace tcpdwell {
namespace {

/// Not yet known, or none: a listening socket has no peer.
bool unset(const Endpoint& endpoint) {
  return std::all_of(endpoint.addr.begin(), endpoint.addr.end(),
                     [](auto byte) { return byte == 0; });
}

}  // namespace

void pack(PackedKey& packed, Key key, const RowSubject& subject) {
  const Socket& socket = subject.socket;
  switch (key) {
    case Key::State:
      return packed.put(subject.not_accepted ? static_cast<State>(kStateCount) : subject.state);
    case Key::Pid:
      packed.put(socket.owner.pid.value_or(0));
      return packed.put(static_cast<std::uint8_t>(socket.owner.pid.has_value()));
    case Key::Comm:
      return packed.put(socket.owner.comm.bytes);
    case Key::LocalPort:
      return packed.put(socket.local.port);
    case Key::RemotePort:
      return packed.put(socket.remote.port);
    case Key::Remote:
      // Sockets without a peer share a row, whatever their family.
      packed.put(unset(socket.remote) ? Family::V4 : socket.family);
      return packed.put(socket.remote.addr);
    case Key::Cgroup:
      return packed.put(socket.cgroup_id);
    case Key::Netns:
      return packed.put(socket.netns);
    case Key::End:
      packed.put(subject.reason);
      // A reason is all that is shown where there is one: who closed must not split the row.
      return packed.put(subject.reason == Reason::None ? closer_of(subject.path, Reason::None)
                                                       : Closer::None);
    case Key::Path:
      return packed.put(subject.path.packed());
  }
}

namespace {

/// The number a numeric key has; 0 stands for "none" in all of them but the pid.
std::optional<std::uint64_t> number_of(Key key, const Socket& socket) {
  const auto known = [](std::uint64_t number) {
    return number == 0 ? std::nullopt : std::optional(number);
  };
  switch (key) {
    case Key::Pid:
      return socket.owner.pid;
    case Key::LocalPort:
      return known(socket.local.port);
    case Key::RemotePort:
      return known(socket.remote.port);
    case Key::Cgroup:
      return known(socket.cgroup_id);
    case Key::Netns:
      return known(socket.netns);
    default:
      return std::nullopt;
  }
}

std::string end_text(const RowSubject& subject) {
  if (subject.reason != Reason::None) return std::string(name_of(subject.reason));
  return "closed by " + std::string(name_of(closer_of(subject.path, Reason::None)));
}

}  // namespace

std::string text_of(Key key, const RowSubject& subject) {
  const Socket& socket = subject.socket;
  switch (key) {
    case Key::State:
      return std::string(subject.not_accepted ? kNotAccepted : name_of(subject.state));
    case Key::Comm:
      return std::string(socket.owner.comm.view());
    case Key::Remote:
      return unset(socket.remote) ? "" : address_text(socket.family, socket.remote);
    case Key::End:
      return end_text(subject);
    case Key::Path:
      return subject.path.to_string();
    default: {
      const auto number = number_of(key, socket);
      return number ? std::to_string(*number) : "";
    }
  }
}

RowTable::RowTable(std::vector<Key> by, std::size_t max_rows)
    : by_(std::move(by)), by_state_(by_ == std::vector{Key::State}), max_rows_(max_rows) {
  if (!by_state_) return;
  slots_.resize(kStateCount + 1);
  const Socket nobody;
  const auto use = [this](Slot& slot, const RowSubject& subject) {
    slot.used = true;
    slot.open_complete = !subject.not_accepted;
    describe(slot.row, subject);
  };
  for (State state : kLifeOrder) use(slots_[static_cast<std::size_t>(state)], {nobody, state});
  use(slots_[kNotAcceptedRow],
      {.socket = nobody, .state = State::Established, .not_accepted = true});
}

void RowTable::count(const RowSubject& subject, const Dwell& dwell) {
  const Index index = find_or_add(subject);
  if (index == kNoRow) {
    ++left_out_;
    return;
  }
  Row& row = slots_[index].row;
  switch (dwell.bound) {
    case Bound::Exact:
      return row.exact.add(dwell.ns);
    case Bound::AtLeast:
      ++row.at_least;
      return;
    case Bound::Unknown:
      ++row.unknown;
      return;
  }
}

void RowTable::add(State state, const Tally::OfState& counted, bool open_known) {
  assert(by_state_);
  Slot& slot = slots_[static_cast<std::size_t>(state)];
  slot.row.exact.merge(counted.exact);
  slot.row.at_least += counted.at_least;
  slot.row.unknown += counted.unknown;
  if (open_known) slot.open += counted.opened;
}

void RowTable::add_not_accepted(const Tally::OfState& counted) {
  assert(by_state_);
  slots_[kNotAcceptedRow].row.exact.merge(counted.exact);
}

RowTable::Index RowTable::enter(const RowSubject& subject) {
  const Index index = find_or_add(subject);
  ++(index == kNoRow ? without_row_ : slots_[index].open);
  return index;
}

void RowTable::leave(Index row) { --(row == kNoRow ? without_row_ : slots_[row].open); }

void RowTable::zero_open() {
  for (Slot& slot : slots_) slot.open = 0;
}

RowTable::Index RowTable::find_or_add(const RowSubject& subject) {
  if (by_state_) return subject.not_accepted ? kNotAcceptedRow : static_cast<Index>(subject.state);
  PackedKey packed;
  for (Key key : by_) pack(packed, key, subject);
  const auto found = index_.find(packed);
  return found != index_.end() ? found->second : add(subject, packed);
}

RowTable::Index RowTable::add(const RowSubject& subject, const PackedKey& key) {
  if (index_.size() >= max_rows_) return kNoRow;
  if (free_.empty()) {
    free_.push_back(static_cast<Index>(slots_.size()));
    slots_.emplace_back();
  }
  const Index index = free_.back();
  free_.pop_back();
  index_.emplace(key, index);
  Slot& slot = slots_[index];
  slot.used = true;
  slot.key = key;
  slot.open_complete = without_row_ == 0 && !subject.not_accepted;
  describe(slot.row, subject);
  return index;
}

void RowTable::describe(Row& row, const RowSubject& subject) const {
  for (Key key : by_) {
    row.keys.push_back(text_of(key, subject));
    row.numeric.push_back(number_of(key, subject.socket));
  }
}

std::vector<Row> RowTable::take(bool open_known) {
  std::vector<Row> rows;
  for (Index index : filled()) rows.push_back(take_row(index, open_known));
  release_idle();
  return rows;
}

std::uint64_t RowTable::take_left_out() { return std::exchange(left_out_, 0); }

std::vector<RowTable::Index> RowTable::filled() const {
  std::vector<Index> indices;
  const auto add_if_filled = [&](std::size_t index) {
    const Slot& slot = slots_[index];
    if (slot.used && (slot.open > 0 || slot.row.count() > 0)) {
      indices.push_back(static_cast<Index>(index));
    }
  };
  if (by_state_) {
    for (State state : kLifeOrder) {
      add_if_filled(static_cast<std::size_t>(state));
      if (state == State::Established) add_if_filled(kNotAcceptedRow);
    }
    return indices;
  }
  for (std::size_t index = 0; index < slots_.size(); ++index) add_if_filled(index);
  std::sort(indices.begin(), indices.end(),
            [this](Index a, Index b) { return comes_before(slots_[a].row, slots_[b].row); });
  return indices;
}

bool RowTable::comes_before(const Row& a, const Row& b) const {
  const std::uint64_t total_a = a.exact.total().value_or(0);
  const std::uint64_t total_b = b.exact.total().value_or(0);
  if (total_a != total_b) return total_a > total_b;
  for (std::size_t i = 0; i < by_.size(); ++i) {
    if (a.numeric[i] != b.numeric[i]) return a.numeric[i] < b.numeric[i];
    if (a.keys[i] != b.keys[i]) return a.keys[i] < b.keys[i];
  }
  return false;
}

Row RowTable::take_row(Index index, bool open_known) {
  Slot& slot = slots_[index];
  Row taken = std::move(slot.row);
  if (open_known && slot.open_complete)
    taken.open = static_cast<std::uint64_t>(std::max<std::int64_t>(slot.open, 0));
  slot.row = Row{};
  slot.row.keys = taken.keys;
  slot.row.numeric = taken.numeric;
  return taken;
}

void RowTable::release_idle() {
  if (by_state_) return;
  for (std::size_t index = 0; index < slots_.size(); ++index) {
    Slot& slot = slots_[index];
    if (!slot.used || slot.open > 0) continue;
    index_.erase(slot.key);
    slot = Slot{};
    free_.push_back(static_cast<Index>(index));
  }
}

}  // namespace tcpdwell
