// SPDX-License-Identifier: BSD-2-Clause
/// A tracer's lines held against what the workload knows. Failures are GoogleTest's (EXPECT_*).
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "model/event.h"
#include "support/workload.h"

namespace tcpdwell::test {

/// "CLOSE>SYN_SENT SYN_SENT>ESTABLISHED …"
std::string chain_text(const std::vector<Transition>& lines);

/// These are all the lines of one side of `connection`, and all they say is true.
void expect_chain(const std::vector<Transition>& lines, const Connection& connection, Side side,
                  std::uint32_t netns);

/// Address, port, family, owner and namespace of one line.
void expect_identity(const Transition& line, const Connection& connection, Side side,
                     std::uint32_t netns);

/// An exact dwell is what the workload knows, give or take `slack`; other lines pass.
void expect_dwell(const Transition& line, const Connection& connection, Side side,
                  std::uint64_t slack = kClockSlack);

}  // namespace tcpdwell::test
