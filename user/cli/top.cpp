// SPDX-License-Identifier: BSD-2-Clause
/// `tcpdwell top`: the full-screen live view.
#include "views/top.h"

#include <fmt/format.h>
#include <poll.h>
#include <signal.h>
#include <sys/signalfd.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <map>
#include <memory>
#include <optional>
#include <utility>

#include "aggregate/aggregator.h"
#include "aggregate/analyzer.h"
#include "aggregate/first_open.h"
#include "aggregate/open_groups.h"
#include "aggregate/open_table.h"
#include "cli/commands.h"
#include "enrich/cgroups.h"
#include "enrich/host.h"
#include "run/live_run.h"
#include "run/pipeline.h"
#include "terminal/curses.h"
#include "util/clock.h"
#include "util/descriptor.h"
#include "util/duration.h"

namespace tcpdwell {
namespace {

constexpr std::uint64_t kLeastIntervalNs = 100'000'000;
/// Findings take longer to work out than the rest, and are about what is going on: after a while
/// what they were drawn from is forgotten.
constexpr std::int64_t kFindingsEveryNs = 2'000'000'000, kFindingsBehindNs = 10'000'000'000,
                       kFindingsOfNs = 600'000'000'000;
/// Gathering may take this part of the time; on a host with a million connections the screen
/// changes less often.
constexpr std::int64_t kGatheringShare = 10;

/// Names of cgroups that are asked for again and again. One that is gone will not come back: it is
/// looked for a few times, as a walk of the hierarchy that is not due may have found nothing.
class TopNames {
 public:
  explicit TopNames(CgroupNames names) : names_(std::move(names)) {}
  std::string find(std::uint64_t id) {
    int& tries = tries_[id];
    if (tries >= kTries) return {};
    std::string name = names_.find(id)->label();
    // A name is found in a table; one that is not costs a walk.
    if (name.empty()) ++tries;
    if (tries_.size() > kMost) tries_.clear();
    return name;
  }

 private:
  static constexpr int kTries = 3;
  static constexpr std::size_t kMost = 65536;
  CgroupNames names_;
  std::map<std::uint64_t, int> tries_;
};

/// Signals that do not end a run, as something that can be read.
class SignalFd {
 public:
  explicit SignalFd(std::initializer_list<int> numbers) {
    sigset_t set;
    sigemptyset(&set);
    for (const int number : numbers) sigaddset(&set, number);
    sigprocmask(SIG_BLOCK, &set, nullptr);
    fd_.reset(signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK));
  }
  int fd() const { return fd_.get(); }  ///< below 0, with errno, where there is none
  /// 0 when there is none.
  int next() const {
    signalfd_siginfo info{};
    return read(fd_.get(), &info, sizeof info) == sizeof info ? static_cast<int>(info.ssi_signo)
                                                              : 0;
  }

 private:
  Descriptor fd_;
};

AnalyzerOptions analyzer_options() {
  AnalyzerOptions options;
  options.connections = {0, 0, 0};
  options.most_ports = 100;
  return options;
}

/// Begins and ends of connections, for the table that is shown.
class Counting : public Consumer {
 public:
  Status transition(const Transition& t) override {
    return groups_ ? groups_->transition(t) : Status(Ok);
  }
  void use(const std::optional<Grouping>& grouping, std::int64_t wall_ns) {
    if (grouping && groups_ && groups_->grouping() == *grouping) return;
    groups_.reset();
    if (grouping) groups_ = std::make_unique<OpenGroups>(*grouping);
    since_wall_ns_ = wall_ns;
  }
  OpenGroups* groups() { return groups_.get(); }
  std::int64_t since_wall_ns() const { return since_wall_ns_; }
  void restart(std::int64_t wall_ns) { since_wall_ns_ = wall_ns; }

