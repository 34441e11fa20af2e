// SPDX-License-Identifier: BSD-2-Clause
/// What flags say, checked and turned into what the program works with. Every error is one line and
/// exit status 2.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "capture/tracer.h"
#include "model/filter.h"
#include "model/summary.h"

namespace CLI {
class Option;
}

namespace tcpdwell {

/// What a shell may complete an option's value with: these words, or names of files. It restricts
/// nothing: what a value may be is decided where it is read.
struct Offer {
  std::vector<std::string> words;
  bool files = false;
};

enum class Format { Text, Json, Csv };
enum class ReportFormat { Text, Json, Csv, Html, Svg, Dot, Perfetto };

/// Flag values as typed: cli/flags.h.
struct RawOptions {
  std::vector<std::string> pids, comms, local_ports, remote_ports, local, remote, states, by;
  bool ipv4 = false, ipv6 = false;
  std::string netns = "all", cgroup, min_dwell, format = "text", output, duration, user, host_root,
              buffer = "8M", minisockets = "auto", mode = "600";
  std::string of = "state";
  std::uint64_t limit = 30;  ///< rows of a table of text; 0 = all
  std::uint64_t count = 0;
  std::uint32_t max_time_wait = 0, max_requests = 0;  ///< 0: from the host's own limits
  bool wide = false, time = false, no_color = false, quiet = false;
  int verbose = 0;         ///< how often -v was given: 1 for our own words, 2 for libbpf's too
  bool listening = false;  ///< of `stuck`, as netstat's -l
  bool all = false;        ///< of `stuck`, netstat's -a; beside `-- COMMAND`, all of the host
  bool existing = false;
  std::map<const CLI::Option*, Offer> offers;  ///< not typed, but told beside what is
};

/// Where the connections are: this host, whose namespaces and cgroups can be looked up, or a trace.
enum class Scope { Live, Trace };

struct FilterChoice {
  Filter filter;
  std::optional<TracerOptions::CgroupScope> cgroup;  ///< Scope::Live only
};
Result<FilterChoice> parse_filter(const RawOptions& raw, Scope scope);
Result<Format> parse_format(const RawOptions& raw);
/// What a table is of, and its rows by.
struct TableKeys {
  Of of = Of::State;
  std::vector<Key> by;
};
Result<TableKeys> parse_table_keys(const RawOptions& raw);
/// What is asked of a command that makes a table of live traffic.
struct TableChoice {
  Format format;
  FilterChoice filter;
  TableKeys table;
};
Result<TableChoice> parse_table_choice(const RawOptions& raw);
Result<ReportFormat> parse_report_format(const RawOptions& raw);
Result<std::vector<Key>> parse_by(const RawOptions& raw);  ///< of states
/// Permissions as chmod takes them, in octal: "640".
Result<mode_t> parse_mode(const std::string& text);

/// Columns of the terminal at `fd`; 0 where there is none.
std::size_t terminal_columns(int fd);

/// Whether to colour what goes to `fd`: a terminal, no --no-color, no NO_COLOR, not TERM=dumb.
bool want_colour(const RawOptions& raw, int fd);

}  // namespace tcpdwell
