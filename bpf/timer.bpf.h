/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * The second way in: request and time-wait sockets seen through their timers, where the kernel
 * refuses fentry. kernel/time/timer.c fires timer_start when a timer enters a wheel bucket,
 * timer_cancel whenever it leaves one - for a restart, for expiry or for good - and
 * timer_expire_entry before its function runs.
 *
 * start and cancel fire with interrupts off, and expiry never nests, so nothing interrupts these
 * programs that they would handle themselves.
 *
 * What a cancel was for shows in what follows it on the same CPU: the start or the expiry of the
 * same timer at once, or nothing. Until then it is kept in `undecided`.
 */
#ifndef TCPDWELL_TIMER_BPF_H
#define TCPDWELL_TIMER_BPF_H

#include "gone.bpf.h"
#include "minisocket.bpf.h"
#include "read.bpf.h"
#include "request.bpf.h"
#include "reset.bpf.h"

/* The timer event at hand is not about the undecided socket: that one is gone. */
static __always_inline __u64 *decide_other(struct td_counters *count, __u64 cookie)
{
	__u32 cpu = bpf_get_smp_processor_id();
	__u64 *slot = bpf_map_lookup_elem(&undecided, &cpu);

	if (slot && *slot && *slot != cookie) {
		decide(count, *slot, TD_REASON_NONE);
		*slot = 0;
	}
	return slot;
}

/* A SYN that reopens a time-wait connection takes its socket down and makes a request at once. */
static __always_inline void maybe_reopened(struct td_counters *count, const struct td_tuple *t)
{
	__u32 cpu = bpf_get_smp_processor_id();
	__u64 *slot = bpf_map_lookup_elem(&undecided, &cpu);
	struct td_mini *m = slot && *slot ? bpf_map_lookup_elem(&minis, slot) : NULL;

	if (!m)
		return;
	if (m->who.lport == t->lport && m->who.rport == t->rport && m->who.netns == t->netns &&
	    m->who.ifindex == t->ifindex)
		decide(count, *slot, TD_REASON_REOPENED);
	else
		decide(count, *slot, TD_REASON_NONE);
	*slot = 0;
}

static __always_inline void on_tw_start(struct td_counters *count, struct inet_timewait_sock *tw,
					__u64 expires)
{
	__u64 cookie = tw_cookie(tw), when;
	__u64 *slot = decide_other(count, cookie);
	bool restarts = slot && *slot && *slot == cookie;
	struct td_mini *m;

	if (!cookie)
		return;
	if (slot)
		*slot = 0;
	/* It is a new one, unless its cancel was not seen. */
	if (!restarts && mini_begin(count, cookie, tw, expires, BPF_NOEXIST))
		return;
	m = bpf_map_lookup_elem(&minis, &cookie);
	if (!m || m->tw != (__u64)tw) {
		mini_begin(count, cookie, tw, expires, BPF_ANY);
		return;
	}
	/* The cancel before this start looked whether this is the first restart. */
	when = restarts ? m->ended_ns : 0;
	mini_rearm(count, cookie, m, tw,
		   m->unseen == TD_UNSEEN_SURELY ? m->changed_ns : when ?: bpf_ktime_get_ns(),
		   m->unseen ? m->changed_bound : TD_DWELL_EXACT);
	m->expires = expires;
}

/* Where a FIN's restart of the timer went unseen, the socket tells when it came. */
static __always_inline void note_unseen_fin(struct td_mini *m, const struct inet_timewait_sock *tw,
					    __u64 expires, __u64 now)
{
	struct td_began began = {};

	m->unseen = TD_UNSEEN_NOT;
	m->changed_ns = 0;
	if (m->s.state != TD_FIN_WAIT2 || tw_substate(tw) != TD_TIME_WAIT)
		return;
	tw_began(&began, tw, now);
	if (fin_may_be_unseen(m, expires))
		m->unseen = began.bound == TD_DWELL_EXACT || expires != m->expires
				? TD_UNSEEN_SURELY
				: TD_UNSEEN_PERHAPS;
	m->changed_ns = began.at_ns;
	m->changed_bound = began.bound;
}

/*
 * tcp_v4_rcv() and tcp_v6_rcv() answer a segment that an orphan in FIN_WAIT2 cannot take with a RST
 * and end it (TCP_TW_RST); one that is a RST itself ends it in tcp_timewait_state_process(). Known
 * where the tracepoint tells of time-wait sockets (cfg.resets_told).
 */
static __always_inline __u8 reason_to_cancel(struct inet_timewait_sock *tw, bool sent)
{
	__u8 reason = TD_REASON_RESET_BY_PEER;

	forget_reset();
	if (!serving_softirq(&tw->__tw_common))
		reason = reason_in_process(tw);
	if (reason != TD_REASON_RESET_BY_PEER || tw_substate(tw) != TD_FIN_WAIT2)
		return reason;
	if (!cfg.resets_told)
		return TD_REASON_NONE;
	return sent ? TD_REASON_RESET_LOCAL : TD_REASON_RESET_BY_PEER;
}

static __always_inline void on_tw_cancel(struct td_counters *count, struct inet_timewait_sock *tw,
					 __u64 expires)
{
	__u64 cookie = tw_cookie(tw);
	__u64 *slot = decide_other(count, cookie);
	struct td_mini *m = bpf_map_lookup_elem(&minis, &cookie);
	struct td_reset *sent = reset_sent(cookie);
	__u32 why = sent ? sent->why : 0;

	if (!m || !slot)
		return;
	/* This CPU's programs read these, and the sweep a moment (TD_MOMENT_NS) later, when all is
	 * visible. */
	m->reason = makes_records() ? reason_to_cancel(tw, sent) : TD_REASON_NONE;
	if (m->reason == TD_REASON_RESET_LOCAL)
		m->stats.rst = why;
	m->ended_ns = bpf_ktime_get_ns();
	note_unseen_fin(m, tw, expires, m->ended_ns);
	*slot = cookie;
}