 private:
  std::unique_ptr<OpenGroups> groups_;
  std::int64_t since_wall_ns_ = 0;
};

/// What cannot be read is said before there is a screen, and not on it.
CgroupNames names_for_screen(const RawOptions& raw) {
  const auto before = std::make_shared<bool>(!raw.quiet);
  CgroupNames names(raw.host_root, [before](const std::string& trouble) {
    if (*before) complain(trouble);
  });
  *before = false;
  return names;
}

class TopRun {
 public:
  TopRun(const Filter& filter, TopOptions options, bool colour, CgroupNames names)
      : states_(filter.states),
        min_age_ns_(filter.min_dwell_ns),
        colour_(colour),
        interval_ns_(options.interval_ns),
        names_(std::move(names)),
        top_(with_names(std::move(options))),
        by_state_(AggregatorOptions{}, open_),
        analyzer_(analyzer_options(), open_) {}

  Result<int> run(LivePlan plan, Header header) {
    signals_.emplace(std::initializer_list<int>{SIGWINCH, SIGTSTP, SIGCONT});
    if (signals_->fd() < 0) return os_error(Fault::Runtime, errno, "cannot wait for signals");
    plan.tick_ns = interval_ns_;
    plan.connections = [this] { return by_state_.connections(); };
    plan.on_seeded = [this](const SeedReport& report) { begin(report); };
    plan.on_unconfined = [this](const Error& why) {
      top_.tell(unconfined_words(why));  // standard error is the screen
      return Status(Ok);
    };
    plan.keep.looks = true;
    plan.after_drain = [this](Tracer& tracer) {
      tracer_ = &tracer;
      return repaint();
    };
    plan.on_tick = [this](std::int64_t wall_ns) { return tick(wall_ns); };
    std::uint64_t suspended_ns = 0;  // said when the screen is a terminal again
    plan.on_suspended = [&](std::uint64_t ns) { suspended_ns = ns; };
    plan.watched = {{STDIN_FILENO, [this] { return pressed(); }},
                    {signals_->fd(), [this] { return signalled(); }}};
    Tee tee({&by_state_, &analyzer_, &counting_});
    auto outcome = run_live(plan, std::move(header), tee);
    if (screen_) screen_->leave();
    screen_.reset();
    if (!failure_) return failure_.error();
    if (!outcome) return outcome.error();
    tell_losses(outcome->end_wall_ns);
    if (suspended_ns != 0) complain(suspended_words(suspended_ns));
    return 0;
  }

 private:
  TopOptions with_names(TopOptions options) {
    options.cgroup_name = [this](std::uint64_t id) { return names_.find(id); };
    return options;
  }

  /// What exists is known: the screen opens.
  void begin(const SeedReport& report) {
    auto screen = CursesScreen::open(colour_);
    if (!screen) {
      failure_ = screen.error();
      return;
    }
    screen_ = std::move(screen).value();
    if (report.unreachable != 0)
      top_.tell(
          fmt::format("{} network namespaces could not be entered: their older sockets are missing",
                      report.unreachable));
    begin_ns_ = clock_ns(CLOCK_MONOTONIC);
    const std::int64_t now = clock_.now();
    top_.add(by_state_.take_summary(now), self());
    gather(now);
  }

  TopSelf self() const {
    return {by_state_.transitions(), static_cast<std::uint64_t>(clock_ns(CLOCK_PROCESS_CPUTIME_ID)),
            clock_ns(CLOCK_MONOTONIC) - begin_ns_ + 1, not_followed_};
  }

  Result<bool> tick(std::int64_t wall_ns) {
    top_.add(by_state_.take_summary(wall_ns), self());
    if (wall_ns >= window_ends_wall_ns_) {
      if (window_ends_wall_ns_ != 0) analyzer_.begin_window(wall_ns);
      looks_anew_ = true;
      window_ends_wall_ns_ = wall_ns + kFindingsOfNs;
    }
    if (!top_.paused() && wall_ns >= gather_again_wall_ns_) gather(wall_ns);
    dirty_ = true;
    if (Status status = repaint(); !status) return status.error();
    return true;
  }

