/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* Whose socket it is. The CPU's current task is the owner only where a process drives the socket.
 */
#ifndef TCPDWELL_OWNER_BPF_H
#define TCPDWELL_OWNER_BPF_H

#include "cgroup.bpf.h"
#include "command.bpf.h"
#include "maps.bpf.h"
#include "read.bpf.h"

/*
 * sk_lock.owned is set by lock_sock() and only by it; packets and timers that meet it wait in the
 * backlog (net/core/sock.c). So with it set, the current task is the one that works on this socket.
 */
static __always_inline bool driven_by_process(const struct sock *sk)
{
	return sk->sk_lock.owned != 0;
}

struct tcp_sock___sent {
	struct {
		void *next;
	} tsorted_sent_queue;
} __attribute__((preserve_access_index));

/*
 * The address of the listener that a child was copied from, while its first transition is told
 * (inet_csk_clone_lock, net/ipv4/inet_connection_sock.c). Nothing that a listener sent waits for an
 * acknowledgement, and a list without members points at itself (tcp_init_sock,
 * tcp_write_queue_purge): so the copy's points at the listener's, until tcp_create_openreq_child()
 * makes the child's own.
 */
static __always_inline __u64 listener_of(const struct sock *child)
{
	struct tcp_sock___sent *tp = (void *)child;

	return (__u64)READ(tp, tsorted_sent_queue.next) -
	       bpf_core_field_offset(tp->tsorted_sent_queue);
}

/* Until somebody accepts it a connection is the listener's, should that have an owner. */
static __noinline int inherit(struct td_sock *s, __u64 listener)
{
	struct td_sock *from = bpf_map_lookup_elem(&listeners, &listener);

	if (!s || !from || from->owner == TD_OWNER_NONE)
		return 0;
	s->pid = from->pid;
	__builtin_memcpy(s->comm, from->comm, sizeof(s->comm));
	s->cgroup_id = from->cgroup_id;
	s->in_cgroup = from->in_cgroup;
	s->of_command = from->of_command;
	s->owner = TD_OWNER_LISTEN;
	return 0;
}

/* `task` leads a process that has the socket open. */
static __always_inline void name_owner(struct td_sock *s, const struct task_struct *task)
{
	s->pid = BPF_CORE_READ(task, tgid);
	s->cgroup_id = BPF_CORE_READ(task, cgroups, dfl_cgrp, kn, id);
	BPF_CORE_READ_INTO(&s->comm, task, group_leader, comm);
}

static __always_inline void read_name(struct td_sock *s, struct task_struct *task)
{
	bpf_probe_read_kernel(s->comm, sizeof(s->comm), task->group_leader->comm);
}

static __always_inline void remember_owner(struct td_sock *s, __u8 how, int old_state)
{
	struct task_struct *task = bpf_get_current_task_btf();
	__u32 pid = task->tgid;

	/* A worker thread that drops the last reference is not who used the socket. */
	if (s->owner != TD_OWNER_NONE && (task->flags & PF_KTHREAD))
		return;
	/* The same process closing what it opened tells nothing new but its name, if it runs
	 * another program by now. */
	if (s->owner != TD_OWNER_NONE && s->pid == pid && how == TD_OWNER_CLOSE &&
	    (s->owner != TD_OWNER_LISTEN || old_state == TD_LISTEN)) {
		read_name(s, task);
		return;
	}
	s->pid = pid;
	s->owner = how;
	s->cgroup_id = bpf_get_current_cgroup_id();
	read_name(s, task);
	if (cfg.cgroup_id && !sockets_have_cgroups())
		s->in_cgroup =
		    bpf_get_current_ancestor_cgroup_id(cfg.cgroup_level) == cfg.cgroup_id;
	if (cfg.of_command)
		s->of_command = is_of_command(task);
}

/* Only transitions made by connect(), listen(), close(), shutdown() and exit say something. */
static __always_inline void learn_owner(struct td_sock *s, const struct sock *sk, int old_state,
					int new_state)
{
	if (!driven_by_process(sk))
		return;
	switch (new_state) {
	case TD_SYN_SENT:
		remember_owner(s, TD_OWNER_CONNECT, old_state);
		break;
	case TD_LISTEN:
		remember_owner(s, TD_OWNER_LISTEN, old_state);
		break;
	case TD_FIN_WAIT1:
	case TD_LAST_ACK:
		remember_owner(s, TD_OWNER_CLOSE, old_state);
		break;
	case TD_CLOSE:
		/* An abortive close. With an error set it is somebody else's doing: a reset taken
		 * from the backlog, or sock_diag's tcp_abort(). */
		if (!sk->sk_err && (old_state == TD_ESTABLISHED || old_state == TD_CLOSE_WAIT ||
				    old_state == TD_SYN_SENT || old_state == TD_SYN_RECV ||
				    old_state == TD_LISTEN))
			remember_owner(s, TD_OWNER_CLOSE, old_state);
		break;
	}
}

#endif
