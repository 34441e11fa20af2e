// SPDX-License-Identifier: BSD-2-Clause
/// Walks the sockets that exist: all network namespaces, with the kernel's iterators.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>

#include "util/result.h"

struct bpf_program;

namespace tcpdwell {

struct SeedReport {
  std::uint64_t sockets = 0;
  unsigned namespaces = 0;
  unsigned unreachable = 0;       ///< namespaces that could not be entered
  int unreachable_why = 0;        ///< errno of the last one: EPERM without CAP_SYS_ADMIN
  unsigned unseen_processes = 0;  ///< whose namespace could not be looked up (CAP_SYS_PTRACE)
};

struct SeedPlan {
  bpf_program* owners = nullptr;       ///< iter/task_file: notes who has which socket open
  bpf_program* sockets = nullptr;      ///< iter/tcp: writes one record a socket
  std::optional<std::uint32_t> netns;  ///< only this one (inode number)
  /// One record. An error ends the walk and is returned.
  std::function<Status(const void* data, std::size_t size)> on_record;
  /// Called between chunks of records, so that the ring does not fill meanwhile.
  std::function<Status()> between;
};

Result<SeedReport> walk_sockets(const SeedPlan& plan);

}  // namespace tcpdwell
