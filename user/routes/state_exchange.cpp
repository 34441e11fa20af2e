// SPDX-License-Identifier: BSD-2-Clause
#include "routes/state_exchange.h"

#include <algorithm>
#include <cstdint>
#include <memory>
#include <mutex>
#include <utility>

#include "util/host_clock.h"

namespace tcpdwell {
namespace {

constexpr std::uint64_t kSecond = 1'000'000'000;
/// A state of 100,000 sockets takes some milliseconds to make, and ten more if all of them are in
/// it.
constexpr std::uint64_t kBetweenNs = kSecond / 4, kBetweenWholeNs = kSecond;
constexpr std::uint64_t kWholeKeptNs = 5 * kSecond;

}  // namespace

StateExchange::State StateExchange::get(std::uint64_t since_ns, bool all_sockets) {
  const std::lock_guard lock(mutex_);
  const State& have = all_sockets ? newest_whole_ : newest_;
  if (have && have->mono_ns >= since_ns) return have;
  (all_sockets ? whole_wanted_ : wanted_) = true;
  return nullptr;
}

bool StateExchange::make(const HostActivity& watch, std::int64_t wall_offset_ns) {
  const std::uint64_t now = host_clock_ns();
  State old;  // freed when the lock is not held any more
  bool whole = false, small = false;
  {
    const std::lock_guard lock(mutex_);
    const auto due = [now](const State& last, std::uint64_t between) {
      return !last || now - last->mono_ns >= between;
    };
    whole = whole_wanted_ && due(newest_whole_, kBetweenWholeNs);
    small = wanted_ && due(newest_, kBetweenNs);
    if (whole || due(newest_whole_, kWholeKeptNs)) old = std::exchange(newest_whole_, nullptr);
  }
  old.reset();
  whole = whole && whole_in_use() < kMostWhole;
  if (!whole && !small) return false;
  auto made = std::make_shared<const LiveState>(
      watch.look(now, static_cast<std::int64_t>(now) + wall_offset_ns, whole));
  if (whole) whole_made_.push_back(made);
  const std::lock_guard lock(mutex_);
  wanted_ = false;
  if (whole) {
    whole_wanted_ = false;
    old = std::exchange(newest_whole_, made);
  } else {
    old = std::exchange(newest_, std::move(made));
  }
  return true;
}

std::size_t StateExchange::whole_in_use() {
  whole_made_.erase(std::remove_if(whole_made_.begin(), whole_made_.end(),
                                   [](const auto& made) { return made.expired(); }),
                    whole_made_.end());
  return whole_made_.size();
}

}  // namespace tcpdwell
