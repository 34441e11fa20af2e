// SPDX-License-Identifier: BSD-2-Clause
/// The sockets that exist, and what they add up to: what `stuck` prints, and `serve` as JSON.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "model/listing.h"
#include "util/output.h"

namespace tcpdwell {

struct ListingOptions {
  bool colour = false;
  bool wide = false;        ///< also cgroup paths in full, connection id, network namespace
  bool time = false;        ///< also when the state was entered
  std::size_t columns = 0;  ///< of the terminal, where the least important go; 0 = all
};

/// An aligned table.
Status write_listing_text(Output& out, const std::vector<Listed>& sockets,
                          const ListingOptions& options);
/// How many per state, then how many per owner, most first; on lines of `columns`, 0 = on one.
Status write_listing_summary(Output& out, const std::vector<Listed>& sockets, std::size_t columns);
/// A header row, then a row a socket; what is not known is an empty field, but for a port, which
/// is 0.
Status write_listing_csv(Output& out, const std::vector<Listed>& sockets);
/// A line a socket: `type` `socket`.
Status write_listing_json(Output& out, const std::vector<Listed>& sockets);
/// One such line, with its newline.
void append_json(std::string& out, const Listed& one);

}  // namespace tcpdwell
