/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Sockets older than the tracer: walked once, after the hooks are on. What a hook wrote meanwhile
 * is never overwritten. Records go to the reader through the iterator's own file, not the ring.
 */
#ifndef TCPDWELL_SEED_BPF_H
#define TCPDWELL_SEED_BPF_H

#include "cgroup.bpf.h"
#include "emit.bpf.h"
#include "filter.bpf.h"
#include "holders.bpf.h"
#include "live.bpf.h"
#include "lockless.bpf.h"
#include "maps.bpf.h"
#include "minisocket.bpf.h"
#include "owner.bpf.h"
#include "ports.bpf.h"
#include "request.bpf.h"
#include "slots.bpf.h"
#include "tally.bpf.h"

/* Too large for the stack. One reader walks at a time, and a program stays on its CPU. */
struct td_scratch {
	struct td_event event;
	struct td_mini mini;
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct td_scratch);
} scratch SEC(".maps");

/* Owners, by the files that processes have open: of a listing the first to have it, in any case a
 * record of each. A connect() on another CPU may learn the owner at the same time: it is the
 * process that has the file open in either case. */
static __always_inline void note_owner(struct td_sock *s, struct task_struct *task)
{
	struct cgroup *group = BPF_CORE_READ(task, cgroups, dfl_cgrp);

	if (!sockets_have_cgroups() && cfg.cgroup_id && cgroup_below(group))
		s->in_cgroup = 1;
	/* Who lists asks for what anybody of it has open. */
	if (cfg.of_command && (cfg.listing || s->owner == TD_OWNER_NONE) && is_of_command(task))
		s->of_command = 1;
	if (s->owner != TD_OWNER_NONE)
		return;
	name_owner(s, task);
	s->owner = TD_OWNER_SEED;
}

static __always_inline bool is_tcp(const struct sock *sk)
{
	__u16 family = sk->__sk_common.skc_family;

	return (sk->sk_protocol == IPPROTO_TCP || sk->sk_protocol == IPPROTO_MPTCP) &&
	       (family == AF_INET || family == AF_INET6);
}

static __always_inline void write_holder(struct seq_file *seq, struct task_struct *task,
					 struct sock *sk, __u32 fd)
{
	struct td_holder holder = {};

	holder.cookie = bpf_get_socket_cookie(sk);
	holder.netns = BPF_CORE_READ(sk, __sk_common.skc_net.net, ns.inum);
	holder.pid = task->tgid;
	holder.ns_pid = cfg.pidns ? pid_in(task, cfg.pidns) : holder.pid;
	holder.fd = fd;
	bpf_probe_read_kernel(holder.comm, sizeof(holder.comm), task->group_leader->comm);
	bpf_seq_write(seq, &holder, sizeof(holder));
}

SEC("iter/task_file")
int seed_owner(struct bpf_iter__task_file *ctx)
{
	struct task_struct *task = ctx->task;
	struct file *file = ctx->file;
	struct td_sock *s;
	struct sock *sk;

	if (!task || !file || !asks_for_owners())
		return 0;
	sk = sock_of(file);
	if (!sk || !is_tcp(sk))
		return 0;
	if (sk->sk_protocol == IPPROTO_TCP) {
		s = lasting_entry_of(sk, NULL); /* seed_full() counts */
		if (s)
			note_owner(s, task);
	}
	write_holder(ctx->meta->seq, task, sk, ctx->fd);
	return 0;
}

/* A lower bound of the time in a state that hears nothing more: the segment that led into it is the
 * last one, or older than the last one. tcp_sock.rcv_tstamp is in jiffies, 32 bits. */
static __always_inline __u64 quiet_ns(const struct tcp_sock *tp)
{
	__s32 ago = (__u32)bpf_jiffies64() - tp->rcv_tstamp;

	return tp->rcv_tstamp && ago > LATE_JIFFIES ? (__u64)(ago - LATE_JIFFIES) * cfg.jiffy_ns
						    : 0;
}

static __always_inline struct td_scratch *scratch_space(void)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(&scratch, &zero);
}

