// SPDX-License-Identifier: BSD-2-Clause
#include "capture/tracer.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <fmt/format.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <functional>
#include <optional>
#include <utility>
#include <vector>

#include "capture/config.h"
#include "capture/counts.h"
#include "capture/decode.h"
#include "capture/failures.h"
#include "capture/looker.h"
#include "capture/pids.h"
#include "capture/port_watch.h"
#include "capture/probe.h"
#include "capture/programs.h"
#include "capture/reaper.h"
#include "capture/ring.h"
#include "capture/settings.h"
#include "capture/stuck_look.h"
#include "capture/surveyor.h"
#include "capture/tally.h"
#include "capture/walker.h"
#include "tcpdwell_bpf.skel.h"
#include "util/host_clock.h"
#include "util/moments.h"

namespace tcpdwell {
namespace {

/// A drain gives its caller (signals, timers) a turn after this many records.
constexpr unsigned kRecordsPerDrain = 32768;

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

struct SkeletonFree {
  void operator()(tcpdwell_bpf* skeleton) const { tcpdwell_bpf__destroy(skeleton); }
};
struct LinkFree {
  void operator()(bpf_link* link) const { bpf_link__destroy(link); }
};

}  // namespace

struct Tracer::Impl {
  Filter filter;
  bool filtered = false;
  std::unique_ptr<tcpdwell_bpf, SkeletonFree> skeleton;
  std::optional<Ring> ring;
  std::int64_t wall_offset_ns = 0;
  std::uint64_t malformed = 0;
  std::optional<Result<std::uint64_t>> misses_at_detach;
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
  std::optional<TallyReader> tallies;  ///< where sums are made
  std::optional<PortWatch> ports;      ///< where there are records
  // With Detail::Connections.
  std::optional<Walker> walker;
  std::optional<Looker> looker;
  std::optional<StuckLook> stuck;  ///< where there are records
  ResetNames resets;
  std::optional<Surveyor> surveyor;           ///< where `surveys` was asked for
  std::vector<std::uint64_t> file_cookies;    ///< of the listing under way
  std::vector<Connection>* listed = nullptr;  ///< of the survey under way
  bool seeds_wanted = true;

  void remember(const TracerOptions& options);  ///< what playing events needs of them
  Status open(const TracerOptions& options);
  Status open_by(Minisockets candidate, const TracerOptions& options);
  Status attach();
  void stop_events();
  Status open_listing(const TracerOptions& options);
  Result<SeedReport> walk(Consumer& to, std::function<Status()> between,
                          HolderTable* holders = nullptr);
  void look_for_holders(SeedPlan& plan, HolderTable& holders);
  void sweep_if_due();
  Status tell_ports(Consumer& to, bool now);
  void sweep();
  bool take(const void* data, std::size_t size);  ///< whether to go on
  void play(const void* data, std::size_t size);
  void play(Connection& connection);
  Result<std::uint64_t> drain_all(Tracer& tracer, Consumer& to);
  Result<std::uint64_t> misses() const;

  template <class Event>
  void set_wall_time(Event& event) const {
    event.wall_ns = static_cast<std::int64_t>(event.mono_ns) + wall_offset_ns;
  }
  void set_wall_time(Connection& connection) const {
    for (auto* moment :
         {&connection.start_wall_ns, &connection.end_wall_ns, &connection.seen_wall_ns})
      if (*moment) **moment += wall_offset_ns;
  }
  template <class Event>
  Status pass(Event& event, Status (Consumer::*method)(const Event&)) {
    set_wall_time(event);
    if (filtered && !filter.matches(event)) return Ok;
    return (consumer->*method)(event);
  }
};

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
        skeleton->maps.tallies, skeleton->maps.slots})
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
  if (way != Minisockets::Off)
    reaper.emplace(bpf_program__fd(skeleton->progs.reap), bpf_map__fd(skeleton->maps.minis));
  attached = true;
  skeleton->bss->began_ns = host_clock_ns();
  skeleton->bss->live = true;
  return Ok;
}

