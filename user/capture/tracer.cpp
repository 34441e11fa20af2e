// SPDX-License-Identifier: BSD-2-Clause
#include "capture/tracer.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <fmt/format.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cerrno>
#include <chrono>
#include <cstdarg>
#include <cstdio>
#include <cstring>
#include <functional>
#include <optional>
#include <utility>
#include <vector>

#include "capture/config.h"
#include "capture/decode.h"
#include "capture/probe.h"
#include "capture/reaper.h"
#include "capture/ring.h"
#include "tcpdwell_bpf.skel.h"

namespace tcpdwell {
namespace {

/// A drain gives its caller (signals, timers) a turn after this many records.
constexpr unsigned kRecordsPerDrain = 32768;

/// What libbpf had to say, for the message of a failure. libbpf's printer takes no context.
struct LibbpfLog {
  std::string text;
  bool verbose = false;
};
LibbpfLog& libbpf_log() {
  static LibbpfLog log;
  return log;
}

int collect_libbpf_message(libbpf_print_level level, const char* format, va_list args) {
  LibbpfLog& log = libbpf_log();
  if (log.verbose) return std::vfprintf(stderr, format, args);
  if (level != LIBBPF_WARN) return 0;
  char line[512];
  const int length = std::vsnprintf(line, sizeof line, format, args);
  log.text += line;
  return length;
}

std::string first_line(const std::string& text) { return text.substr(0, text.find('\n')); }

Error permission_error(int code) {
  std::string names;
  for (const MissingCapability& missing : missing_capabilities())
    names += (names.empty() ? "" : " and ") + missing.name;
  if (names.empty())
    return {Fault::Permission, "the kernel refused to load the program although CAP_BPF and CAP_PERFMON "
                               "are there (a security module or lockdown?): " + first_line(libbpf_log().text), code};
  return {Fault::Permission, fmt::format("not permitted: {} missing; run as root, or: setcap "
                                         "cap_bpf,cap_perfmon+ep tcpdwell", names), code};
}

/// What every kernel must have; checked before libbpf tries, for words instead of a verifier log.
Status check_kernel() {
  if (!kernel_has_btf() && kernel_btf_is_readable())
    return Error{Fault::Runtime, "cannot load the kernel's types (/sys/kernel/btf/vmlinux): too little memory?", ENOMEM};
  if (!kernel_has_btf())
    return Error{Fault::Unsupported, "this kernel has no BTF (/sys/kernel/btf/vmlinux): it needs "
                                     "CONFIG_DEBUG_INFO_BTF=y"};
  if (!kernel_has_tracepoint("inet_sock_set_state"))
    return Error{Fault::Unsupported, "this kernel has no tracepoint sock/inet_sock_set_state (Linux 4.16)"};
  if (!kernel_has_ringbuf())
    return Error{Fault::Unsupported, "this kernel has no BPF ring buffer (Linux 5.8): use 5.12 or later"};
  if (!kernel_has_tracing_sk_storage() || !kernel_has_tracing_cookie())
    return Error{Fault::Unsupported, "this kernel keeps neither socket storage nor socket cookies for tracing "
                                     "programs (Linux 5.11, 5.12): use 5.12 or later"};
  return Ok;
}

Error load_error(int code) {
  if (code == EPERM) return permission_error(code);
  if (code == EACCES || code == EINVAL || code == EOPNOTSUPP || code == ESRCH || code == ENOENT)
    return {Fault::Unsupported, fmt::format("this kernel cannot run the program ({}): {}", std::strerror(code),
                                            first_line(libbpf_log().text)), code};
  return {Fault::Runtime, fmt::format("cannot load or attach the program: {}: {}", std::strerror(code),
                                      first_line(libbpf_log().text)), code};
}

std::uint32_t ring_size(std::uint64_t wanted) {
  const auto page = static_cast<std::uint64_t>(sysconf(_SC_PAGESIZE));
  const std::uint64_t bounded = std::clamp<std::uint64_t>(wanted, page, 1U << 30);
  return static_cast<std::uint32_t>(std::bit_ceil(bounded));
}

/// The kernel shows a connection to its end once its owner matched, even when the owner changes; and
/// it knows the cgroup hierarchy.
void leave_owners_to_kernel(Filter& filter) {
  if (filter.pids.size() <= TD_MAX_PIDS) filter.pids.clear();
  if (filter.comms.size() <= TD_MAX_COMMS) filter.comms.clear();
  filter.cgroups.clear();
}

struct SkeletonFree {
  void operator()(tcpdwell_bpf* skeleton) const { tcpdwell_bpf__destroy(skeleton); }
};
struct LinkFree {
  void operator()(bpf_link* link) const { bpf_link__destroy(link); }
};

td_config& config_of(tcpdwell_bpf& skeleton) {
  return const_cast<td_config&>(reinterpret_cast<const volatile td_config&>(skeleton.rodata->cfg));
}

void size_maps(tcpdwell_bpf& skeleton, const TracerOptions& options) {
  bpf_map__set_max_entries(skeleton.maps.ring, ring_size(options.ring_bytes));
  bpf_map__set_max_entries(skeleton.maps.undecided, static_cast<__u32>(libbpf_num_possible_cpus()));
  const std::uint32_t time_waits = options.max_time_wait ? options.max_time_wait : time_wait_limit();
  bpf_map__set_max_entries(skeleton.maps.minis, time_waits);
  bpf_map__set_max_entries(skeleton.maps.orphans, time_waits);
  bpf_map__set_max_entries(skeleton.maps.reqs, options.max_requests ? options.max_requests : request_limit());
  if (!kernel_has_safe_allocation()) return;
  for (bpf_map* map : {skeleton.maps.minis, skeleton.maps.orphans, skeleton.maps.reqs, skeleton.maps.listeners,
                       skeleton.maps.owed})
    bpf_map__set_map_flags(map, BPF_F_NO_PREALLOC);
}

void configure(tcpdwell_bpf& skeleton, const TracerOptions& options) {
  const KernelFilter k = kernel_filter(options.filter);
  td_config& config = config_of(skeleton);
  config = k.config;
  config.wakeup_bytes = ring_size(options.ring_bytes) / 4;
  if (options.cgroup) {
    config.cgroup_id = options.cgroup->id;
    config.cgroup_level = options.cgroup->level;
  }
  std::memcpy(const_cast<__u64*>(skeleton.rodata->td_lports), k.local_ports.data(), sizeof k.local_ports);
  std::memcpy(const_cast<__u64*>(skeleton.rodata->td_rports), k.remote_ports.data(), sizeof k.remote_ports);
}

bpf_prog_info program_info(const bpf_program* program) {
  bpf_prog_info info{};
  __u32 size = sizeof info;
  if (bpf_obj_get_info_by_fd(bpf_program__fd(program), &info, &size) != 0) return {};
  return info;
}

}  // namespace

struct Spare {
  bpf_program* program;
  td_program counts_as;
};

struct Tracer::Impl {
  Filter filter;
  bool filtered = false;
  std::unique_ptr<tcpdwell_bpf, SkeletonFree> skeleton;
  std::optional<Ring> ring;
  std::int64_t wall_offset_ns = 0;
  std::uint64_t malformed = 0;
  std::uint64_t misses_at_detach = 0;
  std::uint64_t fired_before = 0;  ///< at the last lost()
  bool attached = false;
  // Of the drain under way.
  Consumer* consumer = nullptr;
  unsigned records = 0;
  Status outcome = Ok;

