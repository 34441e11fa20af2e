/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* The kernel's types, as its BTF tells them, those of its constants that are macros, which BTF does
 * not keep, and libbpf's helpers. */
#ifndef TCPDWELL_KERNEL_BPF_H
#define TCPDWELL_KERNEL_BPF_H

#include "vmlinux.h"
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_tracing.h>

#define AF_INET 2
#define AF_INET6 10
#define IPPROTO_TCP 6
#define ETH_P_IP 0x0800
#define EEXIST 17	      /* include/uapi/asm-generic/errno-base.h */
#define PF_KTHREAD 0x00200000 /* include/linux/sched.h */
#define PF_IO_WORKER 0x00000010

/* Read of memory that may be another's by now. */
static __always_inline bool timer_runs(__u64 timer)
{
	return BPF_CORE_READ((struct timer_list *)timer, entry.pprev) != NULL;
}

/* The socket that a file is, or NULL. */
static __always_inline struct sock *sock_of(struct file *file)
{
	struct socket *socket = file ? bpf_sock_from_file(file) : NULL;

	return socket ? socket->sk : NULL;
}

#endif
