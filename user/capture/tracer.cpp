// SPDX-License-Identifier: BSD-2-Clause
#include "capture/tracer.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <time.h>

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
#include "capture/pids.h"
#include "capture/probe.h"
#include "capture/programs.h"
#include "capture/tracer_impl.h"
#include "util/host_clock.h"
#include "util/moments.h"

namespace tcpdwell {
namespace {

/// A drain gives its caller (signals, timers) a turn after this many records.
constexpr unsigned kRecordsPerDrain = 32768;

void wait_a_moment() {
  timespec a_moment{0, TD_MOMENT_NS};
  while (nanosleep(&a_moment, &a_moment) != 0 && errno == EINTR) continue;
}

}  // namespace

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

/// A FIN whose restart of a timer fired no event: without this, who is TIME_WAIT would be told as
/// FIN_WAIT2. The first look doubts what may be about to change, the second believes it.
void Tracer::Impl::find_unseen_fins() {
  if (!attached || way != Minisockets::Timer) return;
  sweep();
  wait_a_moment();
  sweep();
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
  plan.on_record = [this, play_on = plan.on_record](const void* data, std::size_t size) {
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
  impl_->find_unseen_fins();
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
  wait_a_moment();
  // As in find_unseen_fins(), but that nothing changes now.
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
