// SPDX-License-Identifier: BSD-2-Clause
/// A run that goes on, looked at whenever somebody asks: sums and surveys of the kernel side, and
/// connections that ended. Remembers nothing of what is open. Pure: time comes from the events and
/// the caller.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <tuple>
#include <vector>

#include "aggregate/analyzer.h"
#include "aggregate/lives.h"
#include "aggregate/port_peaks.h"
#include "aggregate/recent_past.h"
#include "model/live_state.h"

namespace tcpdwell {

class HostActivity : public Consumer {
 public:
  static constexpr std::size_t kOwners = 20, kDestinations = 20, kFailed = 20, kConnections = 100;
  static constexpr std::int64_t kWindowNs = 300'000'000'000;

  HostActivity();
  Status header(const Header&) override;
  Status transition(const Transition&) override { return Ok; }
  Status connection(const Connection&) override;
  Status tally(const Tally&) override;
  Status local_ports(const LocalPorts&) override;
  Status loss(const Loss&) override;
  /// What is open now, at the last tally(); `wish` says what of it is listed.
  void survey(Survey survey, const SurveyWish& wish, std::int64_t wall_ns);

  /// Once a few seconds: a tally() is due, and then a point of what look() tells of the past.
  bool point_is_due(std::uint64_t mono_ns) const { return past_.is_due(mono_ns); }
  void add_point(std::uint64_t mono_ns, std::int64_t wall_ns) {
    past_.add_point(mono_ns, wall_ns, totals_);
  }

  /// Findings, slowest connections and what else is recent are of the last one to two windows: call
  /// it now and then, it begins a new one when the last is old enough, and says so.
  bool keep_window(std::int64_t wall_ns);
  /// What `recent` told so far is forgotten.
  void begin_window(std::int64_t wall_ns);
  /// `mono_ns` and `wall_ns` are the same moment. What is open is the last survey's.
  LiveState look(std::uint64_t mono_ns, std::int64_t wall_ns) const;

 private:
  Analysis window() const;
  void note_failure(const Connection& connection);
  std::vector<FailedConnects> most_failed() const;

  static constexpr std::size_t kMostFailed = 4096;  ///< kept; at others it is not noted
  using Attempt = std::tuple<Family, std::array<std::uint8_t, 16>, std::uint16_t, Reason>;

  Analyzer analyzer_;
  Totals totals_;
  const Lives lives_{/*at_end=*/true};
  std::map<Attempt, std::uint64_t> failed_;
  PortPeaks ports_;
  RecentPast past_;
  Survey survey_;
  SurveyWish wish_;
  Analysis before_;  ///< the window before this one
  std::string minisockets_;
  std::int64_t start_wall_ns_ = 0, window_wall_ns_ = 0, before_wall_ns_ = 0;
};

}  // namespace tcpdwell
