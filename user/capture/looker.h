// SPDX-License-Identifier: BSD-2-Clause
/// Has the kernel side tell of all that is open, while it goes on.
#pragma once

#include <cstdint>

#include "capture/walker.h"

namespace tcpdwell {

class Looker {
 public:
  /// Both must outlive it.
  Looker(tcpdwell_bpf& skeleton, Walker& walker) : skeleton_(skeleton), walker_(walker) {}
  /// `changed`: of what has changed its state since the last time alone.
  Status look(bool changed, const Drain& drain);

 private:
  tcpdwell_bpf& skeleton_;
  Walker& walker_;
  std::uint64_t looked_ns_ = 0;  ///< when the last look began
};

}  // namespace tcpdwell
