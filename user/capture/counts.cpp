// SPDX-License-Identifier: BSD-2-Clause
#include "capture/counts.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include <vector>

#include "capture/programs.h"
#include "tcpdwell_bpf.skel.h"

namespace tcpdwell {
namespace {

bpf_prog_info program_info(const bpf_program* program) {
  bpf_prog_info info{};
  __u32 size = sizeof info;
  if (bpf_obj_get_info_by_fd(bpf_program__fd(program), &info, &size) != 0) return {};
  return info;
}

}  // namespace

td_counters count(const tcpdwell_bpf& skeleton, unsigned program) {
  const int cpus = libbpf_num_possible_cpus();
  std::vector<td_cpu> values(static_cast<std::size_t>(cpus));
  const __u32 key = 0;
  td_counters sum{};
  if (bpf_map_lookup_elem(bpf_map__fd(skeleton.maps.cpus), &key, values.data()) != 0) return sum;
  for (const td_cpu& cpu : values) {
    sum.entered += cpu.of[program].entered;
    sum.handled += cpu.of[program].handled;
    sum.ring_full += cpu.of[program].ring_full;
    sum.map_full += cpu.of[program].map_full;
    sum.unseen += cpu.of[program].unseen;
  }
  return sum;
}

td_counters count_all(const tcpdwell_bpf& skeleton) {
  const td_counters first = count(skeleton, TD_PROGRAM_STATE);
  td_counters sum{first.entered, first.handled, 0, 0, 0};
  for (const Spare& spare : spares_of(skeleton))
    sum.handled += count(skeleton, spare.counts_as).handled;
  for (unsigned program = 0; program < TD_PROGRAMS; ++program) {
    const td_counters one = count(skeleton, program);
    sum.ring_full += one.ring_full;
    sum.map_full += one.map_full;
    sum.unseen += one.unseen;
  }
  return sum;
}

std::uint64_t transitions_without_room(const tcpdwell_bpf& skeleton) {
  std::uint64_t sum = count(skeleton, TD_PROGRAM_STATE).map_full;
  for (const Spare& spare : spares_of(skeleton)) sum += count(skeleton, spare.counts_as).map_full;
  return sum;
}

std::uint64_t recursion_misses(const bpf_program* program) {
  return program_info(program).recursion_misses;
}
std::uint32_t verified_instructions(const bpf_program* program) {
  return program_info(program).verified_insns;
}

}  // namespace tcpdwell
