// SPDX-License-Identifier: BSD-2-Clause
/// What this kernel and these privileges allow.
#pragma once

#include <string>
#include <vector>

namespace tcpdwell {

struct CheckItem {
  std::string name;    ///< "BTF", "tracepoint sock/inet_sock_set_state", "CAP_BPF"
  bool ok = false;
  bool needed = true;  ///< false: only some states or details depend on it
  bool permission = false;  ///< when not ok: a privilege is missing, not a kernel feature
  std::string detail;  ///< what was found
  std::string serves;  ///< what depends on it
  std::string mend;    ///< what would help, empty when ok
};

std::vector<CheckItem> run_checks();

}  // namespace tcpdwell