  /// One walk over what is open for all that is on the screen.
  void gather(std::int64_t wall_ns) {
    const std::uint64_t begun_ns = clock_ns(CLOCK_MONOTONIC);
    const TopRequest request = top_.request();
    counting_.use(request.grouping, wall_ns);
    OpenGroups* const groups = counting_.groups();
    FirstOpen rows(request.order, request.reversed, TopData::kMostConnections);
    TopData data;
    data.wall_ns = wall_ns;
    analyzer_.each_open(wall_ns, [&](const Followed& followed, const Dwell& age) {
      data.open += followed.state != State::Listen;
      note_oldest(data, followed.state, age);
      if (!shows(followed, age)) return;
      if (groups != nullptr) groups->open(followed, age);
      if (request.connections && wanted(request, followed)) rows.add(followed, age);
      if (request.path_of && *request.path_of == followed.socket.id)
        data.path = open_row({}, followed, wall_ns);
    });
    if (groups != nullptr) take_groups(*groups, data, wall_ns);
    data.matching = rows.seen();
    data.connections = rows.take(wall_ns);
    data.findings = findings(wall_ns, request.findings ? kFindingsEveryNs : kFindingsBehindNs);
    top_.show(std::move(data));
    dirty_ = true;
    gather_again_wall_ns_ =
        wall_ns + static_cast<std::int64_t>(clock_ns(CLOCK_MONOTONIC) - begun_ns) * kGatheringShare;
  }

  static void note_oldest(TopData& data, State state, const Dwell& age) {
    Dwell& oldest = data.oldest[static_cast<std::size_t>(state)];
    if (age.bound != Bound::Unknown && (oldest.bound == Bound::Unknown || age.ns > oldest.ns))
      oldest = age;
  }

  void take_groups(OpenGroups& groups, TopData& data, std::int64_t wall_ns) {
    const double seconds = static_cast<double>(wall_ns - counting_.since_wall_ns()) / 1e9;
    if (seconds > 0) data.counted_s = seconds;
    data.groups = groups.take();
    data.left_out = groups.left_out();
    counting_.restart(wall_ns);
  }

  bool shows(const Followed& followed, const Dwell& age) const {
    return (states_ == 0 || (states_ & bit(followed.state)) != 0) &&
           (min_age_ns_ == 0 || (age.bound != Bound::Unknown && age.ns >= min_age_ns_));
  }

  bool wanted(const TopRequest& request, const Followed& followed) {
    if (request.within && !in_group(request.within->grouping, request.within->keys, followed))
      return false;
    if (request.filter.empty()) return true;
    const std::uint64_t cgroup = followed.socket.cgroup_id;
    return matches(request.filter, followed.socket, followed.state,
                   cgroup == 0 ? "" : names_.find(cgroup));
  }

  /// No older than this.
  const std::vector<Finding>& findings(std::int64_t wall_ns, std::int64_t age_ns) {
    if (findings_wall_ns_ == 0 || wall_ns - findings_wall_ns_ >= age_ns) {
      look_who_waits();
      Analysis analysis = analyzer_.look(wall_ns);
      findings_ = std::move(analysis.findings);
      not_followed_ = analysis.not_followed;
      findings_wall_ns_ = wall_ns;
    }
    return findings_;
  }

  /// Findings and rows name who has a socket open now.
  void look_who_waits() {
    if (tracer_ == nullptr) return;
    analyzer_.begin_look();
    [[maybe_unused]] const auto told =
        tracer_->tell_stuck(analyzer_, std::exchange(looks_anew_, false));
  }

  Result<bool> pressed() {
    if (!screen_) return false;
    pollfd input{STDIN_FILENO, POLLIN, 0};
    if (poll(&input, 1, 0) > 0 && (input.revents & POLLIN) == 0)
      return false;  // the terminal has gone
    bool ask = false;
    for (const TopKey& key : screen_->keys()) {
      const Top::Answer answer = top_.press(key);
      if (answer == Top::Answer::Quit) return false;
      ask = ask || answer == Top::Answer::Gather;
    }
    if (ask) gather(clock_.now());
    dirty_ = true;
    if (Status status = repaint(); !status) return status.error();
    return true;
  }

  Result<bool> signalled() {
    while (const int number = signals_->next()) {
      if (!screen_) continue;
      if (number == SIGTSTP) {
        screen_->leave();
        raise(SIGSTOP);
      }
      if (number == SIGWINCH) {
        screen_->refit();
      } else {
        screen_->leave();
        screen_->enter();
      }
    }
    dirty_ = true;
    if (Status status = repaint(); !status) return status.error();
    return true;
  }

