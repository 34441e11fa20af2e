// SPDX-License-Identifier: BSD-2-Clause
/// `tcpdwell stuck`: the sockets that exist now. One walk, nothing is attached; a `serve` that runs
/// here is asked for what the kernel has forgotten of them.
#include <fmt/format.h>
#include <unistd.h>

#include "capture/tracer.h"
#include "cli/ask_serve.h"
#include "cli/commands.h"
#include "enrich/host.h"
#include "run/pipeline.h"
#include "sinks/listing.h"
#include "util/duration.h"

namespace tcpdwell {
namespace {

/// netstat's choice of sockets.
bool wanted(State state, const RawOptions& raw, bool states_named) {
  if (raw.listening) return state == State::Listen;
  return raw.all || states_named || state != State::Listen;
}

class Gathering : public Consumer {
 public:
  Gathering(const RawOptions& raw, const Filter& filter, const ServeAnswer* known)
      : raw_(raw), filter_(filter), known_(known), names_(cgroup_names(raw)) {
    sockets.reserve(kExpected);
  }
  Status transition(const Transition&) override { return Ok; }
  Status seed(const Seed& seed) override {
    if (!wanted(seed.state, raw_, filter_.states != 0)) return Ok;
    sockets.push_back({seed, nullptr, {}});
    if (known_ != nullptr) known_->improve(sockets.back().seed);
    return Ok;
  }
  /// Says of each who has it open, and leaves out whom nobody asked for.
  void finish(const HolderTable& holders, bool all_walked) {
    std::erase_if(sockets, [&](const Listed& one) { return !asked_for(one.seed, holders); });
    for (Listed& one : sockets) {
      one.holders = holders.holders_of(one.seed.live, all_walked);
      Owner& owner = one.seed.socket.owner;
      // One that has executed another program since it connected is known by its name of now.
      holders.any_holder(one.seed.live.file_cookie, [&](const Holder& holder) {
        if (owner.pid != holder.pid) return false;
        owner.comm = holder.comm;
        return true;
      });
      one.cgroup = names_.find(one.seed.socket.cgroup_id);
    }
  }
  std::vector<Listed> sockets;

 private:
  /// Address space, not memory: moving a hundred thousand again and again costs more than what is
  /// read of them.
  static constexpr std::size_t kExpected = 1U << 17;

  /// By its owner, or by any process that has it open.
  bool asked_for(const Seed& seed, const HolderTable& holders) const {
    // What is asked for are pids of the own namespace, and an owner's is the host's.
    const bool own_pids = !filter_.pids.empty() && !in_initial_pid_namespace();
    if (!own_pids && filter_.matches(seed)) return true;
    if (filter_.pids.empty() && filter_.comms.empty()) return false;
    Seed held = seed;
    return holders.any_holder(seed.live.file_cookie, [&](const Holder& holder) {
      held.socket.owner.pid = own_pids ? holder.own_pid : holder.pid;
      held.socket.owner.comm = holder.comm;
      return filter_.matches(held);
    });
  }

  const RawOptions& raw_;
  const Filter& filter_;
  const ServeAnswer* known_;
  CgroupNames names_;
};

Status write_text(const RawOptions& raw, Output& out, const std::vector<Listed>& sockets) {
  const int fd = raw.output.empty() ? STDOUT_FILENO : -1;
  const ListingOptions options{want_colour(raw, fd), raw.wide, raw.time,
                               raw.wide ? 0 : terminal_columns(fd)};
  Status status = write_listing_text(out, sockets, options);
  return status && !raw.quiet ? write_listing_summary(out, sockets, terminal_columns(fd)) : status;
}

Result<TracerOptions> listing_options(const RawOptions& raw) {
  auto choice = parse_filter(raw, Scope::Live);
  if (!choice) return choice.error();
  TracerOptions options;
  options.filter = std::move(choice->filter);
  options.cgroup = choice->cgroup;
  options.pid_namespace = own_pid_namespace();
  options.verbose = raw.verbose > 1;
  options.wall_offset_ns = WallClock().offset_ns();
  return options;
}

Result<std::optional<ServeAnswer>> ask_serve(const Invocation& invocation) {
  const std::string& path = invocation.socket;
  if (path.empty()) return std::optional<ServeAnswer>();
  auto known = ServeAnswer::ask(path);
  if (known) {
    if (invocation.raw.verbose)
      complain(fmt::format("serve knows how long {} sockets have been in their state ({})",
                           known->size(), path));
    return std::optional(std::move(known).value());
  }
  const Error& why = known.error();
  const bool somebody_is_there = why.os_errno == 0;
  if (invocation.socket_given && !somebody_is_there)
    return Error{why.fault,
                 fmt::format("--socket {}: no serve answers there: {}", path, why.message),
                 why.os_errno};
  if (somebody_is_there && !invocation.raw.quiet)
    complain(
        fmt::format("goes on without serve ({}): ages are what the kernel remembers", why.message));
  else if (invocation.raw.verbose)
    complain(fmt::format("no serve answers ({}): ages are what the kernel remembers", why.message));
  return std::optional<ServeAnswer>();
}

/// What the kernel may have forgotten, and serve has not, must not be held against a socket before
/// it is asked; nor who has it open before all who have are known.
void leave_to_us(Filter& filter) {
  filter.pids.clear();
  filter.comms.clear();
  filter.min_dwell_ns = 0;
}

}  // namespace

Result<int> run_stuck(const Invocation& invocation) {
  const RawOptions& raw = invocation.raw;
  auto format = parse_format(raw);
  if (!format) return format.error();
  if (raw.listening && !raw.states.empty())
    return Error{Fault::Usage, "-l lists LISTEN alone: give either -l or --state"};
  auto options = listing_options(raw);
  if (!options) return options.error();
  complain_of_missing(raw, options->filter, "it has no sockets");
  const auto answer = ask_serve(invocation);
  if (!answer) return answer.error();
  const std::optional<ServeAnswer>& known = *answer;
  Filter filter = options->filter;
  filter.cgroups.clear();  // the kernel side knows what is below them
  Gathering gathering(raw, filter, known ? &*known : nullptr);
  leave_to_us(options->filter);
  HolderTable holders;
  auto report = Tracer::list(*options, gathering, holders);
  if (!report) return report.error();
  gathering.finish(holders, in_initial_pid_namespace());
  auto out = open_output(raw);
  if (!out) return out.error();
  std::vector<Listed>& sockets = gathering.sockets;
  sort_oldest_first(sockets);
  const Status status = *format == Format::Json  ? write_listing_json(**out, sockets)
                        : *format == Format::Csv ? write_listing_csv(**out, sockets)
                                                 : write_text(raw, **out, sockets);
  if (Status done = finish(**out, status); !done) return done.error();
  if (!raw.quiet) complain_of_gaps(*report, "sockets", "are missing");
  return 0;
}

}  // namespace tcpdwell
