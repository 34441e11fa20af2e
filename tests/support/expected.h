// SPDX-License-Identifier: BSD-2-Clause
/// The lines a scripted connection must give. The one place to change when the tracer learns to
/// follow more of a connection.
#pragma once

#include <vector>

#include "model/state.h"
#include "support/workload.h"

namespace tcpdwell::test {

struct ExpectedLine {
  State from = State::Unknown, to = State::Unknown;
  Bound bound = Bound::Unknown;
  Reason reason = Reason::None;
};

std::vector<ExpectedLine> expected_chain(const Script& script, Side side);

/// Lines of a listening socket opened and closed while traced.
std::vector<ExpectedLine> expected_listener_chain();

}  // namespace tcpdwell::test
