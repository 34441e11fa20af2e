// SPDX-License-Identifier: BSD-2-Clause
/// Follows connections through traces and feeds what each view needs. Pure: time comes from the
/// events alone, no I/O.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>

#include "aggregate/connections.h"
#include "model/analysis.h"
#include "model/survey.h"

namespace tcpdwell {

class OpenTable;

struct AnalyzerOptions {
  ConnectionLimits connections;
  std::size_t most_ports = 1000;
  std::size_t max_followed = 1'000'000;  ///< open connections; those beyond are counted
  /// Called for every connection that ended or, when its trace does, is open.
  std::function<void(const ConnectionRow&)> on_connection;
};

class Analyzer : public Consumer {
 public:
  explicit Analyzer(AnalyzerOptions options);
  /// With a table that outlives it, which an Aggregator of the same stream may share.
  Analyzer(AnalyzerOptions options, OpenTable& open);
  ~Analyzer() override;
  Status header(const Header&) override;
  Status transition(const Transition&) override;
  Status seed(const Seed&) override;
  Status connection(const Connection&) override;
  Status socket(const Listed&) override;
  Status local_ports(const LocalPorts&) override;
  Status loss(const Loss&) override;
  Status end(const TraceEnd&) override;

  /// Once, after the last event.
  Analysis take();
  /// What socket() told is forgotten: another look at what waits is about to be told.
  void begin_look();
  /// What take() would give if the trace ended at `wall_ns`. Changes nothing: for views of what is
  /// live.
  Analysis look(std::int64_t wall_ns) const;
  /// Where it was given connections that ended alone: what is open is what the survey found, and
  /// `ports`, the fullest first, are what it took.
  Analysis look(const Survey& survey, std::vector<PortRow> ports) const;
  /// Calls `visit` for every open connection and listener with how long it has been in its state.
  void each_open(std::int64_t wall_ns,
                 const std::function<void(const Followed&, const Dwell& age)>& visit) const;
  /// What has been counted is forgotten, what is open stays: look() tells from `wall_ns` on. For a
  /// run without an end, whose findings are to be about now.
  void begin_window(std::int64_t wall_ns);

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace tcpdwell
