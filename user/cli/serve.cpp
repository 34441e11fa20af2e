// SPDX-License-Identifier: BSD-2-Clause
/// `tcpdwell serve`: metrics, JSON and a live page over HTTP. One thread traces, another answers.
#include <fmt/format.h>
#include <malloc.h>

#include <algorithm>
#include <cerrno>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "aggregate/host_activity.h"
#include "cli/commands.h"
#include "enrich/host.h"
#include "routes/routes.h"
#include "run/live_run.h"
#include "run/notify.h"
#include "run/pipeline.h"
#include "serve/http.h"
#include "util/clock.h"
#include "util/host_clock.h"

namespace tcpdwell {
namespace {

constexpr std::uint64_t kTickNs = 1'000'000'000;
/// The other thread is thought dead after so many ticks without a beat of it.
constexpr unsigned kSilentTicks = 10;

/// Of connections, those that a finding may be about, lest a busy host's were kept.
class Waiters : public Consumer {
 public:
  Status transition(const Transition&) override { return Ok; }
  Status socket(const Listed& one) override {
    const Seed& seed = one.seed;
    const bool young = seed.age.bound == Bound::Unknown || seed.age.ns < kHeldAgeNs;
    if (seed.state == State::Listen || !young) found.push_back(one);
    return Ok;
  }
  std::vector<Listed> found;
};

class Serve {
 public:
  Serve(const Invocation& invocation, Header header, std::unique_ptr<HttpServer> server)
      : raw_(invocation.raw),
        header_(std::move(header)),
        routes_(exchange_, header_, header_.start_wall_ns, cgroup_names(raw_), invocation.top),
        server_(std::move(server)) {}

  Result<int> run(LivePlan plan) {
    plan.keep.clients = true;
    plan.watch_stdout = false;
    plan.on_unconfined = [](const Error& why) { return Status(refusal(why)); };
    plan.on_ready = [this, keep = plan.keep] { return ready(keep); };
    plan.on_hangup = [this] { reload(); };
    plan.after_drain = [this](Tracer& tracer) { return exchange(tracer); };
    plan.tracer.detail = Detail::Connections;
    plan.tracer.surveys = true;
    plan.tracer.ports = header_.ports.value_or(EphemeralPorts{});
    plan.keep.looks = true;
    plan.tick_ns = std::min(kTickNs, notifier_.watchdog_ns().value_or(kTickNs));
    plan.on_tick = [this](std::int64_t wall_ns) {
      tick(wall_ns);
      return Result<bool>(true);
    };
    auto outcome = run_live(plan, header_, activity_);
    notifier_.tell("STOPPING=1");
    if (!outcome) return outcome.error();
    return 0;
  }

 private:
  /// Nobody is answered by who could do more than answer.
  static Error refusal(const Error& why) {
    return {why.fault, "serve: " + unconfined_words(why), why.os_errno};
  }

  Status ready(const Keep& keep) {
    malloc_trim(0);  // what loading the programs took: for as long as it runs
    HttpSite site;
    site.answer = [this](const HttpRequest& request) { return routes_.answer(request); };
    site.events_path = "/api/events";
    site.event = [this](std::uint64_t since_ns) { return routes_.event(since_ns); };
    site.confine = [keep] { return confine(keep); };
    if (!raw_.quiet) site.trouble = [](const std::string& what) { complain(what); };
    if (Status started = server_->start(std::move(site)); !started) return refusal(started.error());
    notifier_.tell("READY=1");
    if (raw_.quiet) return Ok;
    for (const std::string& address : server_->addresses())
      complain(address.front() == '/' ? "answers on " + address
                                      : fmt::format("answers on http://{}/", address));
    return Ok;
  }

  /// For who comes later. The sums cost nothing to speak of; what is open is not listed for it.
  Status keep_past(Tracer& tracer) {
    const std::uint64_t now = host_clock_ns();
    if (!activity_.point_is_due(now)) return Ok;
    if (Status status = tracer.tally(activity_); !status) return status;
    activity_.add_point(now, clock_.at(now));
    return Ok;
  }

  Status exchange(Tracer& tracer) {
    if (Status status = keep_past(tracer); !status) return status;
    const StateExchange::Task task = exchange_.next(host_clock_ns());
    if (!task.make) return Ok;
    bool counted = false;
    if (task.wish && !task.later) {
      const auto done = survey(tracer, *task.wish);
      if (!done) return done.error();
      counted = *done;
      if (!counted && (!surveyed_ || task.wish->states != 0)) return Ok;  // the next time
    }
    if (!counted)
      if (Status status = tracer.tally(activity_); !status) return status;
    const std::uint64_t now = host_clock_ns();
    exchange_.put(std::make_shared<const LiveState>(activity_.look(now, clock_.at(now))));
    server_->wake();
    if (!task.wish || !task.later) return Ok;
    const auto done = survey(tracer, *task.wish);
    return done ? Status(Ok) : done.error();
  }

