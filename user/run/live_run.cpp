// SPDX-License-Identifier: BSD-2-Clause
#include "run/live_run.h"

#include <fmt/format.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <memory>

#include "enrich/host.h"
#include "run/child.h"
#include "run/pipeline.h"

namespace tcpdwell {
namespace {

constexpr std::uint64_t kDrainEveryNs = 20'000'000;
constexpr std::uint64_t kCountedDrainEveryNs = 200'000'000;  ///< nothing comes: the sweep's turn
constexpr std::uint64_t kLossEveryNs = 1'000'000'000;
constexpr unsigned kLossesPerTally = 60;

/// Counts transitions and lets no more pass than were asked for.
class Gate : public Consumer {
 public:
  Gate(Consumer& next, std::uint64_t limit) : next_(next), limit_(limit) {}
  Status transition(const Transition& t) override {
    if (full()) return Ok;
    ++transitions_;
    return next_.transition(t);
  }
  Status seed(const Seed& seed) override { return full() ? Status(Ok) : next_.seed(seed); }
  Status connection(const Connection& connection) override {
    if (full()) return Ok;
    ++connections_;
    return next_.connection(connection);
  }
  Status socket(const Listed& socket) override {
    return full() ? Status(Ok) : next_.socket(socket);
  }
  Status local_ports(const LocalPorts& ports) override {
    return full() ? Status(Ok) : next_.local_ports(ports);
  }
  bool full() const { return limit_ != 0 && transitions_ + connections_ >= limit_; }
  std::uint64_t transitions() const { return transitions_; }

 private:
  Consumer& next_;
  std::uint64_t limit_, transitions_ = 0, connections_ = 0;
};

Error cannot(const char* what) {
  const int code = errno;
  return {Fault::Runtime, fmt::format("cannot {}: {}", what, std::strerror(code)), code};
}

Result<int> timer_fd(std::uint64_t first_ns, std::uint64_t every_ns) {
  const auto spec = [](std::uint64_t ns) {
    return timespec{static_cast<time_t>(ns / 1'000'000'000), static_cast<long>(ns % 1'000'000'000)};
  };
  const int fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
  if (fd < 0) return cannot("make a timer");
  const itimerspec times{spec(every_ns), spec(first_ns ? first_ns : 1)};
  if (timerfd_settime(fd, 0, &times, nullptr) == 0) return fd;
  const Error why = cannot("set a timer");
  close(fd);
  return why;
}

/// Everything the run waits for. Descriptors are closed with it.
class Waiter {
 public:
  /// From Watched on, one for each of LivePlan::watched.
  enum Event : std::uint32_t {
    Ring,
    Drain,
    Signal,
    Duration,
    Tick,
    Loss,
    Look,
    Command,
    Stdout,
    Watched
  };

  Waiter() : epoll_(epoll_create1(EPOLL_CLOEXEC)) {
    if (epoll_ < 0) usable_ = cannot("wait for events");
  }
  ~Waiter() {
    for (const int fd : owned_) close(fd);
    if (epoll_ >= 0) close(epoll_);
  }
  Waiter(const Waiter&) = delete;
  Waiter& operator=(const Waiter&) = delete;

  /// A regular file cannot be waited for (EPERM): then nothing is, as nothing of it would ever
  /// come.
  Status watch(int fd, std::uint32_t event, std::uint32_t for_what = EPOLLIN) {
    epoll_event e{};
    e.events = for_what;
    e.data.u32 = event;
    if (!usable_ || epoll_ctl(epoll_, EPOLL_CTL_ADD, fd, &e) == 0 || errno == EPERM) return usable_;
    return cannot("wait for events");
  }
  Status watch_timer(std::uint64_t first_ns, std::uint64_t every_ns, Event event) {
    const auto fd = timer_fd(first_ns, every_ns);
    if (!fd) return fd.error();
    owned_.push_back(*fd);
    timers_[event] = *fd;
    return watch(*fd, event);
  }
  /// Bit set of what happened; waits only when `block`.
  Result<std::uint32_t> wait(bool block) {
    std::array<epoll_event, 8> events{};
    const int n = epoll_wait(epoll_, events.data(), events.size(), block ? -1 : 0);
    if (n < 0 && errno != EINTR) return cannot("wait for events");
    std::uint32_t happened = 0;
    for (int i = 0; i < n; ++i) {
      const std::uint32_t event = events[static_cast<std::size_t>(i)].data.u32;
      happened |= 1U << event;
      std::uint64_t expirations = 0;
      if (event < timers_.size() && timers_[event] >= 0) [[maybe_unused]]
        const ssize_t r = read(timers_[event], &expirations, sizeof expirations);
    }
    return happened;
  }

