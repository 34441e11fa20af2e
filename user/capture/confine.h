// SPDX-License-Identifier: BSD-2-Clause
/// Gives up what a tracer that has attached needs no more.
#pragma once

#include <sys/types.h>

#include <optional>
#include <string>

#include "util/result.h"

namespace tcpdwell {

struct User {
  uid_t uid = 0;
  gid_t gid = 0;
  std::string name;  ///< for messages
};

/// Whom this process is to go on as: `asked`, a name or a number; "" is nobody (65534) where it is
/// root's. Absent where it is that user already. Fault::Usage when there is no such user,
/// Fault::Permission when it was asked for and the capabilities to become it are missing.
Result<std::optional<User>> choose_user(const std::string& asked);

/// What a confined thread can do beside reading the ring and files, and writing to what it has
/// open.
struct Keep {
  std::optional<User> user;  ///< become this one, with no other group
  bool clients = false;  ///< accept connections on sockets that listen, and talk to them; make none
  /// Make, rename and remove files in this directory; "" is nowhere. Who becomes no other user
  /// keeps CAP_DAC_OVERRIDE, as the directory may be somebody else's.
  std::string files_in;
  bool looks = false;  ///< walk over what is open again and again (Tracer::tell_open)
  pid_t child =
      0;  ///< send signals to this process; 0 is none. Who becomes another user keeps CAP_KILL.
};

/// Becomes another user, drops every other capability, also for what it might execute, and has the
/// kernel refuse all but a list of system calls: see docs/reliability.md. They fail with EPERM from
/// then on. Where there is Landlock nothing below any directory can be changed, but in `files_in`.
/// CAP_BPF stays on kernels that let nobody else use the maps he has open (before Linux 5.19,
/// c8644cd0efe7 "bpf: refine kernel.unprivileged_bpf_disabled behaviour"), which is found by
/// trying. An Error is what failed first; the rest was done as far as it went. Fault::Permission
/// when it is the user. Not to be undone, and for the calling thread alone: each thread calls it.
Status confine(const Keep& keep);

/// For who parses what others made, and opens its input and output by and by: nothing is executed,
/// no memory becomes executable, and there is no socket, signal, ptrace or bpf(). User,
/// capabilities and files stay. Threads that are made later are confined as well. An Error where
/// the kernel does not let it.
Status confine_reading();

}  // namespace tcpdwell
