// SPDX-License-Identifier: BSD-2-Clause
/// Of all open connections the first ones in some order, without making a row of each.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "aggregate/followed.h"
#include "model/group.h"

namespace tcpdwell {

class FirstOpen {
 public:
  FirstOpen(OpenOrder order, bool reversed, std::size_t most)
      : order_(order), reversed_(reversed), most_(most) {}
  /// `followed` must stay until take().
  void add(const Followed& followed, const Dwell& age);
  std::uint64_t seen() const { return seen_; }
  /// In order.
  std::vector<ConnectionRow> take(std::int64_t wall_ns);

 private:
  struct Candidate {
    const Followed* followed;
    Dwell age;
  };
  bool before(const Candidate& a, const Candidate& b) const;

  OpenOrder order_;
  bool reversed_;
  std::size_t most_;
  std::uint64_t seen_ = 0;
  std::vector<Candidate> heap_;  ///< the last in order on top
};

}  // namespace tcpdwell