/* Notes before anybody else can see the entry what write_seed() is about to do. */
static __always_inline void expect_seed(const struct td_who *who, struct td_sock *s, __u8 state)
{
	if (!socket_passes(who, s))
		return;
	s->counted = counted_as(state);
	if (makes_records())
		s->flags |= TD_S_TOLD;
}

static __always_inline bool count_seed(struct td_sock *s)
{
	struct td_counters *count = counters_of(TD_PROGRAM_SWEEP);

	tally_enter(s->counted);
	if (!makes_records())
		seeds_counted += s->counted != 0;
	else if (count)
		count_one(&count->connections);
	return true;
}

/* False when the iterator's buffer is full: the socket is then shown again, so what was noted of it
 * has to be taken back. */
static __always_inline bool write_seed(struct seq_file *seq, const struct td_line *line,
				       const struct td_who *who, struct td_sock *s,
				       const struct td_live *live)
{
	struct td_scratch *space = scratch_space();
	struct td_event *e = space ? &space->event : NULL;

	if (!makes_records())
		return count_seed(s);
	if (!e || !socket_passes(who, s))
		return true;
	fill(e, line, who, s);
	e->kind = TD_KIND_SEED;
	e->size = sizeof(*e);
	e->flags |= TD_F_LIVE;
	e->live = *live;
	return bpf_seq_write(seq, e, sizeof(*e)) == 0 && count_seed(s);
}

/* True when the entry is new; a map without room for it is counted. */
static __always_inline bool note_seed(void *map, const void *key, const void *value)
{
	struct td_counters *count;
	long error;

	if (cfg.listing)
		return true;
	error = bpf_map_update_elem(map, key, value, BPF_NOEXIST);

	if (error && error != -EEXIST) {
		count = counters_of(TD_PROGRAM_SWEEP);
		if (count)
			count_one(&count->map_full);
	}
	return !error;
}

/* Also of a listing: its requests have its owner. */
static __noinline int seed_listener(const struct sock *sk, struct td_sock *s)
{
	__u64 key = (__u64)sk;

	s->drops_before = cfg.listing ? 0 : drops_of(sk);
	bpf_map_update_elem(&listeners, &key, s, BPF_NOEXIST);
	note_accept_queue(as_number(sk));
	return 0;
}

/* A function of its own for its room on the stack, as the one above: with what seed_full() calls it
 * has little of it left. */
static __noinline struct td_sock *entry_to_seed(struct sock *sk, struct td_counters *count)
{
	return cfg.only_counts ? entry_of(sk, count) : lasting_entry_of(sk, count);
}

static __noinline int seed_full(struct seq_file *seq, struct tcp_sock *tp, __u64 cookie, __u8 state)
{
	struct sock *sk = (struct sock *)tp;
	struct td_line line = {.mono_ns = bpf_ktime_get_ns(), .cookie = cookie, .new_state = state};
	struct td_who who = {};
	struct td_live live = {};
	struct td_sock *s;
	struct td_counters *count = counters_of(TD_PROGRAM_SWEEP);
	__u64 quiet = 0;

	if (!count || (state == TD_CLOSE && !(cfg.listing && cfg.states & 1u << TD_CLOSE)))
		return 0;
	s = entry_to_seed(sk, count);
	if (!s || s->state)
		return 0;
	if (asks_for_owners())
		note_cgroup(s, sk);
	if (state == TD_CLOSE_WAIT || state == TD_FIN_WAIT2)
		quiet = quiet_ns(tp);
	s->use = 1;
	s->path = state;
	if (!cfg.only_counts)
		s->cookie = line.cookie;
	s->since_ns = line.mono_ns - quiet;
	s->since = TD_DWELL_AT_LEAST;
	if (state == TD_CLOSE_WAIT || state == TD_CLOSING || state == TD_LAST_ACK)
		s->flags |= TD_S_FIN_IN;
	s->state = state;
	if (quiet) {
		line.dwell = TD_DWELL_AT_LEAST;
		line.dwell_ns = quiet;
	}
	identify(&who, tp);
	if (makes_records() && state != TD_LISTEN && bind_took_port_of(sk))
		s->flags |= TD_S_BOUND;
	if (makes_records())
		read_own_range(&line, sk);
	if (state == TD_LISTEN && asks_for_owners())
		seed_listener(sk, s);
	held_of(&live, tp, cookie);
	if (asks_for_owners() && live.held == TD_HELD_NOT_ACCEPTED)
		take_owner_of_listener(s, (__u64)tp);
	expect_seed(&who, s, state);
	live_of_full(&live, tp, state);
	if (!write_seed(seq, &line, &who, s, &live))
		s->state = s->counted = s->flags = 0;
	return 0;
}

