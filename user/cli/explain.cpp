// SPDX-License-Identifier: BSD-2-Clause
/// `tcpdwell explain [STATE]`.
#include "views/explain.h"

#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>

#include <CLI/CLI.hpp>

#include "cli/commands.h"
#include "cli/help.h"

namespace tcpdwell {
namespace {

Result<int> run_explain(const Invocation& invocation) {
  std::optional<State> state;
  if (!invocation.state.empty()) {
    state = parse_state(invocation.state);
    if (!state)
      return Error{Fault::Usage, fmt::format("'{}' is no TCP state; 'tcpdwell explain' lists them", invocation.state)};
  }
  const std::size_t columns = terminal_columns(STDOUT_FILENO);
  FdOutput out(STDOUT_FILENO, "standard output", false);
  Status status = write_explanation(out, state, {want_colour(invocation.raw, STDOUT_FILENO), columns == 0 ? 80 : static_cast<int>(columns)});
  if (status) status = out.flush();
  if (!status && status.error().os_errno != EPIPE) return status.error();
  return 0;
}

}  // namespace

void add_explain(CLI::App& app, Invocation& invocation) {
  CLI::App* sub = app.add_subcommand("explain", "what a state means, who waits for whom, what to do");
  sub->add_option("STATE", invocation.state, "a netstat state name, e.g. time-wait")->type_name("");
  sub->formatter(std::make_shared<HelpFormat>("explain [STATE] [OPTIONS]"));
  sub->footer("Without a state: the diagram, how connections close, and the list of states.");
  sub->add_flag("--no-color", invocation.raw.no_color, "no colour");
  sub->callback([&] { invocation.action = [&] { return run_explain(invocation); }; });
}

}  // namespace tcpdwell