  Minisockets way = Minisockets::Off;
  std::string note;
  std::vector<std::unique_ptr<bpf_link, LinkFree>> links;  ///< in the order of attaching
  std::chrono::steady_clock::time_point swept{};
  std::optional<Reaper> reaper;

  void remember(const TracerOptions& options);  ///< what playing events needs of them
  Status open(const TracerOptions& options);
  Status open_by(Minisockets candidate, const TracerOptions& options);
  std::string lacks(Minisockets candidate);
  Status attach();
  void stop_events();
  Status open_listing(const TracerOptions& options);
  Result<SeedReport> walk(Consumer& to, std::function<Status()> between);
  void sweep_if_due();
  void sweep();
  std::array<bpf_program*, 4> timer_programs() const {
    return {skeleton->progs.on_timer_start, skeleton->progs.on_timer_cancel, skeleton->progs.on_timer_expire,
            skeleton->progs.on_send_reset};
  }
  std::vector<bpf_program*> fentry_programs() const;
  std::string fentry_lacks() const;
  std::string timer_lacks();
  void load_only_chosen();
  bool take(const void* data, std::size_t size);  ///< whether to go on
  void play(const void* data, std::size_t size);
  std::vector<Spare> spares() const;  ///< in the order of attachment
  td_counters count(unsigned program) const;
  td_counters count() const;
  std::uint64_t misses() const;

