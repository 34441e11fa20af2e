// SPDX-License-Identifier: BSD-2-Clause
/// The commands: what each is asked for, and what runs it.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "run/options.h"
#include "util/result.h"

namespace CLI {
class App;
}

namespace tcpdwell {

/// What the command line asks for. Filled by CLI11; `action` is the chosen command.
struct Invocation {
  RawOptions raw;
  std::vector<std::string> command;  ///< the words after `--`
  std::vector<std::string> files;
  std::string interval, state, table, rotate, before, after;
  std::string lines = "transitions", flush;  ///< of record
  std::vector<std::string> listen;
  std::string socket = "/run/tcpdwell.sock";  ///< of serve
  bool socket_given = false, force = false;
  std::uint64_t keep = 0, top = 20;  ///< `top`: of serve
  std::uint64_t tables = 0;
  std::function<Result<int>()> action;  ///< the exit status, or what failed
};

Result<int> run_trace(const Invocation& invocation);
Result<int> run_record(const Invocation& invocation);
Result<int> run_stat(const Invocation& invocation);
Result<int> run_top(const Invocation& invocation);
Result<int> run_stuck(const Invocation& invocation);
Result<int> run_serve(const Invocation& invocation);
Result<int> run_report(const Invocation& invocation);
Result<int> run_diff(const Invocation& invocation);
Result<int> run_explain(const Invocation& invocation);
Result<int> run_check(const Invocation& invocation);

/// Whether words after `--` are a program that it runs.
bool takes_program(std::string_view command);

/// Tells CLI11 of all of them, and of what the program itself takes.
void offer_commands(CLI::App& app, Invocation& invocation);

}  // namespace tcpdwell
