// SPDX-License-Identifier: BSD-2-Clause
/// How connections ended, and the arrows of the state diagram: both need single lines only.
#pragma once

#include <array>
#include <memory>
#include <vector>

#include "model/analysis.h"

namespace tcpdwell {

class Ends {
 public:
  void add(const Transition& t);  ///< those that are a connection's last line count
  static constexpr std::size_t kClosers = 4;
  /// Connections in TIME_WAIT, by who closed.
  using TimeWaits = std::array<std::uint64_t, kClosers>;
  std::vector<EndRow> take(const TimeWaits& waits = {}) const;

 private:
  std::array<std::unique_ptr<EndRow>, kReasonCount * kClosers> rows_;
};

class Edges {
 public:
  void add(const Transition& t);
  std::vector<Edge> take() const;

 private:
  std::array<std::unique_ptr<Edge>, kStateCount * kStateCount> edges_;
};

}  // namespace tcpdwell
