// SPDX-License-Identifier: BSD-2-Clause
/// Chrome's trace-event format, which ui.perfetto.dev and speedscope open: a process is an owner, a
/// thread a connection, a slice a stay in a state, counters are populations.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>

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
  /// The number of the owner's process, named when first seen: its pid, or where a process of
  /// another host has that one, another number.
  std::uint64_t process_of(const ConnectionRow& connection);
  void name(std::string_view what, std::uint64_t process, std::optional<std::uint64_t> track,
            std::string_view text);
  std::string moment(std::int64_t wall_ns);
  void put(std::string_view event);

  Output& out_;
  Status status_ = Ok;
  std::string event_;
  std::map<std::pair<std::string, std::uint64_t>, std::uint64_t> processes_;  ///< by host and pid
  std::set<std::uint64_t> taken_;
  std::uint64_t next_process_ = 1U << 23;  ///< above every pid
  std::optional<std::int64_t> zero_wall_ns_;
  std::uint64_t tracks_ = 0;
  bool first_ = true;
};

}  // namespace tcpdwell
