// SPDX-License-Identifier: BSD-2-Clause
/// Open connections gathered by what they have in common, and how many of each began and ended.
#pragma once

#include <tsl/robin_map.h>

#include <cstddef>
#include <string>
#include <vector>

#include "aggregate/followed.h"
#include "aggregate/rows.h"
#include "model/group.h"

namespace tcpdwell {

/// An event costs nothing unless a connection begins or ends with it; what is open is counted by
/// whoever follows connections, calling open() for each.
class Groups : public Consumer {
 public:
  static constexpr std::size_t kMostRows = 65536;

  explicit Groups(Grouping grouping) : grouping_(std::move(grouping)) {}
  Status transition(const Transition& t) override;
  void open(const Followed& followed, const Dwell& age);
  /// The rows with anything in them, in no order. Counting begins anew.
  std::vector<Group> take();
  /// Sockets and lines that had no row for want of room, of what was taken last.
  std::uint64_t left_out() const { return left_out_; }
  const Grouping& grouping() const { return grouping_; }

 private:
  Group* row(const Socket& socket, State state, Role role);

  const Grouping grouping_;
  tsl::robin_map<PackedKey, std::size_t, PackedKeyHash> index_;
  std::vector<Group> rows_;
  std::uint64_t without_row_ = 0, left_out_ = 0;
};

/// Whether it is in the row that has these `keys`.
bool in_group(const Grouping& grouping, const std::vector<std::string>& keys,
              const Followed& followed);

}  // namespace tcpdwell
