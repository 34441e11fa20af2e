// SPDX-License-Identifier: BSD-2-Clause
/// From events to tables. Pure: time comes from the events alone, no I/O.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "model/event.h"
#include "model/summary.h"

namespace tcpdwell {

class OpenTable;

struct AggregatorOptions {
  Of of = Of::State;
  std::vector<Key> by = {Key::State};
  StateSet states = 0;  ///< rows for these states only; 0 = all
  /// Of the stays of a Connection, and of waits for accept(), those of this length alone.
  std::uint64_t min_dwell_ns = 0;
  bool open_known = true;  ///< false when a filter cuts the lines that enter a state (--min-dwell)
  std::size_t max_rows = 65536;
  std::size_t max_open = 4'000'000;  ///< connections followed at once; beyond it `open` is absent
};

/// Counts finished dwells per row and follows open connections (one small entry each).
/// take_summary() may be called any number of times: counters restart, open connections stay.
class Aggregator : public Consumer {
 public:
  explicit Aggregator(AggregatorOptions options);
  /// With a table that outlives it, which an Analyzer of the same stream may share.
  Aggregator(AggregatorOptions options, OpenTable& open);
  ~Aggregator() override;
  Status header(const Header&) override;
  Status transition(const Transition&) override;
  Status seed(const Seed&) override;
  Status tally(const Tally&) override;
  Status connection(const Connection&) override;
  Status loss(const Loss&) override;
  Status end(const TraceEnd&) override;

  /// The table since the start or the last take_summary(), ending at `end_wall_ns`.
  Summary take_summary(std::int64_t end_wall_ns);
  std::uint64_t transitions() const;  ///< since the start
  /// Distinct connections seen since the start. One that leaves `states` and comes back counts
  /// again, and past max_open only those count whose beginning was seen.
  std::uint64_t connections() const;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace tcpdwell