static __always_inline void who_of_common(struct td_who *who, const struct sock_common *c)
{
	who->netns = c->skc_net.net->ns.inum;
	who->lport = c->skc_num;
	who->rport = bpf_ntohs(c->skc_dport);
	who->family = c->skc_family == AF_INET6 ? 6 : 4;
	who->ifindex = c->skc_bound_dev_if;
	for (int i = 0; i < 4; i++) {
		who->laddr[i] = who->family == 6 ? c->skc_v6_rcv_saddr.in6_u.u6_addr32[i] : 0;
		who->raddr[i] = who->family == 6 ? c->skc_v6_daddr.in6_u.u6_addr32[i] : 0;
	}
	if (who->family == 4) {
		who->laddr[0] = c->skc_rcv_saddr;
		who->raddr[0] = c->skc_daddr;
	}
}

static __always_inline void seed_orphan(__u64 cookie)
{
	struct td_counters *count = counters_of(TD_PROGRAM_SWEEP);

	if (count && !cfg.listing)
		note_orphan(count, cookie);
}

static __noinline int seed_time_wait(struct seq_file *seq, struct tcp_timewait_sock *tcptw,
				     __u64 cookie)
{
	struct inet_timewait_sock *tw = &tcptw->tw_sk;
	struct td_began began = {};
	struct td_line line = {.mono_ns = bpf_ktime_get_ns(), .cookie = cookie};
	struct td_scratch *space = scratch_space();
	struct td_mini *m = space ? &space->mini : NULL;
	struct td_live live = {};

	if (!m)
		return 0;
	__builtin_memset(m, 0, sizeof(*m));
	m->tw = (__u64)tw;
	m->linked = TD_LINK_DONE; /* the map's own lock publishes it */
	m->change_due = m->end_due = cookie;
	m->substate = tw_substate(tw);
	m->s.state = m->substate;
	m->s.use = 1;
	m->s.path = m->s.state;
	m->s.since = TD_DWELL_AT_LEAST;
	m->s.since_ns = line.mono_ns;
	m->expires = BPF_CORE_READ(tw, tw_timer.expires);
	mini_alive(m, line.mono_ns, bpf_jiffies64());
	if (m->s.state == TD_TIME_WAIT) {
		tw_began(&began, tw, line.mono_ns);
		m->s.since_ns = surely_by(began.at_ns, began.bound, line.mono_ns);
		m->s.since = began.bound;
		lasted(&line, m->s.since, m->s.since_ns, line.mono_ns);
	}
	line.new_state = m->s.state;
	who_of_common(&m->who, &tw->__tw_common);
	if (bind_took_port_of_tw(tw))
		m->s.flags |= TD_S_BOUND;
	expect_seed(&m->who, &m->s, m->s.state);
	if (!note_seed(&minis, &cookie, m))
		return 0;
	/* As with requests. */
	if (!tw_lives(m->tw, cookie)) {
		if (bpf_map_delete_elem(&minis, &cookie)) /* its end was counted */
			tally_enter(m->s.counted);
		return 0;
	}
	if (m->s.state == TD_FIN_WAIT2 && cfg.minisockets == TD_MINI_TIMER)
		seed_orphan(cookie);
	runs_until(&live, TD_TIMER_TIMEWAIT, m->expires);
	if (!write_seed(seq, &line, &m->who, &m->s, &live))
		bpf_map_delete_elem(&minis, &cookie);
	return 0;
}

