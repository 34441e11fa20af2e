// SPDX-License-Identifier: BSD-2-Clause
#include "aggregate/port_peaks.h"

#include <algorithm>
#include <tuple>

namespace tcpdwell {
namespace {

PackedKey key_of(const PortRow& row) {
  PackedKey key;
  key.put(row.netns);
  key.put(row.family);
  key.put(row.local.addr);
  key.put(row.remote.addr);
  key.put(row.remote.port);
  return key;
}

}  // namespace

void PortPeaks::add(const Survey& survey, std::int64_t wall_ns) {
  for (const PortRow& row : survey.ports) {
    const PackedKey key = key_of(row);
    if (peaks_.size() >= kMost && !peaks_.contains(key)) continue;
    Peak& peak = peaks_[key];
    if (row.live + row.time_wait > peak.ports)
      peak = {row.live + row.time_wait, row.time_wait, wall_ns};
  }
}

std::vector<PortRow> PortPeaks::rows(const Survey& survey) const {
  const EphemeralPorts range = range_.value_or(EphemeralPorts{});
  std::vector<PortRow> rows = survey.ports;
  for (PortRow& row : rows) {
    row.host = host_;
    row.range = 1U + range.last - range.first;
    row.range_known = range_.has_value();
    const auto peak = peaks_.find(key_of(row));
    const bool known = peak != peaks_.end();
    row.peak = known ? peak->second.ports : row.live + row.time_wait;
    row.peak_time_wait = known ? peak->second.time_wait : row.time_wait;
    row.peak_wall_ns = known ? peak->second.wall_ns : 0;
  }
  const auto rank = [](const PortRow& row) {
    return std::tie(row.peak, row.remote.addr, row.remote.port, row.local.addr, row.netns);
  };
  std::sort(rows.begin(), rows.end(),
            [&](const PortRow& a, const PortRow& b) { return rank(b) < rank(a); });
  return rows;
}

}  // namespace tcpdwell
