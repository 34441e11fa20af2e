// SPDX-License-Identifier: BSD-2-Clause
#include "capture/pids.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>

#include "tcpdwell/config.h"
#include "util/descriptor.h"

namespace tcpdwell {
namespace {

Error cannot_walk() {
  return os_error(Fault::Runtime, errno, "cannot list the processes of this pid namespace");
}

/// All processes of the own namespace. A read may end inside of none: each record is one write.
Result<std::vector<td_numbers>> processes(const bpf_program* walk) {
  bpf_link* const link = bpf_program__attach_iter(walk, nullptr);
  if (link == nullptr) return cannot_walk();
  const Descriptor iterator(bpf_iter_create(bpf_link__fd(link)));
  bpf_link__destroy(link);
  if (iterator.get() < 0) return cannot_walk();
  std::vector<td_numbers> found;
  std::array<td_numbers, 512> some;
  for (;;) {
    const ssize_t got = read(iterator.get(), some.data(), sizeof some);
    if (got < 0 && (errno == EINTR || errno == EAGAIN)) continue;
    if (got < 0) return cannot_walk();
    if (got == 0) return found;
    found.insert(found.end(), some.begin(),
                 some.begin() + static_cast<std::ptrdiff_t>(got) / sizeof(td_numbers));
  }
}

}  // namespace

Result<std::vector<std::uint32_t>> numbers_outside(const bpf_program* walk,
                                                   const std::vector<std::uint32_t>& own) {
  const auto all = processes(walk);
  if (!all) return all.error();
  std::vector<std::uint32_t> outside;
  for (const std::uint32_t pid : own) {
    const auto process = std::find_if(
        all->begin(), all->end(), [&](const td_numbers& numbers) { return numbers.ns_pid == pid; });
    if (process == all->end())
      return Error{Fault::Usage,
                   fmt::format("--pid {}: there is no such process in the pid namespace that "
                               "tcpdwell runs in",
                               pid)};
    outside.push_back(process->pid);
  }
  return outside;
}

Status walk_processes(const bpf_program* walk) {
  const auto none = processes(walk);
  return none ? Status(Ok) : none.error();
}

}  // namespace tcpdwell
