// SPDX-License-Identifier: BSD-2-Clause
/// A run that goes on, looked at whenever somebody asks. Pure: time comes from the events and the
/// caller.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "aggregate/analyzer.h"
#include "model/live_state.h"

namespace tcpdwell {

class HostActivity : public Consumer {
 public:
  static constexpr std::size_t kOwners = 20, kDestinations = 20, kConnections = 100;
  static constexpr std::size_t kFollowed = 1'000'000;
  static constexpr std::int64_t kWindowNs = 300'000'000'000;

  /// Sockets beyond `max_followed` are counted and in no population.
  explicit HostActivity(std::size_t max_followed = kFollowed);
  Status header(const Header&) override;
  Status transition(const Transition&) override;
  Status seed(const Seed&) override;
  Status loss(const Loss&) override;

  /// Findings, slowest connections and what else is recent are of the last one to two windows: call
  /// it now and then, it begins a new one when the last is old enough.
  void keep_window(std::int64_t wall_ns);
  /// What `recent` told so far is forgotten.
  void begin_window(std::int64_t wall_ns);
  /// `mono_ns` and `wall_ns` are the same moment. With `all_sockets` it costs some 150 bytes a
  /// socket.
  LiveState look(std::uint64_t mono_ns, std::int64_t wall_ns, bool all_sockets) const;
  std::uint64_t connections() const { return totals_.opened_active + totals_.opened_passive; }

 private:
  Analyzer analyzer_;
  Totals totals_;
  Analysis before_;  ///< the window before this one
  std::string minisockets_;
  std::int64_t start_wall_ns_ = 0, window_wall_ns_ = 0, before_wall_ns_ = 0;
  std::uint64_t not_followed_before_ = 0;
};

}  // namespace tcpdwell