/// All programs at once: detaching takes each of them some milliseconds.
void Tracer::Impl::stop_events() {
  skeleton->bss->stopped_ns = host_clock_ns();
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

Status Tracer::Impl::tell_ports(Consumer& to, bool now) {
  if (!ports || !attached) return Ok;
  const std::uint64_t now_ns = host_clock_ns();
  auto changes = ports->changes(now_ns, now);
  if (!changes) return changes.error();
  for (LocalPorts& change : *changes) {
    change.wall_ns = static_cast<std::int64_t>(now_ns) + wall_offset_ns;
    if (filter.netns.value_or(change.netns) != change.netns) continue;
    if (Status status = to.local_ports(change); !status) return status;
  }
  return Ok;
}

void Tracer::Impl::play(const void* data, std::size_t size) {
  auto event = decode_event(data, size, resets);
  if (event && ports) std::visit([&](auto& e) { ports->name_iface(data, e.socket); }, *event);
  if (!event) {
    ++malformed;
  } else if (auto* transition = std::get_if<Transition>(&*event)) {
    outcome = pass(*transition, &Consumer::transition);
  } else if (auto* connection = std::get_if<Connection>(&*event)) {
    play(*connection);
  } else if (seeds_wanted) {
    outcome = pass(std::get<Seed>(*event), &Consumer::seed);
  }
}

/// What a survey lists, the kernel side has filtered.
void Tracer::Impl::play(Connection& connection) {
  if (listed == nullptr || !connection.open()) {
    outcome = pass(connection, &Consumer::connection);
    return;
  }
  set_wall_time(connection);
  listed->push_back(connection);
}

/// How many records there were.
Result<std::uint64_t> Tracer::Impl::drain_all(Tracer& tracer, Consumer& to) {
  std::uint64_t all = 0;
  for (;;) {
    const auto more = tracer.drain(to);
    if (!more) return more.error();
    all += records;
    if (!*more) return all;
  }
}

Result<std::uint64_t> Tracer::Impl::misses() const {
  return misses_at_detach ? *misses_at_detach : recursion_misses(skeleton->progs.on_state);
}

Tracer::Tracer(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Tracer::~Tracer() = default;

Status Tracer::permitted() {
  return missing_capabilities().empty() ? Status(Ok) : permission_error(EPERM);
}

Result<std::unique_ptr<Tracer>> Tracer::start(const TracerOptions& options) {
  if (Status allowed = permitted(); !allowed) return allowed.error();
  if (Status status = host_clock_known(); !status) return status.error();
  if (Status status = check_kernel(); !status) return status.error();
  auto impl = std::make_unique<Impl>();
  if (Status status = impl->open(options); !status) return status.error();
  forget_kernel_types();
  return std::unique_ptr<Tracer>(new Tracer(std::move(impl)));
}

Minisockets Tracer::minisockets() const { return impl_->way; }
const std::string& Tracer::minisockets_note() const { return impl_->note; }

int Tracer::poll_fd() const { return impl_->ring->poll_fd(); }

/// Of a socket that nobody seems to have open it is to be said for certain.
void Tracer::Impl::look_for_holders(SeedPlan& plan, HolderTable& holders) {
  plan.files = skeleton->progs.seed_file;
  plan.look_again = &skeleton->bss->look_again;
  plan.on_holder = [&holders](const td_holder& h) {
    const std::string_view comm(h.comm, strnlen(h.comm, sizeof h.comm));
    holders.add(h.cookie, {h.pid, Comm(comm), h.ns_pid});
  };
  plan.on_open = [&holders](std::uint64_t cookie) { holders.add_open(cookie); };
  plan.on_record = [this, &holders, play_on = plan.on_record](const void* data, std::size_t size) {
    td_event e{};
    std::memcpy(&e, data, std::min(size, sizeof e));
    if (e.live.held == TD_HELD_FILE) file_cookies.push_back(e.live.file_cookie);
    return play_on(data, size);
  };
  plan.doubts = [this, &holders] {
    holders.sort();
    return std::any_of(file_cookies.begin(), file_cookies.end(),
                       [&](std::uint64_t cookie) { return !holders.knows(cookie); });
  };
}

Result<SeedReport> Tracer::Impl::walk(Consumer& to, std::function<Status()> between,
                                      HolderTable* holders) {
  SeedPlan plan;
  plan.owners = skeleton->progs.seed_owner;
  plan.sockets = skeleton->progs.seed_socket;
  plan.netns = filter.netns;
  plan.on_record = [&](const void* data, std::size_t size) {
    consumer = &to;
    play(data, size);
    return outcome;
  };
  plan.on_namespace = [this](std::uint32_t inode) {
    const std::uint8_t walked = 1;
    bpf_map__update_elem(skeleton->maps.walked_nets, &inode, sizeof inode, &walked, sizeof walked,
                         BPF_ANY);
  };
  plan.between = std::move(between);
  if (holders != nullptr) look_for_holders(plan, *holders);
  auto report = walk_sockets(plan);
  if (holders != nullptr) holders->sort();
  return report;
}

Status Tracer::follow(std::uint32_t pid) {
  impl_->skeleton->bss->command_pid = pid;
  if (Status walked = walk_processes(impl_->skeleton->progs.mark_command); !walked) return walked;
  __u64 task = 0;
  if (bpf_map_get_next_key(bpf_map__fd(impl_->skeleton->maps.command_tasks), nullptr, &task) == 0)
    return Ok;
  return os_error(Fault::Runtime, errno, "cannot follow the command");
}

Result<SeedReport> Tracer::seed(Consumer& consumer) {
  auto report = impl_->walk(consumer, [&]() -> Status {
    auto drained = drain(consumer);
    return drained ? Status(Ok) : drained.error();
  });
  impl_->skeleton->bss->all_known = report.ok();
  if (report) report->sockets += impl_->skeleton->bss->seeds_counted;
  return report;
}

bool Tracer::can_count(const Filter& filter) { return decided_in_kernel(filter); }

Result<SeedReport> Tracer::list(const TracerOptions& options, Consumer& consumer,
                                HolderTable& holders) {
  if (!missing_capabilities().empty()) return permission_error(EPERM);
  if (Status status = host_clock_known(); !status) return status.error();
  Impl impl;
  if (Status status = impl.open_listing(options); !status) {
    // Reading all types of the kernel once more takes a while: only to say what it lacks.
    if (Status kernel = check_kernel(); !kernel) return kernel.error();
    return status.error();
  }
  return impl.walk(
      consumer, []() -> Status { return Ok; }, &holders);
}

Result<bool> Tracer::drain(Consumer& consumer) {
  if (impl_->attached) impl_->sweep_if_due();
  if (Status status = impl_->tell_ports(consumer, false); !status) return status.error();
  impl_->consumer = &consumer;
  impl_->records = 0;
  impl_->outcome = Ok;
  const bool emptied = impl_->ring->read(
      [&](const void* data, std::size_t size) { return impl_->take(data, size); });
  if (!impl_->outcome) return impl_->outcome.error();
  if (!emptied || impl_->skeleton->bss->owed_lines == 0) return !emptied;
  const std::uint64_t owed = impl_->skeleton->bss->owed_lines;
  impl_->sweep();  // there is room now
  return impl_->skeleton->bss->owed_lines < owed;
}

Status Tracer::tally(Consumer& consumer) {
  if (!impl_->tallies) return Ok;
  const auto tally = impl_->tallies->take();
  return tally ? consumer.tally(*tally) : Status(tally.error());
}

Status Tracer::tell_ports(Consumer& consumer) { return impl_->tell_ports(consumer, true); }

Status Tracer::tell_open(Consumer& consumer, bool changed) {
  if (!impl_->looker) return Ok;
  return impl_->looker->look(changed, [&] { return impl_->drain_all(*this, consumer); });
}

Result<bool> Tracer::tell_stuck(Consumer& consumer, bool anew) {
  if (!impl_->stuck || !impl_->ports) return false;
  impl_->skeleton->bss->begins_anew = anew;
  auto found = impl_->stuck->look(*impl_->ports);
  if (!found) return false;
  for (Listed& one : *found) {
    impl_->set_wall_time(one.seed);
    if (impl_->filtered && !impl_->filter.matches(one.seed)) continue;
    if (Status status = consumer.socket(one); !status) return status.error();
  }
  return true;
}

Result<Survey> Tracer::survey(const SurveyWish& wish, Consumer& consumer) {
  if (!impl_->surveyor) return Survey{};
  // Which ports are bound is part of it.
  if (Status status = impl_->tell_ports(consumer, true); !status) return status.error();
  std::vector<Connection> listed;
  impl_->listed = &listed;
  auto survey = impl_->surveyor->take(wish, [&] { return impl_->drain_all(*this, consumer); });
  impl_->listed = nullptr;
  if (!survey) return survey;
  const auto since = [](const Connection& c) {
    return earlier(c.wall_ns(), c.stays.back().dwell.ns);
  };
  std::sort(listed.begin(), listed.end(),
            [&](const Connection& a, const Connection& b) { return since(a) < since(b); });
  if (listed.size() > wish.most) listed.resize(wish.most);
  survey->listed = std::move(listed);
  return survey;
}

void Tracer::detach() {
  if (!impl_->attached) return;
  impl_->stop_events();
  while (!impl_->links.empty()) impl_->links.pop_back();
  timespec a_moment{0, TD_MOMENT_NS};
  while (nanosleep(&a_moment, &a_moment) != 0 && errno == EINTR) continue;
  // The first look doubts what may be about to change, the second believes it: nothing changes now.
  impl_->sweep();
  impl_->sweep();
  impl_->misses_at_detach = recursion_misses(impl_->skeleton->progs.on_state);
  impl_->attached = false;
}

Result<LossCounts> Tracer::lost() {
  const auto counts = read_counts(*impl_->skeleton);
  if (!counts) return counts.error();
  const auto misses = impl_->misses();
  if (!misses) return misses.error();
  const td_counters sum = sum_of(*counts);
  // What fired just now may be under way.
  std::uint64_t fired = sum.entered + *misses;
  if (impl_->attached) fired = std::exchange(impl_->fired_before, fired);
  LossCounts lost{};
  lost[static_cast<std::size_t>(LossPlace::Ring)] = sum.ring_full + impl_->malformed;
  lost[static_cast<std::size_t>(LossPlace::Map)] = sum.map_full;
  const std::uint64_t seen = sum.handled + transitions_without_room(*counts);
  lost[static_cast<std::size_t>(LossPlace::Recursion)] =
      (fired > seen ? fired - seen : 0) + sum.unseen;
  return lost;
}

Result<std::uint64_t> Tracer::connections() const {
  const auto counts = read_counts(*impl_->skeleton);
  return counts ? Result<std::uint64_t>(sum_of(*counts).connections) : counts.error();
}

Result<Tracer::Balance> Tracer::balance() const {
  const auto misses = impl_->misses();
  if (!misses) return misses.error();
  const auto counts = read_counts(*impl_->skeleton);
  if (!counts) return counts.error();
  const td_counters sum = sum_of(*counts);
  return Balance{sum.handled, sum.entered + *misses};
}

std::optional<std::uint32_t> Tracer::verified_instructions() const {
  return std::max(tcpdwell::verified_instructions(impl_->skeleton->progs.on_state),
                  tcpdwell::verified_instructions(impl_->skeleton->progs.on_state_spare));
}

}  // namespace tcpdwell
