// SPDX-License-Identifier: BSD-2-Clause
/// Asks this kernel what it has: features, never version numbers.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace tcpdwell {

/// Frees what the questions below have loaded of the kernel's types, some megabytes; the next one
/// loads it anew.
void forget_kernel_types();
/// Whether the kernel describes its own types (/sys/kernel/btf/vmlinux).
bool kernel_has_btf();
/// Whether the file is there to be read, whatever came of trying.
bool kernel_btf_is_readable();
/// Whether `tp_btf/NAME` can be attached: the kernel has a typedef btf_trace_NAME.
bool kernel_has_tracepoint(std::string_view name);
/// Whether `structure` exists and has the member `member`, also inside anonymous ones.
bool kernel_has_field(const char* structure, const char* member);
/// Whether tcp/tcp_send_reset tells of time-wait sockets too: since Linux 6.10 ("trace: tcp: fully
/// support trace_tcp_send_reset"), seen by the argument `reason` that came in the same release.
bool kernel_tells_resets_of_time_wait();
/// The names of an enum of the kernel's by their values, "" where there is none; those below 1,024.
std::vector<std::string> enum_names(const char* name);
bool kernel_has_ringbuf();
/// Whether a task may be preempted inside a tracepoint's program: a46023d5616e "tracing: Guard
/// __DECLARE_TRACE() use of __DO_TRACE_CALL() with SRCU-fast", seen by that guard, tracepoint_srcu,
/// being there (older kernels had one of that name for idle CPUs) and its kind, srcu_reader_flavor.
bool tracepoints_are_preemptible();
/// Socket storage usable from tracing programs, Linux 5.11 (8e4597c627fb "bpf: Allow using
/// bpf_sk_storage in FENTRY/FEXIT/RAW_TP"): seen by the helper's BTF id, which came with it.
bool kernel_has_tracing_sk_storage();

/// Number of arguments of a kernel function; 0 if BTF knows none of that name (inlined, renamed).
unsigned function_args(const char* function);
/// Whether a kernel function returns something.
bool function_returns(const char* function);
/// Why fentry cannot be attached to `function`; "" if it can (tried out with an empty program).
std::string fentry_obstacle(const char* function);
/// Whether there may be an iterator over socket storage. Some hosts refuse those that are given a
/// map to walk over, to any user (tried out with an empty program).
bool kernel_lets_walk_storage();
/// Whether a program may take an address for a kernel object of some type and read it by loads:
/// bpf_rdonly_cast(), Linux 6.2 (tried out).
bool kernel_lets_cast();
/// The helper bpf_loop(), Linux 5.17 (e6f2dd0f8067 "bpf: Add bpf_loop helper").
bool kernel_has_loops();

/// Whether hash maps can grow safely from any context (bpf_mem_alloc, Linux 6.1); before that they
/// have to be allocated in full.
bool kernel_has_safe_allocation();
/// Bytes from per-CPU tcp_memory_per_cpu_fw_alloc to the per-CPU preempt count (x86:
/// __preempt_count, or a member of pcpu_hot in Linux 6.2 to 6.14), as the kernel's BTF has them; 0
/// if it has not.
std::int64_t preempt_count_distance();

/// bpf_get_socket_cookie() from tracing programs, Linux 5.12 (c5dbb89fc2ac "bpf: Expose
/// bpf_get_socket_cookie to tracing programs"), seen as the one above.
bool kernel_has_tracing_cookie();

/// Whether this process has a capability now, by its number in linux/capability.h.
bool has_capability(unsigned capability);
/// A capability of this process that is wanted and not there.
struct MissingCapability {
  std::string name;  ///< "CAP_BPF"
};
/// Of CAP_BPF and CAP_PERFMON (Linux 5.8; CAP_SYS_ADMIN stands for both), what is missing.
std::vector<MissingCapability> missing_capabilities();

}  // namespace tcpdwell