  /// With the sums of the same moment.
  /// False where clients have all descriptors, or there is no memory: then the last survey stays,
  /// and its age tells.
  Result<bool> survey(Tracer& tracer, const SurveyWish& wish) {
    auto survey = tracer.survey(wish, activity_);
    if (!survey) {
      const int code = survey.error().os_errno;
      if (code == EMFILE || code == ENFILE || code == ENOMEM) return false;
      return survey.error();
    }
    surveyed_ = true;
    if (Status status = tracer.tally(activity_); !status) return status.error();
    if (wish.states == 0)
      if (Status status = look_who_waits(tracer, *survey); !status) return status.error();
    exchange_.surveyed(*survey, wish.states != 0);
    activity_.survey(std::move(survey).value(), wish, clock_.now());
    return true;
  }

  /// Findings name who has a socket open now.
  Status look_who_waits(Tracer& tracer, Survey& survey) {
    const std::int64_t spent_ns = clock_ns(CLOCK_THREAD_CPUTIME_ID);
    Waiters waiters;
    const auto told = tracer.tell_stuck(waiters, std::exchange(looks_anew_, false));
    std::sort(waiters.found.begin(), waiters.found.end(), [](const Listed& a, const Listed& b) {
      return a.seed.socket.id.cookie < b.seed.socket.id.cookie;
    });
    survey.waiting = std::make_shared<const std::vector<Listed>>(std::move(waiters.found));
    survey.cost_ns += static_cast<std::uint64_t>(clock_ns(CLOCK_THREAD_CPUTIME_ID) - spent_ns);
    return told ? Status(Ok) : told.error();
  }

  /// There is nothing to read anew. What was gathered of the last minutes begins again.
  void reload() {
    const std::int64_t now = clock_.now();
    notifier_.tell(
        fmt::format("RELOADING=1\nMONOTONIC_USEC={}", (now - clock_.offset_ns()) / 1000));
    activity_.begin_window(now);
    looks_anew_ = true;
    if (!raw_.quiet)
      complain("SIGHUP: recent findings start afresh; counters and connections are kept");
    notifier_.tell("READY=1");
  }

  void tick(std::int64_t wall_ns) {
    looks_anew_ = activity_.keep_window(wall_ns) || looks_anew_;
    const std::uint64_t beats = server_->beats();
    silent_ = beats == beats_ ? silent_ + 1 : 0;
    beats_ = beats;
    if (notifier_.watchdog_ns() && silent_ < kSilentTicks) notifier_.tell("WATCHDOG=1");
  }

  const RawOptions& raw_;
  Header header_;
  WallClock clock_;
  Notifier notifier_;
  HostActivity activity_;
  StateExchange exchange_;
  Routes routes_;
  std::unique_ptr<HttpServer> server_;  ///< first to go: its thread uses the rest
  std::uint64_t beats_ = 0;
  bool looks_anew_ = false;  ///< a window has begun
  unsigned silent_ = 0;
  bool surveyed_ = false;
};

}  // namespace

Result<int> run_serve(const Invocation& invocation) {
  auto choice = parse_filter(invocation.raw, Scope::Live);
  if (!choice) return choice.error();
  if (choice->filter.states != 0 || choice->filter.min_dwell_ns != 0)
    return Error{Fault::Usage,
                 "serve: --state and --min-dwell would cut connections in pieces; ask for them in "
                 "queries: /api/stuck?state=close-wait&older=30s"};
  auto plan = live_plan(invocation.raw, invocation.command, *choice);
  if (!plan) return plan.error();
  HttpOptions options;
  options.addresses = invocation.listen;
  options.unix_path = invocation.socket;
  if (options.addresses.empty()) {
    options.addresses = {"127.0.0.1:9978"};
    options.addresses_if_any = {"[::1]:9978"};
  }
  if (!Tracer::can_count(choice->filter))
    return Error{
        Fault::Usage,
        "serve: --local and --remote take 16 address blocks at most, and of IPv6 none that "
        "holds all of ::ffff:0:0/96; ask for fewer or smaller ones"};
  if (Status allowed = may_trace(invocation.raw); !allowed) return allowed.error();
  auto server = HttpServer::listen(options);
  if (!server) return server.error();
  return Serve(invocation, live_header(choice->filter), std::move(server).value())
      .run(std::move(plan).value());
}

}  // namespace tcpdwell
