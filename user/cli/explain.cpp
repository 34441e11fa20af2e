// SPDX-License-Identifier: BSD-2-Clause
/// `tcpdwell explain [STATE]`.
#include "views/explain.h"

#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>

#include "cli/commands.h"

namespace tcpdwell {

Result<int> run_explain(const Invocation& invocation) {
  std::optional<State> state;
  if (!invocation.state.empty()) {
    state = parse_state(invocation.state);
    if (!state)
      return Error{Fault::Usage, fmt::format("'{}' is no TCP state; 'tcpdwell explain' lists them",
                                             invocation.state)};
  }
  const std::size_t columns = terminal_columns(STDOUT_FILENO);
  FdOutput out(STDOUT_FILENO, "standard output", false);
  Status status = write_explanation(
      out, state,
      {want_colour(invocation.raw, STDOUT_FILENO), columns == 0 ? 80 : static_cast<int>(columns)});
  if (status) status = out.flush();
  if (!status && status.error().os_errno != EPIPE) return status.error();
  return 0;
}

}  // namespace tcpdwell
