// SPDX-License-Identifier: BSD-2-Clause
/// The connections that are open. One table serves all who follow the same stream, because finding
/// a connection among a hundred thousand is the dearest step of counting a transition.
#pragma once

#include <tsl/robin_map.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <utility>

#include "model/conn_id_hash.h"
#include "model/event.h"
#include "util/huge_pages.h"

namespace tcpdwell {

class OpenTable {
 public:
  using Index = std::uint32_t;
  static constexpr Index kAbsent = UINT32_MAX - 1;
  /// Where each consumer keeps what it knows of the connection; kAbsent where it does not follow
  /// it.
  struct Entry {
    Index row = kAbsent;   ///< Aggregator's
    Index slot = kAbsent;  ///< Analyzer's
  };

  /// A fuller table takes a probe or two more and half the memory.
  explicit OpenTable(float most_full = 0.5F) {
    for (Part& part : parts_) part.max_load_factor(most_full);
  }

  /// nullptr if nobody follows it. Valid until something is added or dropped. Asking again for the
  /// connection that was asked for last costs nothing.
  Entry* find(const ConnId& id);
  /// Found, or made with both absent.
  Entry& add(const ConnId& id);
  /// The entry goes when the other consumer does not follow the connection either.
  void drop(const ConnId& id, Index Entry::*whose);
  void drop_all(Index Entry::*whose);

 private:
  using Part = tsl::robin_map<ConnId, Entry, ConnIdHash, std::equal_to<ConnId>,
                              HugePages<std::pair<ConnId, Entry>>>;
  static bool unused(const Entry& entry) { return entry.row == kAbsent && entry.slot == kAbsent; }

  Entry* look_up(const ConnId& id);
  Part& part_of(std::size_t hash) { return parts_[hash >> 58]; }

  /// A table of a million grows for a quarter of a second, in which the ring fills up: so they are
  /// many, by the high bits of the hash, and grow one by one.
  std::array<Part, 64> parts_;
  std::size_t size_ = 0;  ///< of all parts: where a line is a connection, nearly always 0
  ConnId last_id_;
  std::size_t last_hash_ = 0;  ///< of last_id_, once something was looked for
  Entry* last_ = nullptr;      ///< of last_id_; nullptr if it is not known
};

}  // namespace tcpdwell