static __always_inline void on_tw_expiry(struct td_counters *count, struct inet_timewait_sock *tw)
{
	__u64 cookie = tw_cookie(tw), now = bpf_ktime_get_ns();
	__u64 *slot = decide_other(count, cookie);
	struct td_mini *m = bpf_map_lookup_elem(&minis, &cookie);
	struct td_began began = {};
	bool linked = m && published(&m->linked) == TD_LINK_DONE;

	if (slot)
		*slot = 0;
	/* One that was not linked within a moment never will be. */
	if (cookie &&
	    (!m || (!linked && (bpf_jiffies64() - m->alive_jiffies) * cfg.jiffy_ns > TD_MOMENT_NS)))
		end_unheard_of(count, cookie, tw, now, TD_REASON_EXPIRED);
	if (!m)
		return;
	if (linked && m->s.state == TD_FIN_WAIT2 && tw_substate(tw) == TD_TIME_WAIT) {
		tw_began(&began, tw, now);
		mini_change(count, cookie, m, began.at_ns, began.bound);
	}
	mini_end(count, cookie, m, now, TD_REASON_EXPIRED);
}

/* Then its timer is not started for the first time: a request that is not known is older than the
 * tracer, and the walk over older sockets tells of it. */
static __always_inline bool syn_ack_was_repeated(struct request_sock *req)
{
	return READ(req, num_retrans) || BPF_CORE_READ_BITFIELD_PROBED(req, num_timeout);
}

static __always_inline void on_req_start(struct td_counters *count, struct request_sock *req)
{
	bool begins = !is_without_table() && !syn_ack_was_repeated(req);
	struct td_tuple t = {};
	struct td_req *r;

	if (is_without_table()) {
		decide_other(count, 0);
		decide_gone(count, req);
		if (!reqs_seeded)
			return;
	}
	tuple_of_req(&t, req);
	if (!is_without_table())
		maybe_reopened(count, &t);
	if (begins && req_begin(count, &t, req, bpf_ktime_get_ns(), BPF_NOEXIST) != -EEXIST)
		return;
	r = bpf_map_lookup_elem(&reqs, &t);
	if (r && r->req == (__u64)req)
		r->ended_ns = 0; /* the SYN-ACK was sent again */
	else if (begins)
		req_begin(count, &t, req, bpf_ktime_get_ns(), BPF_ANY);
	else if (!is_without_table() && r && r->ended_ns)
		req_migrated(r, req);
}

/*
 * This CPU made a child just now: then the request that goes is the child's, which takes the entry
 * at its next transition (tcp_check_req, inet_csk_complete_hashdance). Only Fast Open makes a child
 * whose request has no timer. Should another request be dropped in the same jiffy, with no
 * transition in between, its end is found by the sweep and has no time.
 */
static __always_inline bool is_of_a_child(const struct request_sock *req)
{
	struct inet_request_sock___acked *ireq = (void *)req;
	__u32 zero = 0;
	struct td_cpu *cpu = bpf_map_lookup_elem(&cpus, &zero);

	return cpu && cpu->last_change == change_of(TD_LISTEN, TD_SYN_RECV) &&
	       cpu->child_jiffies == bpf_jiffies64() && !BPF_CORE_READ_BITFIELD_PROBED(ireq, acked);
}

static __always_inline void on_req_cancel(struct request_sock *req)
{
	if (is_without_table() || !is_of_a_child(req))
		on_req_gone(req, reason_to_drop(req));
}

SEC("tp_btf/timer_start")
int BPF_PROG(on_timer_start, struct timer_list *timer)
{
	__u64 fn = (__u64)timer->function;
	struct td_counters *count;

	if (fn != cfg.tw_timer_fn && fn != cfg.reqsk_timer_fn)
		return 0;
	count = counters_while_live();
	if (!count)
		return 0;
	if (fn == cfg.tw_timer_fn)
		on_tw_start(count, tw_of(timer), timer->expires);
	else
		on_req_start(count, req_of(timer));
	return 0;
}

SEC("tp_btf/timer_cancel")
int BPF_PROG(on_timer_cancel, struct timer_list *timer)
{
	__u64 fn = (__u64)timer->function;
	struct td_counters *count;

	if (fn != cfg.tw_timer_fn && fn != cfg.reqsk_timer_fn)
		return 0;
	count = counters_while_live();
	if (!count)
		return 0;
	if (fn == cfg.tw_timer_fn)
		on_tw_cancel(count, tw_of(timer), timer->expires);
	else
		on_req_cancel(req_of(timer));
	return 0;
}

SEC("tp_btf/timer_expire_entry")
int BPF_PROG(on_timer_expire, struct timer_list *timer)
{
	__u64 fn = (__u64)timer->function;
	struct td_counters *count;

	if (fn != cfg.tw_timer_fn && fn != cfg.reqsk_timer_fn)
		return 0;
	count = counters_while_live();
	if (!count)
		return 0;
	if (fn == cfg.tw_timer_fn)
		on_tw_expiry(count, tw_of(timer));
	else
		on_req_gone(req_of(timer), reason_to_time_out(req_of(timer)));
	return 0;
}

#endif
