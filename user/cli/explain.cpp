// SPDX-License-Identifier: BSD-2-Clause
/// `tcpdwell explain [STATE]`.
#include "views/explain.h"

#include <fmt/format.h>
#include <unistd.h>

#include "cli/commands.h"
#include "util/nearest.h"
#include "util/output.h"

namespace tcpdwell {

Result<int> run_explain(const Invocation& invocation) {
  std::optional<State> state;
  if (!invocation.state.empty()) {
    state = parse_state(invocation.state);
    if (!state)
      return Error{Fault::Usage,
                   fmt::format("'{}' is no TCP state; 'tcpdwell explain' lists them{}",
                               invocation.state, did_you_mean(invocation.state, state_words()))};
  }
  const std::size_t columns = terminal_columns(STDOUT_FILENO);
  const Status status = print(explanation(state, {want_colour(invocation.raw, STDOUT_FILENO),
                                                  columns == 0 ? 80 : static_cast<int>(columns)}));
  if (!status) return status.error();
  return 0;
}

}  // namespace tcpdwell
