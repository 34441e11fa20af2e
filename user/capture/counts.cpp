// SPDX-License-Identifier: BSD-2-Clause
#include "capture/counts.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include <cerrno>
#include <cstring>
#include <string>
#include <vector>

#include "tcpdwell_bpf.skel.h"

namespace tcpdwell {
namespace {

/// Those that see transitions: the first program and its spares.
constexpr td_program kOfTransitions[] = {TD_PROGRAM_STATE,  TD_PROGRAM_SPARE,  TD_PROGRAM_SPARE2,
                                         TD_PROGRAM_SPARE3, TD_PROGRAM_SPARE4, TD_PROGRAM_SPARE5};

Error unreadable(const char* what) {
  const int code = errno;
  return {Fault::Runtime, std::string("cannot read ") + what + ": " + std::strerror(code), code};
}

Result<bpf_prog_info> info_of(const bpf_program* program) {
  bpf_prog_info info{};
  __u32 size = sizeof info;
  if (bpf_obj_get_info_by_fd(bpf_program__fd(program), &info, &size) != 0)
    return unreadable("what the kernel reports of the program");
  return info;
}

void add(td_counters& sum, const td_counters& more) {
  sum.entered += more.entered;
  sum.handled += more.handled;
  sum.ring_full += more.ring_full;
  sum.map_full += more.map_full;
  sum.connections += more.connections;
  sum.unseen += more.unseen;
}

}  // namespace

Result<Counts> read_counts(const tcpdwell_bpf& skeleton) {
  std::vector<td_cpu> values(static_cast<std::size_t>(libbpf_num_possible_cpus()));
  const __u32 key = 0;
  if (bpf_map_lookup_elem(bpf_map__fd(skeleton.maps.cpus), &key, values.data()) != 0)
    return unreadable("the program's counters");
  Counts counts{};
  for (const td_cpu& cpu : values)
    for (unsigned program = 0; program < TD_PROGRAMS; ++program)
      add(counts[program], cpu.of[program]);
  return counts;
}

td_counters sum_of(const Counts& counts) {
  td_counters sum{};
  for (const td_counters& one : counts) add(sum, one);
  sum.entered = counts[TD_PROGRAM_STATE].entered;
  sum.handled = 0;
  for (const td_program program : kOfTransitions) sum.handled += counts[program].handled;
  return sum;
}

std::uint64_t transitions_without_room(const Counts& counts) {
  std::uint64_t sum = 0;
  for (const td_program program : kOfTransitions) sum += counts[program].map_full;
  return sum;
}

Result<std::uint64_t> recursion_misses(const bpf_program* program) {
  const auto info = info_of(program);
  if (!info) return info.error();
  return std::uint64_t{info->recursion_misses};
}

std::optional<std::uint32_t> verified_instructions(const bpf_program* program) {
  const auto info = info_of(program);
  return info && info->verified_insns != 0 ? std::optional(info->verified_insns) : std::nullopt;
}

}  // namespace tcpdwell
