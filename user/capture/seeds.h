// SPDX-License-Identifier: BSD-2-Clause
/// Walks the sockets that exist: all network namespaces, with the kernel's iterators.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>

#include "util/result.h"

struct bpf_program;
struct td_holder;

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
  bpf_program* files = nullptr;        ///< iter/task_file: of those the other left out; or none
  std::optional<std::uint32_t> netns;  ///< only this one (inode number)
  /// One record. An error ends the walk and is returned.
  std::function<Status(const void* data, std::size_t size)> on_record;
  std::function<void(const td_holder& holder)> on_holder;  ///< one descriptor
  /// A network namespace that was walked over, by its inode number.
  std::function<void(std::uint32_t netns)> on_namespace;
  /// After the walk: whether it is to be confirmed who has what open. Then `look_again` is set, the
  /// owners are walked over once more, and the sockets that are still open given to `on_open`.
  std::function<bool()> doubts;
  volatile std::uint8_t* look_again = nullptr;
  std::function<void(std::uint64_t file_cookie)> on_open;
  /// Called between chunks of records, so that the ring does not fill meanwhile.
  std::function<Status()> between;
};

Result<SeedReport> walk_sockets(const SeedPlan& plan);

/// Reads the records of an iterator, of `size` bytes each, to its end. `what` they are of is for
/// the error's words.
Status read_records(int fd, const char* what, std::size_t size,
                    const std::function<Status(const char* record)>& take,
                    const std::function<Status()>& between);

}  // namespace tcpdwell
