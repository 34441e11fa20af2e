// SPDX-License-Identifier: BSD-2-Clause
/// `tcpdwell stuck`: the sockets that exist, oldest in their state first, and what they add up to.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "model/listing.h"
#include "util/output.h"

namespace tcpdwell {

struct StuckOptions {
  bool colour = false;
  bool wide = false;        ///< also cgroup paths in full, connection id, network namespace
  bool time = false;        ///< also when the state was entered
  std::size_t columns = 0;  ///< of the terminal; 0 = do not cut
};

/// An aligned table.
Status write_stuck_text(Output& out, const std::vector<Listed>& sockets,
                        const StuckOptions& options);
/// How many per state, then how many per owner, most first.
Status write_stuck_summary(Output& out, const std::vector<Listed>& sockets,
                           const StuckOptions& options);
/// A header row, then a row a socket; what is not known is an empty field.
Status write_stuck_csv(Output& out, const std::vector<Listed>& sockets);

}  // namespace tcpdwell
