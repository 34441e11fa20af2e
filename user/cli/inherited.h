// SPDX-License-Identifier: BSD-2-Clause
/// What this process was given and changes for itself; a program that it starts gets it as it was.
#pragma once

namespace tcpdwell {

/// A write that fails says so, where SIGPIPE and SIGXFSZ would end the process without a word. The
/// umask is 0: what makes a file says what its permissions are.
void change_for_ourselves();

/// Takes that back. Between fork() and exec().
void give_back();

}  // namespace tcpdwell
