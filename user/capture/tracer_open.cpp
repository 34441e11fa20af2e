// SPDX-License-Identifier: BSD-2-Clause
// How the kernel side is loaded and attached: to trace, or to list what is open.
#include <bpf/bpf.h>
#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <string_view>
#include <utility>

#include "capture/config.h"
#include "capture/counts.h"
#include "capture/failures.h"
#include "capture/minisockets.h"
#include "capture/probe.h"
#include "capture/programs.h"
#include "capture/settings.h"
#include "capture/tracer_impl.h"
#include "util/host_clock.h"

namespace tcpdwell {
namespace {

/// The kernel shows a connection to its end once its owner matched, even when the owner changes;
/// and it knows the cgroup hierarchy.
void leave_owners_to_kernel(Filter& filter) {
  filter.pids.clear();
  filter.comms.clear();
  filter.cgroups.clear();
}

ResetNames names_of_resets() {
  constexpr std::string_view kPrefix = "SK_RST_REASON_";
  ResetNames names;
  for (const std::string& name : enum_names("sk_rst_reason")) {
    const std::string_view word =
        std::string_view(name).substr(name.starts_with(kPrefix) ? kPrefix.size() : 0);
    names.push_back(parse_kernel_word(word).value_or(KernelWord{}));
  }
  return names;
}

}  // namespace

void Tracer::Impl::remember(const TracerOptions& options) {
  filter = options.filter;
  wall_offset_ns = options.wall_offset_ns;
  seeds_wanted = options.detail == Detail::Transitions;
  leave_owners_to_kernel(filter);
  filtered = !filter.empty();
}

/// The first of the ways in that works; the note says why not a better one.
Status Tracer::Impl::open(const TracerOptions& options) {
  remember(options);
  if (options.minisockets != Minisockets::Auto) {
    Status status = open_by(options.minisockets, options);
    if (status || options.minisockets == Minisockets::Off) return status;
    return Error{
        status.error().fault,
        fmt::format("--minisockets {}: {}", name_of(options.minisockets), status.error().message),
        status.error().os_errno};
  }
  for (const Minisockets candidate : {Minisockets::Fentry, Minisockets::Timer}) {
    Status status = open_by(candidate, options);
    if (status) return Ok;
    note += fmt::format("{}{}: {}", note.empty() ? "" : "; ", name_of(candidate),
                        status.error().message);
  }
  return open_by(Minisockets::Off, options);
}

/// The iterators alone: nothing is attached, so nothing but them is verified.
Status Tracer::Impl::open_listing(const TracerOptions& options) {
  remember(options);
  listen_to_libbpf(options.verbose);
  skeleton.reset(tcpdwell_bpf__open());
  if (!skeleton) return load_error(errno);
  configure(*skeleton, options);
  bpf_map__set_max_entries(skeleton->maps.ring, static_cast<__u32>(sysconf(_SC_PAGESIZE)));
  for (bpf_map* unused :
       {skeleton->maps.minis, skeleton->maps.orphans, skeleton->maps.orphan_places,
        skeleton->maps.reqs, skeleton->maps.owed, skeleton->maps.command_tasks,
        skeleton->maps.tallies, skeleton->maps.slots, skeleton->maps.slot_sks})
    bpf_map__set_max_entries(unused, 1);
  td_config& config = config_of(*skeleton);
  config.jiffy_ns = jiffy_ns();
  config.minisockets = TD_MINI_TIMER;
  config.listing = 1;
  bpf_program* program = nullptr;
  bpf_object__for_each_program(program, skeleton->obj) bpf_program__set_autoload(program, false);
  bpf_program__set_autoload(skeleton->progs.seed_owner, true);
  bpf_program__set_autoload(skeleton->progs.seed_socket, true);
  bpf_program__set_autoload(skeleton->progs.seed_file, true);
  if (const int code = tcpdwell_bpf__load(skeleton.get())) return load_error(-code);
  ports.emplace(*skeleton);
  return fill_lists(*skeleton, options);
}

Status Tracer::Impl::open_by(Minisockets candidate, const TracerOptions& options) {
  way = candidate;
  links.clear();
  surveyor.reset();
  stuck.reset();
  looker.reset();
  walker.reset();
  ports.reset();
  ring.reset();
  tallies.reset();
  listen_to_libbpf(options.verbose);
  skeleton.reset(tcpdwell_bpf__open());
  if (!skeleton) return load_error(errno);
  configure(*skeleton, options);
  size_maps(*skeleton, options);
  if (Status status = prepare(*skeleton, candidate); !status) return status;
  load_only_chosen(*skeleton, way);
  bpf_program__set_autoload(skeleton->progs.number_of_process,
                            options.pid_namespace != 0 && !options.filter.pids.empty());
  if (const int code = tcpdwell_bpf__load(skeleton.get())) return load_error(-code);
  if (Status status = fill_lists(*skeleton, options); !status) return status;
  auto mapped =
      Ring::map(bpf_map__fd(skeleton->maps.ring), bpf_map__max_entries(skeleton->maps.ring));
  if (!mapped) return mapped.error();
  ring.emplace(std::move(mapped).value());
  if (counts(options)) tallies.emplace(*skeleton);
  return attach();
}

Status Tracer::Impl::attach() {
  for (bpf_program* program : to_attach(*skeleton, way)) {
    bpf_link* link = bpf_program__attach(program);
    if (link == nullptr) return load_error(errno);
    links.emplace_back(link);
  }
  if (config_of(*skeleton).detail != TD_DETAIL_COUNTS) ports.emplace(*skeleton);
  if (bpf_program__autoload(skeleton->progs.look_at_socket)) {
    auto made = Walker::make(*skeleton);
    if (!made) return made.error();
    walker.emplace(std::move(made).value());
    looker.emplace(*skeleton, *walker);
    if (config_of(*skeleton).surveys) surveyor.emplace(*skeleton, *walker, *ports);
  }
  if (bpf_program__autoload(skeleton->progs.tell_holder)) {
    if (auto made = StuckLook::make(*skeleton)) stuck.emplace(std::move(made).value());
    resets = names_of_resets();
  }
  if (way != Minisockets::Off) reaper.emplace(*skeleton);
  attached = true;
  skeleton->bss->began_ns = host_clock_ns();
  skeleton->bss->live = true;
  return Ok;
}

}  // namespace tcpdwell