 private:
  int epoll_;
  Status usable_ = Ok;
  std::vector<int> owned_;
  std::array<int, 8> timers_{-1, -1, -1, -1, -1, -1, -1, -1};  ///< up to Look
};

/// The first ending signal asks for a good end, which may wait for whoever reads standard output;
/// so one more ends the process at once, but for an impatient one within a second. A handler
/// instead of a signalfd: a write that nobody takes would keep that from being read.
class EndingSignals {
 public:
  /// `hangups`: SIGHUP does not end the run, take() tells of it.
  explicit EndingSignals(bool hangups) {
    asked_ = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (asked_ < 0) usable_ = cannot("wait for signals");
    first_ = {};
    hangups_ = hangups;
    struct sigaction action {};
    action.sa_handler = handle;
    action.sa_flags = SA_RESTART;
    const std::vector<int> numbers = ending();
    for (const int number : numbers) sigaddset(&action.sa_mask, number);
    for (const int number : numbers) {
      struct sigaction before {};
      sigaction(number, nullptr, &before);
      // nohup(1). A shell's background job ignores SIGINT too, and is to end with it all the same.
      if (number != SIGINT && number != SIGTERM && before.sa_handler == SIG_IGN) continue;
      sigaction(number, &action, nullptr);
    }
  }
  const Status& usable() const { return usable_; }
  /// Becomes readable with the first signal, and with each hangup.
  int fd() const { return asked_; }
  struct Came {
    bool end, hangup;
  };
  Came take() const {
    std::uint64_t times = 0;
    [[maybe_unused]] const ssize_t got = read(asked_, &times, sizeof times);
    // A hangup that comes between these two is met by what is done about the one before it.
    const bool hangup = hung_up_ != 0;
    hung_up_ = 0;
    return {ends_ != 0, hangup};
  }

 private:
  /// All that would end the process and can be handled: an alarm set before exec(), a limit of
  /// processor time, a failing power supply. Not SIGQUIT, by which a person ends it at once, nor
  /// what a defect raises.
  static std::vector<int> ending() {
    std::vector<int> numbers{SIGINT,    SIGTERM, SIGHUP, SIGUSR1, SIGUSR2,   SIGALRM,
                             SIGVTALRM, SIGPROF, SIGIO,  SIGPWR,  SIGSTKFLT, SIGXCPU};
    for (int number = SIGRTMIN; number <= SIGRTMAX; ++number) numbers.push_back(number);
    return numbers;
  }
  Status usable_ = Ok;

  static void handle(int number) {
    const int error = errno;
    timespec now{};
    clock_gettime(CLOCK_MONOTONIC, &now);
    const std::uint64_t one = 1;
    if (number == SIGHUP && hangups_) {
      hung_up_ = 1;
      [[maybe_unused]] const ssize_t told = write(asked_, &one, sizeof one);
    } else if (first_.tv_sec == 0) {
      first_ = now;
      ends_ = 1;
      [[maybe_unused]] const ssize_t told = write(asked_, &one, sizeof one);
    } else if (now.tv_sec - first_.tv_sec > 1 ||
               (now.tv_sec - first_.tv_sec == 1 && now.tv_nsec >= first_.tv_nsec)) {
      signal(number, SIG_DFL);
      raise(number);
    }
    errno = error;
  }

  static inline int asked_ = -1;
  static inline bool hangups_ = false;
  static inline volatile std::sig_atomic_t ends_ = 0, hung_up_ = 0;
  static inline timespec
      first_{};  ///< read and written by the handler alone, which masks all of them
};

bool closed_pipe(const Status& status) { return !status && status.error().os_errno == EPIPE; }

class LiveRun {
 public:
  LiveRun(const LivePlan& plan, Consumer& consumer)
      : plan_(plan), consumer_(consumer), gate_(consumer, plan.count) {}

