// SPDX-License-Identifier: BSD-2-Clause
/// Single connections: the slowest, the longest stuck, and a sample of all.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "aggregate/followed.h"

namespace tcpdwell {

/// The rows with the largest rank, in bounded memory.
class TopRows {
 public:
  explicit TopRows(std::size_t most) : most_(most) {}
  /// Whether a row of this rank would be kept.
  bool wants(std::uint64_t rank) const {
    return rows_.size() < most_ || (most_ != 0 && rank > rows_.front().first);
  }
  void add(std::uint64_t rank, ConnectionRow row);
  std::vector<ConnectionRow> take() const;  ///< the largest first

 private:
  std::size_t most_;
  std::vector<std::pair<std::uint64_t, ConnectionRow>> rows_;  ///< a heap, the smallest on top
};

struct ConnectionLimits {
  std::size_t slowest = 10, stuck = 10, sample = 0;
};

/// The sample is chosen by the ids alone, so it is the same however the traces were divided.
class Connections {
 public:
  explicit Connections(ConnectionLimits limits);
  void finished(const std::string& host, const Followed& followed, const Transition& last);
  void open_at_end(const std::string& host, const Followed& followed, std::int64_t end_wall_ns);
  void take(Analysis& into) const;

 private:
  bool sampling_;
  TopRows slowest_, stuck_, sample_;
  std::uint64_t seen_ = 0;
};

}  // namespace tcpdwell
