// SPDX-License-Identifier: BSD-2-Clause
/// How long connections waited for accept(). Pure.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <unordered_map>

#include "model/conn_id_hash.h"
#include "model/event.h"

namespace tcpdwell {

/// A wait is over when accept() fetches the connection, or when it leaves ESTABLISHED and nobody
/// has.
class Waits {
 public:
  /// `at_end`: told with the last line, whose reason and path are known.
  explicit Waits(bool at_end, std::size_t most = 4'000'000) : at_end_(at_end), most_(most) {}

  /// The wait that is told with this event, if one is known. It is told once.
  std::optional<Dwell> over(const Transition& t);
  std::optional<Dwell> over(const Connection& c) const;

 private:
  const bool at_end_;
  const std::size_t most_;                                       ///< beyond it waits are not known
  std::unordered_map<ConnId, std::uint64_t, ConnIdHash> known_;  ///< with `at_end_`: of open ones
};

}  // namespace tcpdwell
