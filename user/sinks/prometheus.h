// SPDX-License-Identifier: BSD-2-Clause
/// A host at one moment as Prometheus and OpenMetrics text. docs/metrics.md says what each line
/// means.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "model/live_state.h"

namespace tcpdwell {

/// Containers and listeners that have series of their own, unless told otherwise.
inline constexpr std::size_t kMostSeriesRows = 20;

/// Of the process that answers.
struct ProcessFigures {
  std::uint64_t cpu_ns = 0;
  std::optional<std::uint64_t> resident_bytes;
  std::int64_t start_wall_ns = 0;
  std::string version, kernel, arch, minisockets;
};

enum class MetricsFormat { Prometheus, OpenMetrics };

std::string_view content_type_of(MetricsFormat format);
std::string metrics_text(const LiveState& state, const ProcessFigures& process,
                         MetricsFormat format, const std::vector<ContainerRow>& containers = {},
                         std::size_t most_listeners = kMostSeriesRows);

/// The value of a label, without its quotes: what printable() makes of it, backslashes and quotes
/// escaped as both formats want it.
std::string label_value(std::string_view text);

}  // namespace tcpdwell
