// SPDX-License-Identifier: BSD-2-Clause
/// What is made of the command line's outline when tcpdwell is built.
#pragma once

#include <istream>
#include <ostream>
#include <vector>

#include "cli/command_outline.h"

namespace tcpdwell {

/// `page` with its comments <commands> and <options> replaced by mdoc.
void write_man(std::ostream& out, std::istream& page, const std::vector<CommandOutline>& commands);

/// Completions; `commands` begins with the program itself.
void write_bash(std::ostream& out, const std::vector<CommandOutline>& commands);
void write_zsh(std::ostream& out, const std::vector<CommandOutline>& commands);
void write_fish(std::ostream& out, const std::vector<CommandOutline>& commands);

}  // namespace tcpdwell
