/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* Whether a softirq is being served: there the current task has nothing to do with the event. */
#ifndef TCPDWELL_CONTEXT_BPF_H
#define TCPDWELL_CONTEXT_BPF_H

#include "read.bpf.h"

/* include/linux/preempt.h: the bit set while a softirq is served (the one above it only means that
 * BHs are off), and the fields of hard interrupts and NMIs. */
#define SOFTIRQ_OFFSET 0x100
#define HARDIRQ_NMI_MASK 0xff0000

/* arm64 and others keep the count in the task (include/asm/thread_info.h). */
struct thread_info___td {
	struct {
		__u32 count;
	} preempt;
} __attribute__((preserve_access_index));

struct task_struct___td {
	struct thread_info___td thread_info;
} __attribute__((preserve_access_index));

struct bpf_array___td {
	void *pptrs[0];
} __attribute__((preserve_access_index));

/* The verifier allows no sums with pointers to maps; through memory it loses sight of them. */
static __always_inline __u64 as_number(const void *pointer)
{
	__u64 number = 0;

	bpf_probe_read_kernel(&number, sizeof(number), &pointer);
	return number;
}

/*
 * x86 keeps it in a per-CPU variable, whose address a kernel without CONFIG_KALLSYMS_ALL tells
 * nobody. But the kernel's BTF has its distance from another per-CPU variable
 * (tcp_memory_per_cpu_fw_alloc, cfg.preempt_count_distance), every TCP socket's proto points to
 * that one, and our own per-CPU map shows how far this CPU's copies are from what such a pointer
 * says.
 */
static __always_inline int x86_preempt_count(const struct sock_common *socket)
{
	__u32 zero = 0;
	__u64 mine = as_number(bpf_map_lookup_elem(&cpus, &zero));
	__u64 array = as_number(&cpus), pointer = 0, anchor;
	int count = 0;

	bpf_probe_read_kernel(
	    &pointer, sizeof(pointer),
	    (void *)(array + bpf_core_field_offset(struct bpf_array___td, pptrs)));
	anchor = (__u64)READ(socket, skc_prot, per_cpu_fw_alloc);
	bpf_probe_read_kernel(&count, sizeof(count),
			      (void *)(mine - pointer + anchor + cfg.preempt_count_distance));
	return count;
}

/* `socket` is any TCP socket, of whatever kind. */
static __always_inline bool serving_softirq(const struct sock_common *socket)
{
	int count = 0;

	if (cfg.preempt_count_distance) {
		count = x86_preempt_count(socket);
	} else if (bpf_core_field_exists(struct thread_info___td, preempt)) {
		struct task_struct___td *task = (void *)bpf_get_current_task();

		count = READ(task, thread_info.preempt.count);
	}
	return count & (SOFTIRQ_OFFSET | HARDIRQ_NMI_MASK);
}

/* A namespace's count of users: ns_common.count, and since Linux 6.18 __ns_ref. */
struct ns_common___count {
	refcount_t count;
} __attribute__((preserve_access_index));

struct ns_common___ref {
	refcount_t __ns_ref;
} __attribute__((preserve_access_index));

static __always_inline bool netns_is_dying(struct net *net)
{
	struct ns_common___count *counted = (void *)&net->ns;
	struct ns_common___ref *referred = (void *)&net->ns;

	if (bpf_core_field_exists(counted->count))
		return READ(counted, count.refs.counter) == 0;
	return READ(referred, __ns_ref.refs.counter) == 0;
}

/* System call numbers: x86-64, and arm64 (and every other that uses asm-generic/unistd.h). */
struct pt_regs___td_x86 {
	unsigned long orig_ax;
} __attribute__((preserve_access_index));

struct pt_regs___td_arm64 {
	__s32 syscallno;
} __attribute__((preserve_access_index));

static __always_inline long x86_or(long x86, long generic)
{
	return bpf_core_field_exists(struct pt_regs___td_x86, orig_ax) ? x86 : generic;
}

static __always_inline long current_syscall(void)
{
	void *regs = (void *)bpf_task_pt_regs(bpf_get_current_task_btf());

	if (bpf_core_field_exists(struct pt_regs___td_x86, orig_ax))
		return READ((struct pt_regs___td_x86 *)regs, orig_ax);
	return READ((struct pt_regs___td_arm64 *)regs, syscallno);
}

static __always_inline bool in_send_syscall(void)
{
	long call = current_syscall();

	return call == x86_or(44, 206) || call == x86_or(46, 211) || call == x86_or(307, 269);
}

/* `ss -K` and its like ask by a netlink message; nothing else that sends works on sockets which are
 * not its own, unless a softirq happens to run on top of it. */
static __always_inline bool aborted_by_diag(const struct sock_common *socket)
{
	return !serving_softirq(socket) && !(bpf_get_current_task_btf()->flags & PF_KTHREAD) &&
	       in_send_syscall();
}

#endif
