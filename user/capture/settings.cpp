// SPDX-License-Identifier: BSD-2-Clause
#include "capture/settings.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <unistd.h>

#include <algorithm>
#include <bit>
#include <cerrno>
#include <cstring>

#include "capture/config.h"
#include "capture/failures.h"
#include "capture/pids.h"
#include "capture/probe.h"
#include "capture/programs.h"
#include "model/totals.h"
#include "tcpdwell_bpf.skel.h"
#include "util/host_clock.h"

namespace tcpdwell {
namespace {

std::uint32_t ring_size(std::uint64_t wanted) {
  const auto page = static_cast<std::uint64_t>(sysconf(_SC_PAGESIZE));
  const std::uint64_t bounded = std::clamp<std::uint64_t>(wanted, page, 1U << 30);
  return static_cast<std::uint32_t>(std::bit_ceil(bounded));
}

/// Lists of any length mean the same, and cost a line the same.
void size_lists(tcpdwell_bpf& skeleton, const Filter& filter) {
  const auto size = [](bpf_map* map, std::size_t entries) {
    bpf_map__set_max_entries(map, static_cast<__u32>(std::max<std::size_t>(entries, 1)));
  };
  size(skeleton.maps.wanted_pids, filter.pids.size());
  size(skeleton.maps.wanted_comms, filter.comms.size());
}

td_detail detail_of(Detail detail) {
  switch (detail) {
    case Detail::Transitions:
      break;
    case Detail::Connections:
      return TD_DETAIL_CONNECTIONS;
    case Detail::Counts:
      return TD_DETAIL_COUNTS;
  }
  return TD_DETAIL_TRANSITIONS;
}

td_counts counts_of(const TracerOptions& options) {
  if (options.surveys) return TD_COUNTS_ALL;
  return counts(options) ? TD_COUNTS_DWELLS : TD_COUNTS_OFF;
}

/// Those that the kernel side does not need are above all dwells.
void set_bounds(tcpdwell_bpf& skeleton) {
  static_assert(kBucketCount < TD_BOUNDS);
  auto& bounds = const_cast<__u64(&)[TD_BOUNDS]>(skeleton.rodata->td_bounds);
  std::fill(std::begin(bounds), std::end(bounds), UINT64_MAX);
  std::copy(kBucketBounds.begin(), kBucketBounds.end(), std::begin(bounds));
}

}  // namespace

bool counts(const TracerOptions& options) {
  return options.counted || options.surveys || options.detail == Detail::Counts;
}

void size_maps(tcpdwell_bpf& skeleton, const TracerOptions& options) {
  const bool events = options.detail != Detail::Counts;
  bpf_map__set_max_entries(skeleton.maps.ring, ring_size(events ? options.ring_bytes : 0));
  bpf_map__set_max_entries(skeleton.maps.tallies, counts(options) ? TD_TALLIES : 1);
  if (!events)
    for (bpf_map* map : {skeleton.maps.nets, skeleton.maps.ifaces})
      bpf_map__set_max_entries(map, 1);
  if (!options.surveys)
    for (bpf_map* map : {skeleton.maps.survey_owners, skeleton.maps.survey_ports,
                         skeleton.maps.survey_peers, skeleton.maps.survey_cgroups,
                         skeleton.maps.survey_listeners, skeleton.maps.survey_lports})
      bpf_map__set_max_entries(map, 1);
  for (bpf_map* map : {skeleton.maps.undecided, skeleton.maps.gone})
    bpf_map__set_max_entries(map, static_cast<__u32>(libbpf_num_possible_cpus()));
  const std::uint32_t time_waits =
      options.max_time_wait ? options.max_time_wait : time_wait_limit();
  bpf_map__set_max_entries(skeleton.maps.minis, time_waits);
  bpf_map__set_max_entries(skeleton.maps.orphans, time_waits);
  if (!options.of_command) bpf_map__set_max_entries(skeleton.maps.command_tasks, 1);
  bpf_map__set_max_entries(skeleton.maps.reqs,
                           options.max_requests ? options.max_requests : request_limit());
  if (config_of(skeleton).only_counts) {
    bpf_map__set_value_size(skeleton.maps.minis, skeleton.rodata->td_mini_bytes);
    bpf_map__set_value_size(skeleton.maps.slots, skeleton.rodata->td_brief_slot_bytes);
    for (bpf_map* map : {skeleton.maps.slots, skeleton.maps.slot_sks})
      bpf_map__set_max_entries(map, skeleton.rodata->td_brief_slots);
  }
  if (!kernel_has_safe_allocation()) return;
  for (bpf_map* map : {skeleton.maps.minis, skeleton.maps.orphans, skeleton.maps.reqs,
                       skeleton.maps.listeners, skeleton.maps.owed, skeleton.maps.command_tasks})
    bpf_map__set_map_flags(map, BPF_F_NO_PREALLOC);
}

void configure(tcpdwell_bpf& skeleton, const TracerOptions& options) {
  const KernelFilter k = kernel_filter(options.filter);
  td_config& config = config_of(skeleton);
  config = k.config;
  config.wakeup_bytes = ring_size(options.ring_bytes) / 4;
  config.detail = detail_of(options.detail);
  config.counts = counts_of(options);
  config.surveys = options.surveys;
  config.first_port = options.ports.first;
  config.last_port = options.ports.last;
  config.half_full_bytes = ring_size(options.ring_bytes) / 2;
  if (options.cgroup) {
    config.cgroup_id = options.cgroup->id;
    config.cgroup_level = options.cgroup->level;
  }
  config.of_command = options.of_command;
  config.pidns = options.pid_namespace;
  config.only_counts = options.detail == Detail::Counts && needs_states_alone(config);
  std::memcpy(const_cast<__u64*>(skeleton.rodata->td_lports), k.local_ports.data(),
              sizeof k.local_ports);
  std::memcpy(const_cast<__u64*>(skeleton.rodata->td_rports), k.remote_ports.data(),
              sizeof k.remote_ports);
  set_bounds(skeleton);
  size_lists(skeleton, options.filter);
  skeleton.bss->next_own_id = host_clock_ns();
}

Status fill_lists(const tcpdwell_bpf& skeleton, const TracerOptions& options) {
  const __u8 wanted = 1;
  const auto add = [&](const bpf_map* map, const void* key) {
    return bpf_map_update_elem(bpf_map__fd(map), key, &wanted, BPF_ANY) == 0 ? Status(Ok)
                                                                             : load_error(errno);
  };
  std::vector<std::uint32_t> pids = options.filter.pids;
  if (bpf_program__autoload(skeleton.progs.number_of_process)) {
    auto outside = numbers_outside(skeleton.progs.number_of_process, pids);
    if (!outside) return outside.error();
    pids = std::move(outside).value();
  }
  for (const std::uint32_t pid : pids)
    if (Status status = add(skeleton.maps.wanted_pids, &pid); !status) return status;
  for (const Comm& comm : options.filter.comms)
    if (Status status = add(skeleton.maps.wanted_comms, comm.bytes.data()); !status) return status;
  return Ok;
}

}  // namespace tcpdwell
