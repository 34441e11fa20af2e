// SPDX-License-Identifier: BSD-2-Clause
/// How a file that is written comes to be. No other place opens one for writing.
#pragma once

#include <sys/types.h>

#include <functional>
#include <string>

#include "util/result.h"

namespace tcpdwell {

/// Permissions of a new file where nothing else is asked for: a trace is as private as a capture of
/// packets.
inline constexpr mode_t kPrivate = 0600;

/// Why `path` cannot be made: `reason` is an errno; a directory that is not there is named.
Error cannot_create(const std::string& path, int reason);

/// A descriptor, the caller's, that writes `path` from its beginning. What is there keeps its owner
/// and its permissions; a new file gets `mode`, less the umask. A link in its last place is
/// followed where we, root, or the kernel (/proc, /dev) made it: another user's could lead to any
/// file of ours. A regular file is locked (F_SETLK), and is touched only when nobody else writes
/// it. Errors are Fault::Runtime with the path.
/// `spare` looks at a regular file that holds something before it is emptied: it is given a path at
/// which to read it (/proc/self/fd/N), and its error is returned.
using Spare = std::function<Status(const std::string& opened)>;
Result<int> open_to_write(const std::string& path, mode_t mode, const Spare& spare = {});

/// A descriptor, the caller's, of a new and empty file `name` in the open directory. Whatever has
/// that name already, a link too, is left alone: an error with os_errno EEXIST. `shown` stands in
/// messages.
Result<int> make_file(int directory, const std::string& name, mode_t mode,
                      const std::string& shown);

}  // namespace tcpdwell
