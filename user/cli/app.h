// SPDX-License-Identifier: BSD-2-Clause
/// The command line: which command, with which options, and how its outcome becomes an exit status.
#pragma once

namespace tcpdwell {

/// Runs the program; the result is the process's exit status (docs: EXIT STATUS in README).
int run_app(int argc, char** argv);

}  // namespace tcpdwell
