// SPDX-License-Identifier: BSD-2-Clause
#include "capture/programs.h"

#include <bpf/libbpf.h>

#include <algorithm>
#include <cstring>
#include <string>
#include <utility>

#include "capture/probe.h"
#include "tcpdwell_bpf.skel.h"

namespace tcpdwell {
namespace {

std::array<bpf_program*, 3> timer_programs(const tcpdwell_bpf& skeleton) {
  return {skeleton.progs.on_timer_start, skeleton.progs.on_timer_cancel,
          skeleton.progs.on_timer_expire};
}

/// The programs that fit this kernel's functions; empty where one would be needed that there is
/// not.
std::vector<bpf_program*> fentry_programs(const tcpdwell_bpf& skeleton) {
  const auto& p = skeleton.progs;
  std::vector<bpf_program*> chosen = {
      p.on_tw_make,       p.on_tw_alloc, p.on_tw_schedule,      p.on_tw_timeout, p.on_tw_process,
      p.on_tw_deschedule, p.on_req_drop, p.on_req_drop_and_put, p.on_req_timer,  p.on_req_timeout};
  // Only where other functions have swallowed those it follows; as it may itself be swallowed.
  if (function_args("inet_twsk_kill") != 0) chosen.push_back(p.on_tw_kill);
  const bool may_refuse = function_returns("inet_csk_reqsk_queue_hash_add");
  switch (function_args("inet_csk_reqsk_queue_hash_add")) {
    case 2:
      chosen.push_back(may_refuse ? p.on_req_added2 : p.on_req_add);
      break;
    case 3:
      chosen.push_back(may_refuse ? p.on_req_added3 : p.on_req_add);
      break;
    default:
      return {};
  }
  switch (function_args("tcp_timewait_state_process")) {
    case 3:
      chosen.push_back(p.on_tw_processed3);
      break;
    case 4:
      chosen.push_back(p.on_tw_processed4);
      break;
    case 5:
      chosen.push_back(p.on_tw_processed5);
      break;
    default:
      return {};
  }
  switch (function_args("inet_csk_accept")) {
    case 2:
      chosen.push_back(p.on_accept2);
      break;
    case 4:
      chosen.push_back(p.on_accept4);
      break;
    default:
      return {};
  }
  return chosen;
}

/// Where overflows of accept queues show. They are followed where all of these can be.
std::array<bpf_program*, 3> overflow_programs(const tcpdwell_bpf& skeleton) {
  return {skeleton.progs.on_syn, skeleton.progs.on_last_ack4, skeleton.progs.on_last_ack6};
}

std::string function_of(const bpf_program* program) {
  return std::strchr(bpf_program__section_name(program), '/') + 1;
}

/// Linux 6.1 refuses some of these functions.
bool can_follow_overflows(const tcpdwell_bpf& skeleton) {
  const auto programs = overflow_programs(skeleton);
  return std::all_of(programs.begin(), programs.end(), [](const bpf_program* program) {
    return fentry_obstacle(function_of(program).c_str()).empty();
  });
}

/// Fault::Unsupported says what fentry needs that this kernel lacks.
Status prepare_fentry(const tcpdwell_bpf& skeleton) {
  const auto lacks = [](std::string what) { return Error{Fault::Unsupported, std::move(what)}; };
  const std::vector<bpf_program*> programs = fentry_programs(skeleton);
  if (programs.empty())
    return lacks("a function that it follows takes other arguments in this kernel");
  for (bpf_program* program : programs) {
    const std::string function = function_of(program);
    if (function_args(function.c_str()) == 0)
      return lacks("this kernel has no function " + function);
  }
  std::string obstacle = fentry_obstacle("tw_timer_handler");
  return obstacle.empty() ? Status(Ok) : lacks(std::move(obstacle));
}

/// Tells the programs where the functions of the timers are.
Status prepare_timers(tcpdwell_bpf& skeleton) {
  const auto facts = timer_facts();
  if (!facts) return facts.error();
  td_config& config = config_of(skeleton);
  config.tw_timer_fn = facts->tw_timer_fn;
  config.reqsk_timer_fn = facts->reqsk_timer_fn;
  return Ok;
}

}  // namespace

std::array<Spare, 5> spares_of(const tcpdwell_bpf& skeleton) {
  return {{{skeleton.progs.on_state_spare, TD_PROGRAM_SPARE},
           {skeleton.progs.on_state_spare2, TD_PROGRAM_SPARE2},
           {skeleton.progs.on_state_spare3, TD_PROGRAM_SPARE3},
           {skeleton.progs.on_state_spare4, TD_PROGRAM_SPARE4},
           {skeleton.progs.on_state_spare5, TD_PROGRAM_SPARE5}}};
}

td_config& config_of(tcpdwell_bpf& skeleton) {
  return const_cast<td_config&>(reinterpret_cast<const volatile td_config&>(skeleton.rodata->cfg));
}

Status prepare(tcpdwell_bpf& skeleton, Minisockets way) {
  td_config& config = config_of(skeleton);
  config.jiffy_ns = jiffy_ns();
  config.resets_told = kernel_tells_resets_of_time_wait();
  config.casts = kernel_lets_cast();
  if (way == Minisockets::Off) return Ok;
  config.preempt_count_distance = preempt_count_distance();
  config.minisockets = way == Minisockets::Fentry ? TD_MINI_FENTRY : TD_MINI_TIMER;
  return way == Minisockets::Fentry ? prepare_fentry(skeleton) : prepare_timers(skeleton);
}

void load_only_chosen(tcpdwell_bpf& skeleton, Minisockets way) {
  // An "fentry" or "fexit" program is of the fentry way.
  bpf_program* program = nullptr;
  bpf_object__for_each_program(program, skeleton.obj) {
    const enum bpf_attach_type type = bpf_program__expected_attach_type(program);
    if (type == BPF_TRACE_FENTRY || type == BPF_TRACE_FEXIT)
      bpf_program__set_autoload(program, false);
  }
  if (way == Minisockets::Fentry)
    for (bpf_program* fitting : fentry_programs(skeleton)) bpf_program__set_autoload(fitting, true);
  const bool overflows =
      way == Minisockets::Fentry && config_of(skeleton).surveys && can_follow_overflows(skeleton);
  config_of(skeleton).overflows = overflows;
  for (bpf_program* program : overflow_programs(skeleton))
    bpf_program__set_autoload(program, overflows);
  for (bpf_program* of_timers : timer_programs(skeleton))
    bpf_program__set_autoload(of_timers, way == Minisockets::Timer);
  const bool reasons = config_of(skeleton).detail != TD_DETAIL_COUNTS;
  bpf_program__set_autoload(skeleton.progs.on_send_reset, reasons);
  bpf_program__set_autoload(skeleton.progs.on_receive_reset, reasons);
  bpf_program__set_autoload(skeleton.progs.on_error_report,
                            reasons && kernel_has_tracepoint("inet_sk_error_report"));
  // As asks_for_owners() in bpf/filter.bpf.h.
  const bool owners = reasons || config_of(skeleton).filter_pids != 0 ||
                      config_of(skeleton).filter_comms != 0 || config_of(skeleton).cgroup_id != 0;
  bpf_program__set_autoload(skeleton.progs.on_exec, owners);
  bpf_program__set_autoload(skeleton.progs.on_rename, owners);
  const bool of_connections = config_of(skeleton).detail == TD_DETAIL_CONNECTIONS;
  bpf_program__set_autoload(skeleton.progs.look_at_socket, of_connections);
  bpf_program__set_autoload(skeleton.progs.look_at_file, of_connections);
  const bool storage = reasons && kernel_lets_walk_storage();
  config_of(skeleton).walks_queues = reasons && !storage && kernel_has_loops();
  bpf_program__set_autoload(skeleton.progs.look_at_stored, of_connections && storage);
  bpf_program__set_autoload(skeleton.progs.seed_file, false);  // of a listing
  bpf_program__set_autoload(skeleton.progs.tell_stuck, storage);
  bpf_program__set_autoload(skeleton.progs.tell_stuck_slots, reasons);
  bpf_program__set_autoload(skeleton.progs.tell_stuck_socket, reasons && !storage);
  bpf_program__set_autoload(skeleton.progs.tell_stuck_file, reasons && !storage);
  for (bpf_program* of_command :
       {skeleton.progs.on_fork, skeleton.progs.on_task_freed, skeleton.progs.mark_command})
    bpf_program__set_autoload(of_command, config_of(skeleton).of_command);
  bpf_program__set_autoload(skeleton.progs.tell_holder, reasons);
  bpf_program__set_autoload(skeleton.progs.look_at_requests, of_connections);
  bpf_program__set_autoload(skeleton.progs.look_at_slots, of_connections);
  bpf_program__set_autoload(skeleton.progs.look_at_minis, of_connections);
  bpf_program__set_autoload(skeleton.progs.look_at_bound, reasons);
  bpf_program__set_autoload(skeleton.progs.forget_survey, config_of(skeleton).surveys);
  bpf_program__set_autoload(skeleton.progs.reap, way != Minisockets::Off);
  if (way != Minisockets::Timer)  // the sweep's, of timers alone
    for (bpf_map* map : {skeleton.maps.orphans, skeleton.maps.orphan_places})
      bpf_map__set_max_entries(map, 1);
  // Where tracepoints do not disable preemption, a task preempted inside a program keeps it from
  // all others of its CPU.
  const bool preemptible = tracepoints_are_preemptible();
  for (const Spare& spare : spares_of(skeleton))
    bpf_program__set_autoload(spare.program, preemptible || spare.counts_as == TD_PROGRAM_SPARE);
  config_of(skeleton).last_spare = preemptible ? TD_PROGRAM_SPARE5 : TD_PROGRAM_SPARE;
}

std::vector<bpf_program*> to_attach(const tcpdwell_bpf& skeleton, Minisockets way) {
  // The spares come last and go first (detach): alone they would count what nobody fired.
  std::vector<bpf_program*> programs = {
      skeleton.progs.on_fork,          skeleton.progs.on_task_freed,   skeleton.progs.on_send_reset,
      skeleton.progs.on_receive_reset, skeleton.progs.on_error_report, skeleton.progs.on_exec,
      skeleton.progs.on_rename};
  for (bpf_program* program : timer_programs(skeleton)) programs.push_back(program);
  if (way == Minisockets::Fentry)
    for (bpf_program* program : fentry_programs(skeleton)) programs.push_back(program);
  for (bpf_program* program : overflow_programs(skeleton)) programs.push_back(program);
  programs.push_back(skeleton.progs.on_state);
  for (const Spare& spare : spares_of(skeleton)) programs.push_back(spare.program);
  std::erase_if(programs,
                [](const bpf_program* program) { return !bpf_program__autoload(program); });
  return programs;
}

}  // namespace tcpdwell
