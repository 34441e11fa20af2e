/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* Who may have a socket open: a process, nobody yet, nobody any more, or the kernel. */
#ifndef TCPDWELL_HOLDERS_BPF_H
#define TCPDWELL_HOLDERS_BPF_H

#include "kernel.bpf.h"
#include "command.bpf.h"
#include "maps.bpf.h"
#include "owner.bpf.h"
#include "read.bpf.h"

#define IPPROTO_MPTCP 262 /* include/uapi/linux/in.h */

/* enum sock_flags, include/net/sock.h */
#define SOCK_DEAD 0 /* no process has it open any more */

/* What is needed of the kernel's types for this alone. */
struct sock___held {
	void *sk_socket;
	__u8 sk_kern_sock : 1;
} __attribute__((preserve_access_index));

struct tcp_sock___mptcp {
	bool is_mptcp;
} __attribute__((preserve_access_index));

struct inet_connection_sock___ulp {
	void *icsk_ulp_data;
} __attribute__((preserve_access_index));

/* net/mptcp/protocol.h */
struct mptcp_subflow_context___held {
	struct sock *conn;
} __attribute__((preserve_access_index));

struct request_sock___queued {
	struct request_sock___queued *dl_next;
	struct sock *sk;
} __attribute__((preserve_access_index));

struct request_sock_queue___head {
	struct request_sock___queued *rskq_accept_head;
} __attribute__((preserve_access_index));

struct inet_connection_sock___queue {
	struct request_sock_queue___head icsk_accept_queue;
} __attribute__((preserve_access_index));

struct pid_namespace___number {
	struct ns_common ns;
} __attribute__((preserve_access_index));

struct upid___number {
	int nr;
	struct pid_namespace___number *ns;
} __attribute__((preserve_access_index));

struct pid___number {
	unsigned int level;
	struct upid___number numbers[1];
} __attribute__((preserve_access_index));

struct task_struct___pid {
	struct pid___number *thread_pid;
} __attribute__((preserve_access_index));

/* Listeners by the sockets in their accept queues, both as addresses of the sock. An entry goes
 * when the walk meets the socket. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 65536);
	__type(key, __u64);
	__type(value, __u64);
} unaccepted SEC(".maps");

/* Set by the reader for a second walk over sockets, which tells of those that somebody should have
 * open, and of nothing else. */
volatile __u8 look_again;

#define TD_PID_LEVELS 32 /* MAX_PID_NS_LEVEL, include/linux/pid_namespace.h */

/* A process's number in a pid namespace; 0 where it has none. */
static __noinline __u32 pid_in(struct task_struct *task, __u32 pidns)
{
	struct task_struct___pid *leader = (void *)BPF_CORE_READ(task, group_leader);
	struct pid___number *pid = BPF_CORE_READ(leader, thread_pid);
	__u32 level = BPF_CORE_READ(pid, level);
	__u64 numbers = (__u64)pid + bpf_core_field_offset(struct pid___number, numbers);
	struct upid___number *number;

	for (__u32 i = 0; i < TD_PID_LEVELS && i <= level; i++) {
		number = (void *)(numbers + i * bpf_core_type_size(struct upid___number));
		if (BPF_CORE_READ(number, ns, ns.inum) == pidns)
			return BPF_CORE_READ(number, nr);
	}
	return 0;
}

SEC("iter/task")
int number_of_process(struct bpf_iter__task *ctx)
{
	struct task_struct *task = ctx->task;
	struct td_numbers numbers;

	if (!task || task != task->group_leader)
		return 0;
	numbers.pid = task->tgid;
	numbers.ns_pid = pid_in(task, cfg.pidns);
	bpf_seq_write(ctx->meta->seq, &numbers, sizeof(numbers));
	return 0;
}

SEC("iter/task")
int mark_command(struct bpf_iter__task *ctx)
{
	struct task_struct *task = ctx->task;

	if (task && task == task->group_leader &&
	    (cfg.pidns ? pid_in(task, cfg.pidns) : (__u32)task->tgid) == command_pid)
		mark(task);
	return 0;
}

static __always_inline bool is_subflow(const struct tcp_sock *tp)
{
	struct tcp_sock___mptcp *flow = (void *)tp;

	return bpf_core_field_exists(flow->is_mptcp) && BPF_CORE_READ(flow, is_mptcp);
}

/* MPTCP's socket that this one is a subflow of; NULL if it is none. */
static __always_inline struct sock *mptcp_of(const struct tcp_sock *tp)
{
	struct inet_connection_sock___ulp *icsk = (void *)tp;
	struct mptcp_subflow_context___held *context;

	if (!bpf_core_type_exists(struct mptcp_subflow_context___held) || !is_subflow(tp))
		return NULL;
	context = BPF_CORE_READ(icsk, icsk_ulp_data);
	return context ? BPF_CORE_READ(context, conn) : NULL;
}

static __always_inline void held_of(struct td_live *live, const struct tcp_sock *tp, __u64 cookie)
{
	struct sock *sk = mptcp_of(tp);
	struct sock___held *held;
	bool dead;

	live->file_cookie = cookie;
	if (sk)
		live->file_cookie =
		    BPF_CORE_READ((struct sock_common___cookie *)sk, skc_cookie.counter);
	else
		sk = (struct sock *)tp;
	held = (void *)sk;
	dead = BPF_CORE_READ(sk, __sk_common.skc_flags) & 1 << SOCK_DEAD;
	if (BPF_CORE_READ_BITFIELD_PROBED(held, sk_kern_sock))
		live->held = TD_HELD_KERNEL;
	else if (BPF_CORE_READ(held, sk_socket))
		live->held = TD_HELD_FILE;
	else
		live->held = dead ? TD_HELD_CLOSED : TD_HELD_NOT_ACCEPTED;
}

static __always_inline void tell_held(struct seq_file *seq, const struct tcp_sock *tp, __u64 cookie)
{
	struct td_live live = {};

	held_of(&live, tp, cookie);
	if (live.held == TD_HELD_FILE)
		bpf_seq_write(seq, &live.file_cookie, sizeof(live.file_cookie));
}

/* net.core.somaxconn is 4096 unless told otherwise; of what waits behind, the listener is not said.
 */
#define TD_MOST_QUEUED 4096

/* For every value, which the verifier then looks at once: its way through the loop is long. */
__noinline int note_accept_queue(__u64 listener)
{
	struct inet_connection_sock___queue *icsk = (void *)listener;
	struct request_sock___queued *request;
	__u64 child;

	request = BPF_CORE_READ(icsk, icsk_accept_queue.rskq_accept_head);
	for (int i = 0; i < TD_MOST_QUEUED && request; i++) {
		child = (__u64)BPF_CORE_READ(request, sk);
		bpf_map_update_elem(&unaccepted, &child, &listener, BPF_ANY);
		request = BPF_CORE_READ(request, dl_next);
	}
	return 0;
}

static __noinline void take_owner_of_listener(struct td_sock *s, __u64 child)
{
	__u64 *key = bpf_map_lookup_elem(&unaccepted, &child), listener;

	if (!key || !s)
		return;
	listener = *key;
	bpf_map_delete_elem(&unaccepted, &child);
	if (s->owner == TD_OWNER_NONE)
		inherit(s, listener);
}

#endif
