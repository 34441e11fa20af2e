// SPDX-License-Identifier: BSD-2-Clause
#include "aggregate/ports.h"

#include <algorithm>
#include <functional>
#include <iterator>

namespace tcpdwell {

void Ports::begin_host(const std::string& host, std::optional<EphemeralPorts> ports) {
  host_ = host;
  ++host_number_;
  ports_ = ports.value_or(EphemeralPorts{});
  ports_known_ = ports.has_value();
  first_of_host_ = rows_.size();
}

Ports::Index Ports::take_port(const Socket& socket, Role role, bool time_wait,
                              std::int64_t wall_ns) {
  if (role == Role::Passive || socket.remote.port == 0 || !is_ephemeral(socket.local.port))
    return kNoRow;
  if (role == Role::Unknown && is_ephemeral(socket.remote.port)) return kNoRow;
  PackedKey key;
  key.put(host_number_);
  key.put(socket.netns);
  key.put(socket.family);
  key.put(socket.local.addr);
  key.put(socket.remote.addr);
  key.put(socket.remote.port);
  const auto found = index_.find(key);
  Index index = found != index_.end() ? found->second : kNoRow;
  if (found == index_.end()) {
    if (free_.empty()) {
      if (rows_.size() >= kMostRows) return ++left_out_, kNoRoom;
      free_.push_back(static_cast<Index>(rows_.size()));
      rows_.emplace_back();
    }
    index = free_.back();
    free_.pop_back();
    PortRow row;
    row.host = host_;
    row.netns = socket.netns;
    row.family = socket.family;
    row.local.addr = socket.local.addr;
    row.remote = socket.remote;
    row.range = 1U + ports_.last - ports_.first;
    row.range_known = ports_known_;
    rows_[index] = row;
    index_.emplace(key, index);
  }
  PortRow& row = rows_[index];
  ++(time_wait ? row.time_wait : row.live);
  note_peak(row, wall_ns);
  return index;
}

void Ports::to_time_wait(Index index, std::int64_t wall_ns) {
  if (index == kNoRow || index == kNoRoom) return;
  PortRow& row = rows_[index];
  --row.live;
  ++row.time_wait;
  note_peak(row, wall_ns);
}

void Ports::release(Index index, bool time_wait) {
  if (index == kNoRow || index == kNoRoom) return;
  --(time_wait ? rows_[index].time_wait : rows_[index].live);
}

void Ports::release_all() {
  for (std::size_t i = first_of_host_; i < rows_.size(); ++i)
    rows_[i].live = rows_[i].time_wait = 0;
}

void Ports::begin_window(std::int64_t wall_ns) {
  for (auto at = index_.begin(); at != index_.end();) {
    PortRow& row = rows_[at->second];
    if (row.live + row.time_wait > 0) {
      row.peak = 0;
      note_peak(row, wall_ns);
      ++at;
    } else {
      row = PortRow{};
      free_.push_back(at->second);
      at = index_.erase(at);
    }
  }
  // The order of an index is its own: which row is taken next is told by `take` where peaks are
  // equal.
  std::sort(free_.begin(), free_.end(), std::greater<>());
}

void Ports::note_peak(PortRow& row, std::int64_t wall_ns) {
  if (row.live + row.time_wait <= row.peak) return;
  row.peak = row.live + row.time_wait;
  row.peak_time_wait = row.time_wait;
  row.peak_wall_ns = wall_ns;
}

std::vector<PortRow> Ports::take(std::size_t most) const {
  std::vector<PortRow> rows;
  std::copy_if(rows_.begin(), rows_.end(), std::back_inserter(rows),
               [](const PortRow& row) { return row.peak > 0; });
  std::stable_sort(rows.begin(), rows.end(), [](const PortRow& a, const PortRow& b) {
    return a.peak * b.range > b.peak * a.range;
  });
  if (rows.size() > most) rows.resize(most);
  return rows;
}

}  // namespace tcpdwell
