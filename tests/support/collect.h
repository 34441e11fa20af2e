// SPDX-License-Identifier: BSD-2-Clause
/// Consumers that keep what a tracer plays, and the loop that plays it.
#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <unordered_map>
#include <vector>

#include "capture/tracer.h"

namespace tcpdwell::test {

/// Keeps everything.
class Collector : public Consumer {
 public:
  Status transition(const Transition& transition) override;
  Status seed(const Seed& seed) override;

  /// The lines of one socket, in the order they came.
  std::vector<Transition> chain(std::uint64_t cookie) const;
  /// Sockets whose last line is -> CLOSE.
  bool closed(std::uint64_t cookie) const;

  std::vector<Transition> transitions;
  std::vector<Seed> seeds;
};

/// Keeps counts only, for more events than one wants to keep.
class Tally : public Consumer {
 public:
  Status transition(const Transition& transition) override;

  std::uint64_t count(State from, State to) const;
  std::uint64_t total() const { return total_; }
  /// Lines whose `from` is not the `to` of the socket's line before, or that say so themselves.
  std::uint64_t broken() const { return broken_; }
  /// Sockets that have not come to -> CLOSE.
  std::size_t open() const { return last_.size(); }

 private:
  std::array<std::array<std::uint64_t, kStateCount>, kStateCount> counts_{};
  std::unordered_map<std::uint64_t, State> last_;
  std::uint64_t total_ = 0, broken_ = 0;
};

/// Wall clock minus CLOCK_MONOTONIC in the tracers made here.
inline constexpr std::int64_t kWallOffset = 1'700'000'000'123'456'789;

/// Throws what Tracer::start says if it fails. By default full sockets only, as the loopback
/// workloads expect; the scripted peer asks for request and time-wait sockets too.
std::unique_ptr<Tracer> start_tracer(const Filter& filter,
                                     Minisockets minisockets = Minisockets::Off);
/// `options` but for the wall offset.
std::unique_ptr<Tracer> start_tracer(TracerOptions options);
/// Of one network namespace only.
std::unique_ptr<Tracer> start_tracer(std::uint32_t netns,
                                     Minisockets minisockets = Minisockets::Off);

/// Drains until `done` holds (true) or the time is over (false). Throws a drain error.
bool drain_until(Tracer& tracer, Consumer& consumer, const std::function<bool()>& done,
                 std::chrono::milliseconds limit = std::chrono::seconds(5));

/// Drains for `time`, for tests that show that nothing more comes.
void drain_for(Tracer& tracer, Consumer& consumer, std::chrono::milliseconds time);

/// Detaches and drains what is left.
void finish(Tracer& tracer, Consumer& consumer);

}  // namespace tcpdwell::test