static __noinline int seed_request(struct seq_file *seq, struct tcp_request_sock *treq,
				   __u64 cookie)
{
	struct request_sock *req = &treq->req.req;
	struct td_line line = {
	    .mono_ns = bpf_ktime_get_ns(), .cookie = cookie, .new_state = TD_SYN_RECV};
	struct td_req fresh = {
	    .start_ns = treq->snt_synack * 1000, .req = (__u64)req, .cookie = cookie, .seeded = 1};
	struct td_scratch *space = scratch_space();
	struct td_sock *owner, *s = space ? &space->mini.s : NULL;
	struct td_live live = {};
	struct td_who who = {};
	struct td_tuple t = {};

	if (!s)
		return 0;
	fresh.listener = (__u64)BPF_CORE_READ(req, __req_common.skc_listener);
	who_of_common(&who, &req->__req_common);
	fresh.family = who.family;
	tuple_of_req(&t, req);
	owner = bpf_map_lookup_elem(&listeners, &fresh.listener);
	*s = owner ? *owner : no_sock;
	s->use = 1;
	s->path = TD_SYN_RECV;
	s->flags = s->counted = 0;
	expect_seed(&who, s, TD_SYN_RECV);
	fresh.counted = s->counted;
	fresh.told = s->flags & TD_S_TOLD;
	if (!treq->snt_synack)
		return 0;
	if (is_without_table())
		__sync_fetch_and_add(&reqs_seeded, 1);
	if (!note_seed(&reqs, &t, &fresh)) {
		if (is_without_table())
			__sync_fetch_and_add(&reqs_seeded, -1);
		return 0;
	}
	/* Gone between the iterator's look and the entry: its end has been and will not be told. */
	if (!timer_runs((__u64)req + bpf_core_field_offset(struct request_sock, rsk_timer))) {
		if (forget_request(&t)) /* its end was counted */
			tally_enter(s->counted);
		return 0;
	}
	line.dwell = TD_DWELL_EXACT;
	line.dwell_ns = line.mono_ns - fresh.start_ns;
	runs_until(&live, TD_TIMER_RETRANSMIT, BPF_CORE_READ(req, rsk_timer.expires));
	if (!write_seed(seq, &line, &who, s, &live))
		forget_request(&t);
	return 0;
}

/* What local ports its network namespace has is noted here, where there is room on the stack. */
static __always_inline void seed_with_ports(struct seq_file *seq, struct tcp_sock *tp, __u64 cookie)
{
	struct sock *sk = (struct sock *)tp;

	seed_full(seq, tp, cookie, sk->__sk_common.skc_state);
	if (makes_records())
		note_ports_of(sk, sk->__sk_common.skc_bound_dev_if);
}

SEC("iter/tcp")
int seed_socket(struct bpf_iter__tcp *ctx)
{
	struct sock_common *c = ctx->sk_common;
	struct seq_file *seq = ctx->meta->seq;
	struct tcp_timewait_sock *tw;
	struct tcp_request_sock *req;
	struct tcp_sock *tp;
	__u64 cookie;

	if (!c)
		return 0;
	cookie = bpf_get_socket_cookie(c);
	tp = bpf_skc_to_tcp_sock(c);
	if (cfg.listing && look_again) {
		if (tp)
			tell_held(seq, tp, cookie);
		return 0;
	}
	if (tp) {
		seed_with_ports(seq, tp, cookie);
		return 0;
	}
	if (!cfg.minisockets)
		return 0;
	tw = bpf_skc_to_tcp_timewait_sock(c);
	if (tw) {
		seed_time_wait(seq, tw, cookie);
		return 0;
	}
	req = bpf_skc_to_tcp_request_sock(c);
	if (req)
		seed_request(seq, req, cookie);
	return 0;
}

/* What the walk over network namespaces did not show: sockets of one that cannot be entered, as no
 * process is in it, and those in no state, which are in no table of the kernel's. Of a listing
 * alone: it holds no lock. */
SEC("iter/task_file")
int seed_file(struct bpf_iter__task_file *ctx)
{
	struct sock *sk = sock_of(ctx->file);
	struct tcp_sock *tp = sk ? bpf_skc_to_tcp_sock(sk) : NULL;

	if (tp)
		seed_with_ports(ctx->meta->seq, tp, bpf_get_socket_cookie(sk));
	return 0;
}

#endif