  /// A picture is made only when the terminal has taken the last: a slow one gets fewer.
  Status repaint() {
    if (!failure_) return failure_;
    if (!screen_) return Ok;
    if (dirty_ && screen_->drained()) {
      const CursesScreen::Size size = screen_->size();
      screen_->paint(top_.draw(size.rows, size.columns));
      dirty_ = false;
    }
    return screen_->flush();
  }

  void tell_losses(std::int64_t wall_ns) {
    top_.add(by_state_.take_summary(wall_ns), self());
    const std::string lost = top_.losses();
    if (!lost.empty()) complain(lost + ": what was shown misses them");
  }

  const StateSet states_;
  const std::uint64_t min_age_ns_;
  const bool colour_;
  const std::uint64_t interval_ns_;
  const WallClock clock_;
  TopNames names_;
  Top top_;
  OpenTable open_;
  Aggregator by_state_;
  Analyzer analyzer_;
  Counting counting_;
  std::unique_ptr<CursesScreen> screen_;
  std::optional<SignalFd> signals_;
  Status failure_ = Ok;
  Tracer* tracer_ = nullptr;  ///< while the run lasts
  bool dirty_ = false, looks_anew_ = false;
  std::uint64_t begin_ns_ = 0, not_followed_ = 0;
  std::int64_t gather_again_wall_ns_ = 0, findings_wall_ns_ = 0, window_ends_wall_ns_ = 0;
  std::vector<Finding> findings_;
};

Result<std::uint64_t> parse_interval(const std::string& text) {
  if (text.empty()) return std::uint64_t{1'000'000'000};
  auto interval = parse_duration_ns(text);
  if (!interval || *interval < kLeastIntervalNs)
    return Error{
        Fault::Usage,
        "INTERVAL: expected a duration from 100ms on, such as 1, 500ms or 1m, not '" + text + "'"};
  return *interval;
}

/// Tables of open connections cannot be by what is known when one has ended.
Result<std::vector<Key>> parse_top_by(const RawOptions& raw) {
  if (raw.by.empty()) return std::vector<Key>{};
  auto keys = parse_by(raw);
  if (!keys) return keys.error();
  if (whole_connections(*keys))
    return Error{
        Fault::Usage,
        "--by: top shows open connections; end and path are known only of closed ones: use stat"};
  // Rows have a column for each state anyway, unless somebody asked for them by name.
  const auto asked = [&](std::string_view word) {
    return std::any_of(raw.by.begin(), raw.by.end(), [&](const std::string& list) {
      return list.find(word) != std::string::npos;
    });
  };
  if (!asked("state")) keys->pop_back();
  return keys;
}

}  // namespace

Result<int> run_top(const Invocation& invocation) {
  const RawOptions& raw = invocation.raw;
  auto choice = parse_filter(raw, Scope::Live);
  if (!choice) return choice.error();
  auto by = parse_top_by(raw);
  if (!by) return by.error();
  auto interval = parse_interval(invocation.interval);
  if (!interval) return interval.error();
  // What leaves a state or dwelt for a moment only must be seen to follow connections: these two
  // decide what is shown.
  FilterChoice traced = *choice;
  traced.filter.states = 0;
  traced.filter.min_dwell_ns = 0;
  auto plan = live_plan(invocation.raw, invocation.command, traced);
  if (!plan) return plan.error();
  if (Status usable = CursesScreen::usable(); !usable) return usable.error();
  Header header = live_header(choice->filter);
  TopOptions options;
  options.look.utf8 = CursesScreen::has_utf8();
  const bool colour = want_colour(raw, STDOUT_FILENO);
  options.look.colour = colour;
  options.interval_ns = *interval;
  options.states = choice->filter.states;
  options.by = std::move(by).value();
  options.host = header.host;
  return TopRun(choice->filter, std::move(options), colour, names_for_screen(raw))
      .run(std::move(plan).value(), std::move(header));
}

}  // namespace tcpdwell
