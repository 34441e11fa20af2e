// SPDX-License-Identifier: BSD-2-Clause
/// One live run: attach, play events until something ends it, detach, drain, report.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "capture/confine.h"
#include "capture/tracer.h"
#include "model/event.h"

namespace tcpdwell {

/// Something else that a live run is to wait for.
struct Watched {
  int fd = -1;                             ///< stays the caller's
  std::function<Result<bool>()> on_ready;  ///< it can be read, or has failed; false ends the run
};

struct LivePlan {
  TracerOptions tracer;
  std::optional<std::uint64_t> duration_ns;
  std::uint64_t count = 0;  ///< end after this many transitions; 0 = no limit
  /// Run this, end when it ends; empty = none. tracer.of_command needs one.
  std::vector<std::string> command;
  std::optional<std::uint64_t> tick_ns;                       ///< call `on_tick` this often
  std::function<Result<bool>(std::int64_t wall_ns)> on_tick;  ///< false ends the run
  /// With Detail::Connections: have what is open told this often, and then call `on_told` with
  /// whether who waits was looked for as well; at the
  /// end it is told in any case.
  std::optional<std::uint64_t> tell_open_every_ns;
  std::function<Status(bool looked)> on_told;
  /// Tracer::tell_stuck() at the end, and whenever `wants_open`.
  bool tells_stuck = false;
  /// Asked after each drain: tell what is open now, as at an end, and then call `on_told`.
  std::function<bool()> wants_open;
  std::vector<Watched> watched;  ///< at most kMostWatched
  /// How request and time-wait sockets are followed, and why not better ("" if there is nothing
  /// better).
  std::function<void(Minisockets way, const std::string& note)> on_attached;
  /// What stays once attached, when all other privileges and most system calls are given up; and
  /// `command` may be sent signals.
  Keep keep;
  std::function<Status(const Error&)> on_unconfined;  ///< that failed; an error ends the run
  bool watch_stdout = true;  ///< end when the reader of standard output has gone
  std::function<Status()>
      on_ready;  ///< attached and seeded; before all is given up; an error ends the run
  std::function<void()> on_hangup;  ///< SIGHUP calls it, and does not end the run
  bool seeds = true;                ///< begin with the sockets that exist
  std::function<void(const SeedReport&)> on_seeded;
  std::function<void(std::uint64_t ns)>
      on_suspended;  ///< at the end: the machine slept so long meanwhile
  /// What was drained can be flushed, and what is open be asked for; every 20 ms at least.
  std::function<Status(Tracer&)> after_drain;
  /// For the `end` line; without, what the kernel side counted.
  std::function<std::uint64_t()> connections;
};

inline constexpr std::size_t kMostWatched = 16;

/// What ended the run and what the command said.
struct LiveOutcome {
  std::int64_t end_wall_ns = 0;
  int command_status = 0;  ///< as a shell tells it: exit status, or 128 + signal
};

/// Plays header, events, losses and end to `consumer`. SIGINT, SIGTERM, SIGHUP (see on_hangup) and
/// every other signal that would end the process but SIGQUIT, the duration, the count, the
/// command's end and (watch_stdout) a closed standard output all end it well; an error of the
/// consumer other than EPIPE is returned after detaching.
Result<LiveOutcome> run_live(const LivePlan& plan, Header header, Consumer& consumer);

}  // namespace tcpdwell
