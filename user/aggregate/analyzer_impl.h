// SPDX-License-Identifier: BSD-2-Clause
/// What Analyzer keeps, for the two files that make it.
#pragma once

#include <tsl/robin_map.h>

#include <algorithm>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "aggregate/analyzer.h"
#include "aggregate/ends.h"
#include "aggregate/findings.h"
#include "aggregate/followed_slots.h"
#include "aggregate/open_table.h"
#include "aggregate/ports.h"
#include "aggregate/timeline.h"
#include "model/conn_id_hash.h"

namespace tcpdwell {

class Analyzer::Impl {
 public:
  Impl(AnalyzerOptions options, OpenTable* open)
      : options_(std::move(options)),
        own_(open == nullptr ? std::make_unique<OpenTable>() : nullptr),
        open_(open == nullptr ? *own_ : *open),
        connections_(options_.connections) {}

  void begin_trace(const Header& header);
  void transition(const Transition& t);
  void seed(const Seed& seed);
  void connection(const Connection& c);
  void socket(const Listed& one);
  void begin_look() {
    waiting_.clear();
    looked_ = true;
  }
  void end(const TraceEnd& end);
  void local_ports(const LocalPorts& ports) { ports_.local_ports(ports); }
  void note(std::int64_t wall_ns) { last_wall_ns_ = std::max(last_wall_ns_, wall_ns); }
  Analysis take();
  Analysis look(std::int64_t wall_ns) const;
  Analysis look(const Survey& survey, std::vector<PortRow> ports) const;
  void each_open(std::int64_t wall_ns,
                 const std::function<void(const Followed&, const Dwell& age)>& visit) const;
  void begin_window(std::int64_t wall_ns);

 private:
  Followed* find(const ConnId& id) {
    const OpenTable::Entry* const entry = open_.find(id);
    return entry == nullptr || entry->slot == OpenTable::kAbsent ? nullptr : &slots_[entry->slot];
  }
  /// `since_wall_ns`: from when on it is counted in its state.
  Followed* follow(const Socket& socket, State state, std::int64_t wall_ns,
                   std::int64_t since_wall_ns);
  void begin(const Transition& t);
  void begin_whole(Followed& followed, Transition& t, State first, std::int64_t began_ns);
  void end_stay(Followed& followed, const Transition& t);
  void keep_open(const Connection& c, const Followed& followed, bool known);
  void move(Followed& followed, const Transition& t);
  void finish(Followed& followed, const Transition& t);
  void forget(const ConnId& id);
  void add_open(std::int64_t wall_ns, Connections& connections, Waiting& waiting,
                Ends::TimeWaits& waits) const;
  void end_host(bool goes_on);
  void tell_open() const;

  const AnalyzerOptions options_;
  std::string host_, boot_id_;
  bool any_trace_ = false, minisockets_off_ = false;
  std::int64_t last_wall_ns_ = INT64_MIN;
  const std::unique_ptr<OpenTable> own_;
  OpenTable& open_;
  FollowedSlots slots_;
  std::uint64_t not_followed_ = 0;
  Ends ends_;
  Ends::TimeWaits time_waits_{};  ///< of traces of other hosts
  /// In TIME_WAIT when the trace before this one of the same host ended: who closed them.
  tsl::robin_map<ConnId, Closer, ConnIdHash> time_waits_before_;
  Edges edges_;
  Timeline timeline_;
  Ports ports_;
  Connections connections_;
  Findings findings_;
  static constexpr std::size_t kMostWaiting = 65'536;
  std::vector<Listed> waiting_;  ///< as the last look found it
  bool looked_ = false;          ///< there was one
  /// Of connection(): to clear new ones takes longer than all that is done with most of them.
  std::int64_t trace_begin_ns_ = 0;
  Followed passing_;
  Transition line_;
};

}  // namespace tcpdwell
