// SPDX-License-Identifier: BSD-2-Clause
/// The commands: each adds its subcommand and says what to run.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "cli/options.h"
#include "util/result.h"

namespace tcpdwell {

/// What the command line asks for. Filled by CLI11; `action` is set by the chosen subcommand.
struct Invocation {
  RawOptions raw;
  std::vector<std::string> command;  ///< the words after `--`
  std::vector<std::string> files;
  std::string interval, state, table = "states", rotate, before, after;
  std::vector<std::string> listen;
  std::string socket = "/run/tcpdwell.sock";  ///< of serve
  std::uint64_t keep = 0;
  std::uint64_t tables = 0;
  std::function<Result<int>()> action;  ///< the exit status, or what failed
};

void add_trace(CLI::App& app, Invocation& invocation);
void add_record(CLI::App& app, Invocation& invocation);
void add_stat(CLI::App& app, Invocation& invocation);
void add_top(CLI::App& app, Invocation& invocation);
void add_stuck(CLI::App& app, Invocation& invocation);
void add_serve(CLI::App& app, Invocation& invocation);
void add_report(CLI::App& app, Invocation& invocation);
void add_diff(CLI::App& app, Invocation& invocation);
void add_explain(CLI::App& app, Invocation& invocation);
void add_check(CLI::App& app, Invocation& invocation);

/// All of them, and what the program itself takes.
void offer_commands(CLI::App& app, Invocation& invocation);

}  // namespace tcpdwell
