// SPDX-License-Identifier: BSD-2-Clause
/// Chrome's trace-event format, which ui.perfetto.dev and speedscope open: a process is an owner, a
/// thread a connection, a slice a stay in a state, counters are populations.
#pragma once

#include <cstdint>
#include <set>
#include <string>

#include "model/analysis.h"
#include "util/output.h"

namespace tcpdwell {

/// Written connection by connection; the format does not ask for the order of time.
class PerfettoWriter {
 public:
  explicit PerfettoWriter(Output& out) : out_(out) {}
  void add(const ConnectionRow& connection);
  /// The populations, and the end of the document; the first error of all writing.
  Status finish(const Series& series);

 private:
  void name_process(const ConnectionRow& connection, std::uint64_t pid);
  void put(std::string_view event);

  Output& out_;
  Status status_ = Ok;
  std::string event_;
  std::set<std::uint64_t> named_;
  std::uint64_t tracks_ = 0;
  bool first_ = true;
};

}  // namespace tcpdwell
