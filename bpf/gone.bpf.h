/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* Requests where there are only counts: none is in a table but those older than the tracer. */
#ifndef TCPDWELL_GONE_BPF_H
#define TCPDWELL_GONE_BPF_H

#include "emit.bpf.h"
#include "lockless.bpf.h"
#include "maps.bpf.h"
#include "read.bpf.h"

/*
 * Where there are only counts, a request tells of itself (gone_here), and in the table are those
 * older than the tracer alone. Not so by way of fentry: the compiler may have put the function that
 * drops a request inside the one that gives it its child (inet_csk_complete_hashdance).
 */
static __always_inline bool is_without_table(void)
{
	return cfg.only_counts && cfg.minisockets == TD_MINI_TIMER;
}

/*
 * Without the table, a request is known by what it has of itself: when its first SYN-ACK
 * was sent, which is read when its timer is taken off. A child was made just before that, on the
 * same CPU, with BHs off, and has its next transition right after (tcp_check_req): it takes what
 * was noted. Or the timer is started again. If neither follows, the request came to nothing.
 */
static __always_inline struct td_gone *gone_here(void)
{
	__u32 cpu = bpf_get_smp_processor_id();

	return bpf_map_lookup_elem(&gone, &cpu);
}

/* Of the one that came to nothing, both lines. What is copied before the claim is of what was
 * claimed. */
static __noinline int tell_gone(struct td_counters *count, struct td_gone *g)
{
	__u64 slot[TD_BRIEF_BYTES / 8] = {}; /* as in slots */
	struct td_sock *s = (struct td_sock *)slot;
	__u64 ended_ns = g->ended_ns, start_ns = g->start_ns;
	bool timed = start_ns && !g->untimed;
	struct td_line line = {
	    .mono_ns = start_ns, .old_state = TD_LISTEN, .new_state = TD_SYN_RECV};

	if (!ended_ns || !claim(&g->ended_ns, ended_ns))
		return 0;
	emit(count, &line, NULL, s, NULL);
	line.mono_ns = ended_ns;
	line.old_state = TD_SYN_RECV;
	line.new_state = TD_CLOSE;
	if (timed) {
		line.dwell = TD_DWELL_EXACT;
		line.dwell_ns = ended_ns - start_ns;
	}
	return emit(count, &line, NULL, s, NULL);
}

static __always_inline __u64 synack_ns(const struct request_sock *req)
{
	return READ((const struct tcp_request_sock *)req, snt_synack) * 1000;
}

static __always_inline void note_gone(struct td_counters *count, const struct request_sock *req,
				      __u64 start_ns)
{
	struct td_gone *g = gone_here();
	__u64 ended_ns;

	/* One that is older than the tracer is in the table, or nothing is known of it. */
	if (!g || (start_ns && start_ns < began_ns))
		return;
	if (g->ended_ns && g->req == (__u64)req)
		publish64(&g->ended_ns, 0);
	else if (g->ended_ns)
		tell_gone(count, g);
	g->untimed = g->child_ns && g->child_jiffies == bpf_jiffies64();
	ended_ns = g->untimed ? g->child_ns + cfg.jiffy_ns : bpf_ktime_get_ns();
	g->child_ns = 0;
	g->start_ns = start_ns;
	g->req = (__u64)req;
	g->rport = READ(req, __req_common.skc_dport);
	*(volatile __u64 *)&g->ended_ns = ended_ns;
}

/* The child, whose making was seen at first_ns, has its next transition. */
static __always_inline void take_gone(struct td_sock *s, const struct tcp_sock *tp)
{
	struct td_gone *g = gone_here();
	__u64 ended_ns = g ? g->ended_ns : 0;

	if (!ended_ns || (!g->untimed && ended_ns < s->first_ns) ||
	    g->rport != tp->inet_conn.icsk_inet.sk.__sk_common.skc_dport)
		return;
	s->since_ns = s->start_ns = g->start_ns;
	if (claim(&g->ended_ns, ended_ns) && s->start_ns)
		s->since = TD_DWELL_EXACT;
}

/* A child is made: what is gone by now is not its request. */
static __always_inline void expect_gone(struct td_counters *count, __u64 now)
{
	struct td_gone *g = gone_here();

	if (!g)
		return;
	if (g->ended_ns)
		tell_gone(count, g);
	g->child_ns = now;
	g->child_jiffies = bpf_jiffies64();
}

/* What timer is started is not of the one that is gone, unless it is not gone. */
static __always_inline void decide_gone(struct td_counters *count, const struct request_sock *req)
{
	struct td_gone *g = gone_here();

	if (!g || !g->ended_ns)
		return;
	if (g->req == (__u64)req)
		g->ended_ns = 0; /* the SYN-ACK was sent again */
	else
		tell_gone(count, g);
}

#endif
