// SPDX-License-Identifier: BSD-2-Clause
#include "aggregate/port_peaks.h"

#include <algorithm>
#include <tuple>

#include "aggregate/ports.h"

namespace tcpdwell {
namespace {

constexpr std::size_t kMostNamespaces = 4096;

}  // namespace

void PortPeaks::local_ports(const LocalPorts& ports) {
  const Place place{ports.netns, std::string(ports.vrf.view())};
  if (namespaces_.size() >= kMostNamespaces && !namespaces_.contains(place)) return;
  namespaces_[place] = ports;
}

/// Of the VRF if there is one of the row's name.
const LocalPorts* PortPeaks::ports_of(const PortRow& row) const {
  auto found = namespaces_.find({row.netns, std::string(row.iface.view())});
  if (found == namespaces_.end()) found = namespaces_.find({row.netns, ""});
  return found == namespaces_.end() ? nullptr : &found->second;
}

void PortPeaks::add(const Survey& survey, std::int64_t wall_ns) {
  for (const PortRow& row : survey.ports) {
    const PackedKey key = key_of(row);
    if (peaks_.size() >= kMost && !peaks_.contains(key)) continue;
    Peak& peak = peaks_[key];
    if (row.live + row.time_wait > peak.ports)
      peak = {row.live + row.time_wait, row.time_wait, wall_ns};
  }
}

void PortPeaks::fill(PortRow& row) const {
  const EphemeralPorts supposed = range_.value_or(EphemeralPorts{});
  const LocalPorts* const ports = ports_of(row);
  row.host = host_;
  row.range = ports != nullptr ? ports->available() : 1U + supposed.last - supposed.first;
  row.reserved = ports != nullptr ? ports->reserved : 0;
  row.range_known = ports != nullptr || range_.has_value();
  const auto peak = peaks_.find(key_of(row));
  const bool known = peak != peaks_.end();
  row.peak =
      std::min<std::uint64_t>(known ? peak->second.ports : row.live + row.time_wait, row.range);
  row.peak_time_wait = std::min(known ? peak->second.time_wait : row.time_wait, row.peak);
  row.peak_wall_ns = known ? peak->second.wall_ns : 0;
  if (ports != nullptr)
    row.bound = std::min<std::uint64_t>(ports->bound.value_or(0), row.range - row.peak);
}

std::vector<PortRow> PortPeaks::rows(const Survey& survey) const {
  std::vector<PortRow> rows = survey.ports;
  for (PortRow& row : rows) fill(row);
  const auto rank = [](const PortRow& row) {
    return std::tie(row.peak, row.remote.addr, row.remote.port, row.local.addr, row.netns,
                    row.iface.bytes);
  };
  std::sort(rows.begin(), rows.end(),
            [&](const PortRow& a, const PortRow& b) { return rank(b) < rank(a); });
  return rows;
}

}  // namespace tcpdwell