  Result<LiveOutcome> run(Header header) {
    std::unique_ptr<ChildCommand> child;  // before signals are handled: it keeps its own
    if (!plan_.command.empty()) {
      auto prepared = ChildCommand::prepare(plan_.command);
      if (!prepared) return prepared.error();
      child = std::make_unique<ChildCommand>(std::move(prepared).value());
    }
    const EndingSignals signals(static_cast<bool>(plan_.on_hangup));
    if (!signals.usable()) return signals.usable().error();
    TracerOptions options = plan_.tracer;
    options.wall_offset_ns = clock_.offset_ns();
    auto tracer = Tracer::start(options);
    if (!tracer) return tracer.error();
    tracer_ = std::move(tracer).value();
    start_ns_ = clock_.now();
    header.start_wall_ns = start_ns_;
    header.minisockets = name_of(tracer_->minisockets());
    if (plan_.on_attached) plan_.on_attached(tracer_->minisockets(), tracer_->minisockets_note());
    Status status = consumer_.header(header);
    if (status && plan_.tracer.of_command)
      status = tracer_->follow(static_cast<std::uint32_t>(child->pid()));
    if (status) status = seed();
    if (status && child) status = child->release();
    if (status) status = watch(signals.fd(), child.get());
    if (status) {
      if (plan_.on_ready) status = plan_.on_ready();
      if (status) status = give_up_privileges(child.get());
      if (status) status = loop(signals);
    }
    return finish(std::move(status), child.get());
  }

 private:
  Status give_up_privileges(const ChildCommand* child) {
    Keep keep = plan_.keep;
    if (child != nullptr) keep.child = child->pid();
    const Status confined = confine(keep);
    return confined || !plan_.on_unconfined ? Status(Ok) : plan_.on_unconfined(confined.error());
  }

  /// Without one of them the run would go on without what it tells of: its end, or what the ring
  /// holds.
  Status watch(int signals, const ChildCommand* child) {
    // Edges: the kernel says when the ring has filled, not that something is in it.
    Status status = waiter_.watch(tracer_->poll_fd(), Waiter::Ring, EPOLLIN | EPOLLET);
    const std::uint64_t drain_every_ns =
        plan_.tracer.detail == Detail::Counts ? kCountedDrainEveryNs : kDrainEveryNs;
    if (status) status = waiter_.watch_timer(drain_every_ns, drain_every_ns, Waiter::Drain);
    if (status) status = waiter_.watch_timer(kLossEveryNs, kLossEveryNs, Waiter::Loss);
    if (status && plan_.tell_open_every_ns)
      status =
          waiter_.watch_timer(*plan_.tell_open_every_ns, *plan_.tell_open_every_ns, Waiter::Look);
    if (status) status = waiter_.watch(signals, Waiter::Signal);
    if (status && plan_.watch_stdout)
      status = waiter_.watch(STDOUT_FILENO, Waiter::Stdout,
                             0);  // EPOLLERR alone: the reader of a pipe has gone
    if (status && plan_.duration_ns)
      status = waiter_.watch_timer(*plan_.duration_ns, 0, Waiter::Duration);
    if (status && plan_.tick_ns)
      status = waiter_.watch_timer(*plan_.tick_ns, *plan_.tick_ns, Waiter::Tick);
    if (status && child != nullptr) status = waiter_.watch(child->poll_fd(), Waiter::Command);
    for (std::size_t i = 0; status && i < plan_.watched.size(); ++i)
      status = waiter_.watch(plan_.watched[i].fd, Waiter::Watched + static_cast<std::uint32_t>(i));
    return status;
  }

  Status seed() {
    if (!plan_.seeds) return Ok;
    auto report = tracer_->seed(gate_);
    if (!report) return report.error();
    if (plan_.on_seeded) plan_.on_seeded(*report);
    return plan_.after_drain ? plan_.after_drain(*tracer_) : Status(Ok);
  }

  Status loop(const EndingSignals& signals) {
    const auto bit = [](Waiter::Event event) { return 1U << event; };
    const std::uint32_t ends = bit(Waiter::Duration) | bit(Waiter::Command) | bit(Waiter::Stdout);
    bool more = false;
    while (!gate_.full()) {
      const auto waited = waiter_.wait(!more);
      if (!waited) return waited.error();
      const std::uint32_t happened = *waited;
      if (happened & ends) return Ok;
      if (happened & bit(Waiter::Signal) && ended_by_signal(signals)) return Ok;
      auto drained = tracer_->drain(gate_);
      if (!drained) return drained.error();
      more = *drained;
      if (plan_.after_drain)
        if (Status status = plan_.after_drain(*tracer_); !status) return status;
      const bool wanted = plan_.wants_open && plan_.wants_open();
      if (wanted && plan_.tells_stuck)
        if (Status status = tell_stuck(/*anew=*/true); !status) return status;
      if (wanted || happened & bit(Waiter::Look))
        if (Status status = tell_open(); !status) return status;
      if (happened & bit(Waiter::Loss))
        if (Status status = tell_losses(); !status) return status;
      if (happened & bit(Waiter::Loss) && ++losses_told_ % kLossesPerTally == 0)
        if (Status status = tracer_->tally(consumer_); !status) return status;
      if (happened & bit(Waiter::Tick)) {
        // Who surveys reads the sums when somebody asks.
        if (Status status = plan_.tracer.surveys ? Status(Ok) : tracer_->tally(consumer_); !status)
          return status;
        auto go_on = plan_.on_tick(clock_.now());
        if (!go_on) return go_on.error();
        if (!*go_on) return Ok;
      }
      for (std::size_t i = 0; i < plan_.watched.size(); ++i) {
        if ((happened & 1U << (Waiter::Watched + i)) == 0) continue;
        auto go_on = plan_.watched[i].on_ready();
        if (!go_on) return go_on.error();
        if (!*go_on) return Ok;
      }
    }
    return Ok;
  }

