// SPDX-License-Identifier: BSD-2-Clause
/// The flags that several commands share, as CLI11 is told of them.
#pragma once

#include <string>
#include <vector>

#include "run/options.h"

namespace CLI {
class App;
}

namespace tcpdwell {

/// What decides which lines are shown: all commands that show connections.
void add_filter_flags(CLI::App& app, RawOptions& raw);
/// How it looks.
/// Where names of containers are looked up.
void add_host_flag(CLI::App& app, RawOptions& raw);
void add_look_flags(CLI::App& app, RawOptions& raw);
/// When tracing ends, how much memory it takes.
void add_live_flags(CLI::App& app, RawOptions& raw);
void add_by_flag(CLI::App& app, RawOptions& raw);
/// How long a table of text may be.
void add_limit_flag(CLI::App& app, RawOptions& raw);
/// What a table is of.
void add_of_flag(CLI::App& app, RawOptions& raw);

/// A check for CLI11. An empty value is a script's unset variable, not "no limit".
std::string not_empty(const std::string& value);

}  // namespace tcpdwell
