// SPDX-License-Identifier: BSD-2-Clause
/// `tcpdwell explain`: the state diagram, and each state in words.
#pragma once

#include <optional>
#include <string>

#include "model/state.h"

namespace tcpdwell {

struct ExplainOptions {
  bool colour = false;
  int columns = 80;  ///< of the terminal; text is wrapped to it, between 40 and 100
};

/// Without a state: the state diagram (79 columns whatever `columns` says), the twelve states in a
/// line each, and how two connections close. With one: all there is to say about it.
std::string explanation(std::optional<State> state, const ExplainOptions& options);

}  // namespace tcpdwell
