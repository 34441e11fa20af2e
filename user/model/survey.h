// SPDX-License-Identifier: BSD-2-Clause
/// What is open at one moment, as the kernel lists it: counted and grouped there, so that a look at
/// a million sockets brings numbers and not sockets. Sockets that the filter passes alone.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "model/analysis.h"
#include "model/event.h"
#include "model/filter.h"
#include "model/listing.h"

namespace tcpdwell {

/// Since when a socket is conspicuous. docs/report.md says these too.
inline constexpr std::uint64_t kLeakAgeNs = 60'000'000'000;  ///< in CLOSE_WAIT
inline constexpr std::uint64_t kHeldAgeNs = 10'000'000'000;  ///< in FIN_WAIT2

/// Which sockets a survey is to list beside its numbers: the oldest of those that match.
struct SurveyWish {
  StateSet states = 0;         ///< in one of these
  std::uint64_t older_ns = 0;  ///< and in it for so long
  std::size_t most = 0;        ///< no more; 0: list none
  friend bool operator==(const SurveyWish&, const SurveyWish&) = default;
};

/// Sockets that a process name owns, by state.
struct OwnerRow {
  std::optional<Comm> comm;  ///< absent: all names beyond the largest
  std::array<std::uint64_t, kStateCount> sockets{};
  std::uint64_t unclosed = 0, oldest_unclosed_ns = 0;  ///< in CLOSE_WAIT for kLeakAgeNs
};

/// Sockets to an address that are in FIN_WAIT2 for kHeldAgeNs.
struct HeldRow {
  Family family = Family::V4;
  Endpoint remote;  ///< the port is 0
  std::uint64_t held = 0, longest_ns = 0;
};

/// Sockets of a cgroup.
struct CgroupRow {
  std::uint64_t id = 0;
  std::array<std::uint64_t, kStateCount> sockets{}, oldest_ns{};  ///< 0 where no age is known
};

/// Those that listen at an address and port of a network namespace.
struct ListenerRow {
  std::uint32_t netns = 0;
  Family family = Family::V4;
  Endpoint local;
  std::uint64_t waiting = 0, most = 0;  ///< connections nobody has accepted, and that may wait
  std::uint64_t drops = 0;              ///< of the sockets that listen there now, since they do
  /// SYNs and ACKs that found the queue full, of those sockets since they were first seen; absent
  /// where they cannot be told from other drops.
  std::optional<std::uint64_t> overflows;
};

/// Sockets at a local port of a network namespace at which some listen.
struct ListenPortRow {
  std::uint32_t netns = 0;
  std::uint16_t port = 0;
  std::array<std::uint64_t, kStateCount> sockets{};
};

struct Survey {
  std::uint64_t mono_ns = 0;  ///< when it began; host_clock_ns()
  std::uint64_t took_ns = 0;  ///< until it was over
  std::uint64_t cost_ns = 0;  ///< of a processor's time
  std::array<std::uint64_t, kStateCount> population{};
  std::array<std::optional<Dwell>, kStateCount> oldest;  ///< of those whose age is known or bounded
  std::vector<OwnerRow> owners;                          ///< in no order
  std::vector<PortRow> ports;                            ///< in no order; without peaks and range
  std::uint64_t ports_left_out = 0;  ///< connections whose destination found no room
  std::vector<HeldRow> held;         ///< in no order
  /// In no order: what each cgroup has, but for those beyond 4,096. Never null.
  std::shared_ptr<const std::vector<CgroupRow>> cgroups =
      std::make_shared<const std::vector<CgroupRow>>();
  std::array<std::uint64_t, kStateCount> of_other_cgroups{};
  std::vector<ListenerRow> listeners;       ///< in no order, but for those beyond 4,096
  std::vector<ListenPortRow> listen_ports;  ///< in no order; of the first 4,096 ports that were met
  std::uint64_t matching = 0;               ///< sockets that the wish is about
  /// Open ones, with all their stays, the longest in their state first. Seen a moment after the
  /// rest was counted, each at its own. Requests without a cookie are none.
  std::vector<Connection> listed;
  /// What waits for somebody, with who has it open now, by cookie; nullptr where nobody
  /// looked.
  std::shared_ptr<const std::vector<Listed>> waiting;
};

}  // namespace tcpdwell
