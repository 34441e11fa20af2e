// SPDX-License-Identifier: BSD-2-Clause
/// What Tracer keeps, for the two files that make it.
#pragma once

#include <bpf/libbpf.h>

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "capture/decode.h"
#include "capture/looker.h"
#include "capture/port_watch.h"
#include "capture/reaper.h"
#include "capture/ring.h"
#include "capture/stuck_look.h"
#include "capture/surveyor.h"
#include "capture/tally.h"
#include "capture/tracer.h"
#include "capture/walker.h"
#include "tcpdwell_bpf.skel.h"

namespace tcpdwell {

struct SkeletonFree {
  void operator()(tcpdwell_bpf* skeleton) const { tcpdwell_bpf__destroy(skeleton); }
};
struct LinkFree {
  void operator()(bpf_link* link) const { bpf_link__destroy(link); }
};

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
  void find_unseen_fins();
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

}  // namespace tcpdwell
