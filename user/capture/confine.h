// SPDX-License-Identifier: BSD-2-Clause
/// Gives up what a tracer that has attached needs no more.
#pragma once

#include "util/result.h"

namespace tcpdwell {

/// What stays after all.
enum class Keep {
  Nothing,
  Files,  ///< CAP_DAC_OVERRIDE, for who makes files later in a directory of somebody else
  Clients,  ///< who listens: connections may be accepted and talked to, none made
};

/// Drops every capability of this process, also for what it might execute, and keeps system calls that
/// reading the ring and writing lines do not need from being made: execve, ptrace, sockets, bpf() but for
/// reading maps and running loaded programs. They fail with EPERM from then on.
/// CAP_BPF stays on kernels that let nobody else use the maps he has open (before Linux 5.19, c8644cd0efe7
/// "bpf: refine kernel.unprivileged_bpf_disabled behaviour"), which is found by trying.
/// Not to be undone, and for the calling thread alone: each thread calls it.
Status confine(Keep keep = Keep::Nothing);

}  // namespace tcpdwell
