// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* The least a program at this tracepoint can cost. */
#include "vmlinux.h"
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

char LICENSE[] SEC("license") = "Dual BSD/GPL";

SEC("tp_btf/inet_sock_set_state")
int BPF_PROG(empty, const struct sock *sk, const int old_state, const int new_state)
{
	return 0;
}
