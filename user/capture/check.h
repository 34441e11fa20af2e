// SPDX-License-Identifier: BSD-2-Clause
/// What this kernel and these privileges allow.
#pragma once

#include <string>
#include <vector>

#include "model/state.h"

namespace tcpdwell {

struct CheckItem {
  std::string name;  ///< "BTF", "tracepoint sock/inet_sock_set_state", "CAP_BPF"
  bool ok = false;
  bool needed = true;       ///< false: only some states or details depend on it
  bool permission = false;  ///< when not ok: a privilege is missing, not a kernel feature
  std::string detail;       ///< what was found
  std::string serves;       ///< what depends on it
  std::string mend;         ///< what would help, empty when ok
};

/// What a dwell in one state is worth on this kernel.
struct StateCheck {
  State state = State::Unknown;
  std::string worth;   ///< "exact", "exact or at_least", "unknown", "not observed"
  std::string detail;  ///< how it is learned, or why not better
  std::string mend;    ///< what would make it exact; empty when it is
};

struct CheckReport {
  std::vector<CheckItem> items;
  std::vector<StateCheck> states;  ///< in the order of a connection's life
};

CheckReport run_checks();

}  // namespace tcpdwell
