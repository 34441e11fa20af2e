// SPDX-License-Identifier: BSD-2-Clause
/// How long connections lived. Pure.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <unordered_map>

#include "model/conn_id_hash.h"
#include "model/event.h"

namespace tcpdwell {

/// A life begins with the SYN and is over when the connection ends, or enters TIME_WAIT: both sides
/// have closed by then, and the minute that the kernel keeps the ports is nobody's wait. A listener
/// has none.
class Lives {
 public:
  /// `at_end`: told with the last line, whose reason and path are known; still without TIME_WAIT.
  explicit Lives(bool at_end, std::size_t most = 4'000'000) : at_end_(at_end), most_(most) {}

  /// The life that is over with this event; of unknown length where its beginning was not seen.
  std::optional<Dwell> over(const Transition& t);
  std::optional<Dwell> over(const Connection& c) const;

 private:
  struct Known {
    std::uint64_t begin_mono_ns = 0;
    Dwell life{};  ///< once it is in TIME_WAIT, with `at_end_`; until then of unknown length
  };
  std::optional<Dwell> enter_time_wait(const Transition& t);

  const bool at_end_;
  const std::size_t most_;  ///< beyond it lives are of unknown length
  std::unordered_map<ConnId, Known, ConnIdHash> known_;
};

}  // namespace tcpdwell
