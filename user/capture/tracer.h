// SPDX-License-Identifier: BSD-2-Clause
/// The live source: loads the kernel program, attaches it, and plays its records to a consumer.
/// The only room that knows libbpf.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "capture/minisockets.h"
#include "capture/seeds.h"
#include "model/event.h"
#include "model/filter.h"
#include "model/listing.h"
#include "model/survey.h"

namespace tcpdwell {

/// What there is an event for (enum td_detail). Every transition is timed at each.
enum class Detail : std::uint8_t {
  Transitions,  ///< each transition, and each socket older than the run
  Connections,  ///< of a connection that ends one Connection, and of an open one when asked
  Counts,       ///< nothing: Tracer::tally() alone
};

struct TracerOptions {
  Filter filter;  ///< what can be cut in the kernel is cut there
  /// Owners in this cgroup v2 or below it only: its id and its depth (the root is 0).
  struct CgroupScope {
    std::uint64_t id = 0;
    unsigned level = 0;
  };
  std::optional<CgroupScope> cgroup;
  /// Sockets of the process given to follow() only, and of what it forks, and that forks.
  bool of_command = false;
  std::uint64_t ring_bytes = 8U << 20;  ///< rounded up to a power of two of pages
  Minisockets minisockets = Minisockets::Auto;
  Detail detail = Detail::Transitions;  ///< Counts only where can_count() is true
  bool counted = false;                 ///< tally() beside the events too; where can_count() is
  /// With Detail::Connections: survey() beside them, and tally() with all there is to count.
  bool surveys = false;
  EphemeralPorts ports;  ///< what a survey takes for ports that connect() chose
  std::uint32_t max_time_wait =
      0;                           ///< time-wait sockets followed at once; 0 = the host's own limit
  std::uint32_t max_requests = 0;  ///< request sockets followed at once; 0 = from the host's limits
  std::int64_t wall_offset_ns = 0;  ///< wall clock minus host_clock_ns(), for wall_ns of events
  std::uint32_t pid_namespace = 0;  ///< inode number of the own one; 0 = the initial one
  bool verbose = false;             ///< libbpf's own messages to standard error
};

/// Attached while it lives; one thread. Events come in the order of the ring.
class Tracer {
 public:
  /// Whether this process may trace, as far as its capabilities tell: to be asked before a file or
  /// a socket is made. Fault::Permission names what is missing.
  static Status permitted();
  /// Open, configure, load, attach. Fault::Permission names the capability that is missing,
  /// Fault::Unsupported what the kernel lacks, Fault::Runtime a clock that cannot be held against
  /// the kernel's.
  static Result<std::unique_ptr<Tracer>> start(const TracerOptions& options);
  /// Whether the kernel side can count what this filter passes: whether it decides it exactly.
  static bool can_count(const Filter& filter);
  /// Plays a seed for every socket that exists now, without attaching to anything: ages are what
  /// the kernel remembers. Time-wait and request sockets too, whatever `options.minisockets` says.
  /// `holders` says afterwards who has them open.
  static Result<SeedReport> list(const TracerOptions& options, Consumer& consumer,
                                 HolderTable& holders);
  ~Tracer();
  Tracer(const Tracer&) = delete;
  Tracer& operator=(const Tracer&) = delete;

  /// A descriptor to be watched for edges (EPOLLET): it has one when the ring passes its fill mark.
  /// Between marks the caller calls drain() on a timer (20 ms is what the ring is sized for).
  int poll_fd() const;

  /// With `of_command`: whose sockets are asked for, by its number in the own pid namespace. To be
  /// called before it runs what it is to run, and before seed().
  Status follow(std::uint32_t pid);

  /// Plays a seed for every socket that exists and no hook has seen yet, in every namespace that
  /// can be entered (or the filter's one), and what happens meanwhile. With Detail::Connections it
  /// has the kernel know them and plays none. Once, before the first
  /// drain().
  Result<SeedReport> seed(Consumer& consumer);

  /// Plays what is in the ring to `consumer`, wall times set. True when there may be more: it
  /// returns after some thirty thousand records so that its caller can look after signals and
  /// timers. Stops at a consumer's error, which it returns; the rest stays in the ring for the next
  /// call.
  Result<bool> drain(Consumer& consumer);

  /// With Detail::Connections: plays an open Connection for each that exists in the tracer's
  /// network namespace, or that a process anywhere has open, and what else comes meanwhile. Needs
  /// no privilege that confine() takes, where Keep::looks is set. `changed`: of those alone that
  /// have changed their state since the last time.
  Status tell_open(Consumer& consumer, bool changed = false);

  /// Plays each socket that waits for somebody, with who has it open now: what one side has closed
  /// and the other has not, what nobody has accepted, listeners that have such or that dropped
  /// segments. Of every network namespace; where the kernel lets nobody walk over socket
  /// storage, of others than the reader's what a process has open or can accept. False where it
  /// could not look. `anew`: what listeners dropped, and the most that waited there, is counted
  /// from now on.
  Result<bool> tell_stuck(Consumer& consumer, bool anew = false);
  /// Plays LocalPorts for each network namespace of which something has changed since it was told
  /// last, after a look at what is bound; drain() does so now and then. Where there are events.
  Status tell_ports(Consumer& consumer);

  /// What is open now; where `surveys` was asked for. What else comes meanwhile goes to `consumer`.
  /// As little privilege as tell_open() needs. Takes some 0.2 us for each open socket.
  Result<Survey> survey(const SurveyWish& wish, Consumer& consumer);

  /// The way in that was chosen: Fentry, Timer or Off; and why not a better one ("" if none is).
  Minisockets minisockets() const;
  const std::string& minisockets_note() const;

  /// Gives `consumer` what was counted since the last call, at Detail::Counts or where `counted`
  /// was asked for. To be called once in some minutes at least: the kernel side's counters come
  /// round.
  Status tally(Consumer& consumer);

  /// No more events are made after this. What is in the ring can still be drained.
  void detach();

  /// Totals since the start. Until detach() `recursion` is a lower bound: what fired since the last
  /// call is not counted yet. Fault::Runtime where the kernel does not let its counters be read,
  /// here and in balance().
  Result<LossCounts> lost();

  /// Connections of which an event was made; a filter of the user side may have kept it back.
  Result<std::uint64_t> connections() const;

  /// Transitions the programs saw, and could have seen. lost[recursion] is the difference, and the
  /// time-wait and request sockets whose end was found out later.
  struct Balance {
    std::uint64_t handled = 0, fired = 0;
  };
  Result<Balance> balance() const;

  /// Instructions the verifier walked for the largest program; absent where the kernel does not
  /// tell.
  std::optional<std::uint32_t> verified_instructions() const;

 private:
  struct Impl;
  explicit Tracer(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace tcpdwell