  Status tell_open() {
    const Status told = tracer_->tell_open(gate_);
    return told && plan_.on_told ? plan_.on_told(std::exchange(looked_, false)) : told;
  }

  bool ended_by_signal(const EndingSignals& signals) {
    const EndingSignals::Came came = signals.take();
    if (came.hangup) plan_.on_hangup();
    return came.end;
  }

  Status tell_losses() {
    const auto now = tracer_->lost();
    if (!now) return now.error();
    for (std::size_t place = 0; place < kLossPlaceCount; ++place) {
      const std::uint64_t lost = (*now)[place];
      if (lost <= told_[place]) continue;
      const Loss loss{clock_.now(), static_cast<LossPlace>(place), lost - told_[place]};
      told_[place] = lost;
      if (Status status = consumer_.loss(loss); !status) return status;
    }
    return Ok;
  }

  /// Behind the lines of what has been until now.
  Status tell_stuck(bool anew) {
    for (bool more = true; more;) {
      const auto drained = tracer_->drain(gate_);
      if (!drained) return drained.error();
      more = *drained;
    }
    if (gate_.full()) return Ok;
    const auto looked = tracer_->tell_stuck(gate_, anew);
    looked_ = looked && *looked;
    return looked ? Status(Ok) : looked.error();
  }

  Result<LiveOutcome> finish(Status status, ChildCommand* child) {
    // Before the programs end, as one that ends unseen would be told by nobody; and what has
    // changed until then once more.
    if (status && !gate_.full()) status = tracer_->tell_open(gate_);
    looked_ = false;
    if (status && plan_.tells_stuck) status = tell_stuck(/*anew=*/false);
    if (status && !gate_.full()) status = tracer_->tell_ports(gate_);
    tracer_->detach();
    LiveOutcome outcome;
    outcome.end_wall_ns = clock_.now();
    while (status && !gate_.full()) {
      auto drained = tracer_->drain(gate_);
      if (!drained) status = drained.error();
      if (!drained || !*drained) break;
    }
    if (status) status = tracer_->tally(consumer_);
    if (status && !gate_.full()) status = tracer_->tell_open(gate_, /*changed=*/true);
    if (status) status = tell_losses();
    const auto lost = tracer_->lost();
    if (status && !lost) status = lost.error();
    const auto connections =
        plan_.connections ? Result<std::uint64_t>(plan_.connections()) : tracer_->connections();
    if (status && !connections) status = connections.error();
    if (status) {
      TraceEnd end{outcome.end_wall_ns, gate_.transitions(), *lost, 0, 0, suspension_.ns()};
      if (end.suspended_ns != 0 && plan_.on_suspended) plan_.on_suspended(end.suspended_ns);
      end.connections = *connections;
      end.looked = looked_;
      end.duration_ns = static_cast<std::uint64_t>(outcome.end_wall_ns - start_ns_);
      status = consumer_.end(end);
    }
    if (child != nullptr) outcome.command_status = child->end();
    if (!status && !closed_pipe(status)) return status.error();
    return outcome;
  }

  const LivePlan& plan_;
  Consumer& consumer_;
  Gate gate_;
  Waiter waiter_;
  WallClock clock_;
  bool looked_ = false;  ///< who waits, since an end was told last
  Suspension suspension_;
  std::unique_ptr<Tracer> tracer_;
  std::int64_t start_ns_ = 0;
  LossCounts told_{};
  unsigned losses_told_ = 0;
};

}  // namespace

Result<LiveOutcome> run_live(const LivePlan& plan, Header header, Consumer& consumer) {
  return LiveRun(plan, consumer).run(std::move(header));
}

}  // namespace tcpdwell