  template <class Event>
  Status pass(Event& event, Status (Consumer::*method)(const Event&)) {
    event.wall_ns = static_cast<std::int64_t>(event.mono_ns) + wall_offset_ns;
    if (filtered && !filter.matches(event)) return Ok;
    return (consumer->*method)(event);
  }
};

void Tracer::Impl::remember(const TracerOptions& options) {
  filter = options.filter;
  wall_offset_ns = options.wall_offset_ns;
  leave_owners_to_kernel(filter);
  filtered = !filter.empty();
  libbpf_set_print(collect_libbpf_message);
}

/// The first of the ways in that works; the note says why not a better one.
Status Tracer::Impl::open(const TracerOptions& options) {
  remember(options);
  if (options.minisockets != Minisockets::Auto) {
    Status status = open_by(options.minisockets, options);
    if (status || options.minisockets == Minisockets::Off) return status;
    return Error{status.error().fault,
                 fmt::format("--minisockets {}: {}", name_of(options.minisockets), status.error().message),
                 status.error().os_errno};
  }
  for (const Minisockets candidate : {Minisockets::Fentry, Minisockets::Timer}) {
    Status status = open_by(candidate, options);
    if (status) return Ok;
    note += fmt::format("{}{}: {}", note.empty() ? "" : "; ", name_of(candidate), status.error().message);
  }
  return open_by(Minisockets::Off, options);
}

/// The iterators alone: nothing is attached, so nothing but them is verified.
Status Tracer::Impl::open_listing(const TracerOptions& options) {
  remember(options);
  libbpf_log() = {"", options.verbose};
  skeleton.reset(tcpdwell_bpf__open());
  if (!skeleton) return load_error(errno);
  configure(*skeleton, options);
  bpf_map__set_max_entries(skeleton->maps.ring, static_cast<__u32>(sysconf(_SC_PAGESIZE)));
  for (bpf_map* unused : {skeleton->maps.minis, skeleton->maps.orphans, skeleton->maps.reqs, skeleton->maps.owed})
    bpf_map__set_max_entries(unused, 1);
  td_config& config = config_of(*skeleton);
  config.jiffy_ns = jiffy_ns();
  config.minisockets = TD_MINI_TIMER;
  config.listing = 1;
  bpf_program* program = nullptr;
  bpf_object__for_each_program(program, skeleton->obj) bpf_program__set_autoload(program, false);
  bpf_program__set_autoload(skeleton->progs.seed_owner, true);
  bpf_program__set_autoload(skeleton->progs.seed_socket, true);
  const int code = tcpdwell_bpf__load(skeleton.get());
  return code == 0 ? Status(Ok) : load_error(-code);
}

Status Tracer::Impl::open_by(Minisockets candidate, const TracerOptions& options) {
  way = candidate;
  links.clear();
  ring.reset();
  libbpf_log() = {"", options.verbose};
  skeleton.reset(tcpdwell_bpf__open());
  if (!skeleton) return load_error(errno);
  configure(*skeleton, options);
  size_maps(*skeleton, options);
  if (const std::string why = lacks(candidate); !why.empty()) return Error{Fault::Unsupported, why};
  load_only_chosen();
  if (const int code = tcpdwell_bpf__load(skeleton.get())) return load_error(-code);
  auto mapped = Ring::map(bpf_map__fd(skeleton->maps.ring), bpf_map__max_entries(skeleton->maps.ring));
  if (!mapped) return mapped.error();
  ring.emplace(std::move(mapped).value());
  return attach();
}

/// The programs that fit this kernel's functions; empty where one would be needed that there is not.
std::vector<bpf_program*> Tracer::Impl::fentry_programs() const {
  const auto& p = skeleton->progs;
  std::vector<bpf_program*> chosen = {p.on_tw_make,    p.on_tw_alloc,      p.on_tw_schedule, p.on_tw_timeout,
                                      p.on_tw_process, p.on_tw_deschedule, p.on_req_drop,    p.on_req_drop_and_put,
                                      p.on_req_timer,  p.on_req_timeout};
  // Only where other functions have swallowed those it follows; as it may itself be swallowed.
  if (function_args("inet_twsk_kill") != 0) chosen.push_back(p.on_tw_kill);
  const bool may_refuse = function_returns("inet_csk_reqsk_queue_hash_add");
  switch (function_args("inet_csk_reqsk_queue_hash_add")) {
    case 2: chosen.push_back(may_refuse ? p.on_req_added2 : p.on_req_add); break;
    case 3: chosen.push_back(may_refuse ? p.on_req_added3 : p.on_req_add); break;
    default: return {};
  }
  switch (function_args("tcp_timewait_state_process")) {
    case 3: chosen.push_back(p.on_tw_processed3); break;
    case 4: chosen.push_back(p.on_tw_processed4); break;
    case 5: chosen.push_back(p.on_tw_processed5); break;
    default: return {};
  }
  switch (function_args("inet_csk_accept")) {
    case 2: chosen.push_back(p.on_accept2); break;
    case 4: chosen.push_back(p.on_accept4); break;
    default: return {};
  }
  return chosen;
}

/// What fentry needs that this kernel lacks; "" if nothing.
std::string Tracer::Impl::fentry_lacks() const {
  const std::vector<bpf_program*> programs = fentry_programs();
  if (programs.empty()) return "a function that it follows takes other arguments in this kernel";
  for (bpf_program* program : programs) {
    const char* section = bpf_program__section_name(program);
    const std::string function = std::strchr(section, '/') + 1;
    if (function_args(function.c_str()) == 0) return "this kernel has no function " + function;
  }
  return fentry_obstacle("tw_timer_handler");
}

/// The same of timers; tells the programs where the functions of the timers are.
std::string Tracer::Impl::timer_lacks() {
  const auto facts = timer_facts();
  if (!facts) return facts.error().message;
  td_config& config = config_of(*skeleton);
  config.tw_timer_fn = facts->tw_timer_fn;
  config.reqsk_timer_fn = facts->reqsk_timer_fn;
  config.resets_told = facts->resets_told;
  return "";
}

std::string Tracer::Impl::lacks(Minisockets candidate) {
  td_config& config = config_of(*skeleton);
  config.jiffy_ns = jiffy_ns();
  if (candidate == Minisockets::Off) return "";
  config.preempt_count_distance = preempt_count_distance();
  config.minisockets = candidate == Minisockets::Fentry ? TD_MINI_FENTRY : TD_MINI_TIMER;
  return candidate == Minisockets::Fentry ? fentry_lacks() : timer_lacks();
}

void Tracer::Impl::load_only_chosen() {
  // An "fentry" or "fexit" program is of the fentry way.
  bpf_program* program = nullptr;
  bpf_object__for_each_program(program, skeleton->obj) {
    const enum bpf_attach_type type = bpf_program__expected_attach_type(program);
    if (type == BPF_TRACE_FENTRY || type == BPF_TRACE_FEXIT) bpf_program__set_autoload(program, false);
  }
  if (way == Minisockets::Fentry)
    for (bpf_program* fitting : fentry_programs()) bpf_program__set_autoload(fitting, true);
  for (bpf_program* of_timers : timer_programs()) bpf_program__set_autoload(of_timers, way == Minisockets::Timer);
  if (!config_of(*skeleton).resets_told) bpf_program__set_autoload(skeleton->progs.on_send_reset, false);
  bpf_program__set_autoload(skeleton->progs.reap, way != Minisockets::Off);
  if (way != Minisockets::Timer) bpf_map__set_max_entries(skeleton->maps.orphans, 1);  // the sweep's, of timers alone
  // Where tracepoints do not disable preemption, a task preempted inside a program keeps it from all others of its CPU.
  const bool preemptible = tracepoints_are_preemptible();
  for (const Spare& spare : spares())
    bpf_program__set_autoload(spare.program, preemptible || spare.counts_as == TD_PROGRAM_SPARE);
  config_of(*skeleton).last_spare = preemptible ? TD_PROGRAM_SPARE5 : TD_PROGRAM_SPARE;
}

std::vector<Spare> Tracer::Impl::spares() const {
  return {{skeleton->progs.on_state_spare, TD_PROGRAM_SPARE},
          {skeleton->progs.on_state_spare2, TD_PROGRAM_SPARE2},
          {skeleton->progs.on_state_spare3, TD_PROGRAM_SPARE3},
          {skeleton->progs.on_state_spare4, TD_PROGRAM_SPARE4},
          {skeleton->progs.on_state_spare5, TD_PROGRAM_SPARE5}};
}

Status Tracer::Impl::attach() {
  // The spares come last and go first (detach): alone they would count what nobody fired.
  std::vector<bpf_program*> programs;
  for (bpf_program* program : timer_programs()) programs.push_back(program);
  if (way == Minisockets::Fentry)
    for (bpf_program* program : fentry_programs()) programs.push_back(program);
  programs.push_back(skeleton->progs.on_state);
  for (const Spare& spare : spares()) programs.push_back(spare.program);
  for (bpf_program* program : programs) {
    if (!bpf_program__autoload(program)) continue;
    bpf_link* link = bpf_program__attach(program);
    if (link == nullptr) return load_error(errno);
    links.emplace_back(link);
  }
  if (way != Minisockets::Off)
    reaper.emplace(bpf_program__fd(skeleton->progs.reap), bpf_map__fd(skeleton->maps.minis));
  attached = true;
  skeleton->bss->live = true;
  return Ok;
}

/// All programs at once: detaching takes each of them some milliseconds.
void Tracer::Impl::stop_events() {
  timespec now{};
  clock_gettime(CLOCK_MONOTONIC, &now);
  skeleton->bss->stopped_ns = static_cast<__u64>(now.tv_sec) * 1'000'000'000U + static_cast<__u64>(now.tv_nsec);
  skeleton->bss->live = false;
}

/// Lets the kernel side look up what no event told it, a few times a second.
void Tracer::Impl::sweep_if_due() {
  const auto now = std::chrono::steady_clock::now();
  if (now - swept < std::chrono::milliseconds(200)) return;
  swept = now;
  sweep();
  if (reaper) reaper->step(now);
}

void Tracer::Impl::sweep() {
  LIBBPF_OPTS(bpf_test_run_opts, run);
  bpf_prog_test_run_opts(bpf_program__fd(skeleton->progs.sweep), &run);
}

bool Tracer::Impl::take(const void* data, std::size_t size) {
  play(data, size);
  return outcome.ok() && ++records < kRecordsPerDrain;
}

void Tracer::Impl::play(const void* data, std::size_t size) {
  auto event = decode_event(data, size);
  if (!event) {
    ++malformed;
  } else if (auto* transition = std::get_if<Transition>(&*event)) {
    outcome = pass(*transition, &Consumer::transition);
  } else {
    outcome = pass(std::get<Seed>(*event), &Consumer::seed);
  }
}

td_counters Tracer::Impl::count(unsigned program) const {
  const int cpus = libbpf_num_possible_cpus();
  std::vector<td_cpu> values(static_cast<std::size_t>(cpus));
  const __u32 key = 0;
  td_counters sum{};
  if (bpf_map_lookup_elem(bpf_map__fd(skeleton->maps.cpus), &key, values.data()) != 0) return sum;
  for (const td_cpu& cpu : values) {
    sum.entered += cpu.of[program].entered;
    sum.handled += cpu.of[program].handled;
    sum.ring_full += cpu.of[program].ring_full;
    sum.map_full += cpu.of[program].map_full;
    sum.unseen += cpu.of[program].unseen;
  }
  return sum;
}

td_counters Tracer::Impl::count() const {
  const td_counters first = count(TD_PROGRAM_STATE);
  td_counters sum{first.entered, first.handled, 0, 0, 0};
  for (const Spare& spare : spares()) sum.handled += count(spare.counts_as).handled;
  for (unsigned program = 0; program < TD_PROGRAMS; ++program) {
    const td_counters one = count(program);
    sum.ring_full += one.ring_full;
    sum.map_full += one.map_full;
    sum.unseen += one.unseen;
  }
  return sum;
}

std::uint64_t Tracer::Impl::misses() const {
  return attached ? program_info(skeleton->progs.on_state).recursion_misses : misses_at_detach;
}

Tracer::Tracer(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Tracer::~Tracer() = default;

Result<std::unique_ptr<Tracer>> Tracer::start(const TracerOptions& options) {
  if (!missing_capabilities().empty()) return permission_error(EPERM);
  if (Status status = check_kernel(); !status) return status.error();
  auto impl = std::make_unique<Impl>();
  if (Status status = impl->open(options); !status) return status.error();
  forget_kernel_types();
  return std::unique_ptr<Tracer>(new Tracer(std::move(impl)));
}

Minisockets Tracer::minisockets() const { return impl_->way; }
const std::string& Tracer::minisockets_note() const { return impl_->note; }

int Tracer::poll_fd() const { return impl_->ring->poll_fd(); }

Result<SeedReport> Tracer::Impl::walk(Consumer& to, std::function<Status()> between) {
  SeedPlan plan;
  plan.owners = skeleton->progs.seed_owner;
  plan.sockets = skeleton->progs.seed_socket;
  plan.netns = filter.netns;
  plan.on_record = [&](const void* data, std::size_t size) {
    consumer = &to;
    play(data, size);
    return outcome;
  };
  plan.between = std::move(between);
  return walk_sockets(plan);
}

Result<SeedReport> Tracer::seed(Consumer& consumer) {
  auto report = impl_->walk(consumer, [&]() -> Status {
    auto drained = drain(consumer);
    return drained ? Status(Ok) : drained.error();
  });
  impl_->skeleton->bss->all_known = report.ok();
  return report;
}

Result<SeedReport> Tracer::list(const TracerOptions& options, Consumer& consumer) {
  if (!missing_capabilities().empty()) return permission_error(EPERM);
  Impl impl;
  if (Status status = impl.open_listing(options); !status) {
    // Reading all types of the kernel once more takes a while: only to say what it lacks.
    if (Status kernel = check_kernel(); !kernel) return kernel.error();
    return status.error();
  }
  return impl.walk(consumer, []() -> Status { return Ok; });
}

Result<bool> Tracer::drain(Consumer& consumer) {
  if (impl_->attached) impl_->sweep_if_due();
  impl_->consumer = &consumer;
  impl_->records = 0;
  impl_->outcome = Ok;
  const bool emptied = impl_->ring->read([&](const void* data, std::size_t size) { return impl_->take(data, size); });
  if (!impl_->outcome) return impl_->outcome.error();
  if (!emptied || impl_->attached || impl_->skeleton->bss->owed_lines == 0) return !emptied;
  impl_->sweep();  // there is room now
  return true;
}

void Tracer::detach() {
  if (!impl_->attached) return;
  impl_->stop_events();
  while (!impl_->links.empty()) impl_->links.pop_back();
  // A program that another CPU was just running ends within microseconds.
  timespec a_moment{0, 21'000'000};
  while (nanosleep(&a_moment, &a_moment) != 0 && errno == EINTR) continue;
  // The first look doubts what may be about to change, the second believes it: nothing changes now.
  impl_->sweep();
  impl_->sweep();
  impl_->misses_at_detach = program_info(impl_->skeleton->progs.on_state).recursion_misses;
  impl_->attached = false;
}

LossCounts Tracer::lost() {
  // What fired just now may be under way.
  std::uint64_t fired = balance().fired;
  if (impl_->attached) fired = std::exchange(impl_->fired_before, fired);
  const td_counters sum = impl_->count();
  LossCounts lost{};
  lost[static_cast<std::size_t>(LossPlace::Ring)] = sum.ring_full + impl_->malformed;
  lost[static_cast<std::size_t>(LossPlace::Map)] = sum.map_full;
  std::uint64_t seen = sum.handled + impl_->count(TD_PROGRAM_STATE).map_full;
  for (const Spare& spare : impl_->spares()) seen += impl_->count(spare.counts_as).map_full;
  lost[static_cast<std::size_t>(LossPlace::Recursion)] = (fired > seen ? fired - seen : 0) + sum.unseen;
  return lost;
}

Tracer::Balance Tracer::balance() const {
  const std::uint64_t misses = impl_->misses();
  const td_counters sum = impl_->count();
  return {sum.handled, sum.entered + misses};
}

std::uint32_t Tracer::verified_instructions() const {
  return std::max(program_info(impl_->skeleton->progs.on_state).verified_insns,
                  program_info(impl_->skeleton->progs.on_state_spare).verified_insns);
}

}  // namespace tcpdwell
