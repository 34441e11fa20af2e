// SPDX-License-Identifier: BSD-2-Clause
/// The most local ports that surveys found taken at once towards each destination.
#pragma once

#include <tsl/robin_map.h>

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "aggregate/row_table.h"
#include "model/survey.h"

namespace tcpdwell {

class PortPeaks {
 public:
  /// Destinations; those beyond have the peak of the last survey.
  static constexpr std::size_t kMost = 16384;

  /// Whose ports, and those that connect() chooses from; the kernel's default where not known.
  void begin_host(const std::string& host, std::optional<EphemeralPorts> ports) {
    host_ = host;
    range_ = ports;
  }
  /// Those of a network namespace, from now on.
  void local_ports(const LocalPorts& ports);
  void add(const Survey& survey, std::int64_t wall_ns);
  /// Peaks are those from the next survey on.
  void begin_window() { peaks_.clear(); }
  /// Of a survey that was added; the highest peak first.
  std::vector<PortRow> rows(const Survey& survey) const;

 private:
  struct Peak {
    std::uint64_t ports = 0, time_wait = 0;
    std::int64_t wall_ns = 0;
  };
  struct Place {
    std::uint32_t netns = 0;
    std::string vrf;
    auto operator<=>(const Place&) const = default;  // NOLINT: what the compiler makes has a 0
  };

  const LocalPorts* ports_of(const PortRow& row) const;
  void fill(PortRow& row) const;

  std::string host_;
  std::optional<EphemeralPorts> range_;
  std::map<Place, LocalPorts> namespaces_;
  tsl::robin_map<PackedKey, Peak, PackedKeyHash> peaks_;
};

}  // namespace tcpdwell
