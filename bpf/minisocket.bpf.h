/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Time-wait sockets, whichever way they are observed.
 *
 * tcp_time_wait() (net/ipv4/tcp_minisocks.c) makes an inet_timewait_sock, arms its timer, and then
 * reports the full socket as CLOSE. So: mini_begin() when the timer is armed, mini_link() at that
 * CLOSE, mini_rearm() when a FIN or a stray segment restarts the timer, mini_end() when it dies.
 */
#ifndef TCPDWELL_MINISOCKET_BPF_H
#define TCPDWELL_MINISOCKET_BPF_H

#include "context.bpf.h"
#include "emit.bpf.h"
#include "lockless.bpf.h"
#include "maps.bpf.h"
#include "read.bpf.h"

#define TIMEWAIT_NS 60000000000ull /* TCP_TIMEWAIT_LEN, include/net/tcp.h */
#define ORPHAN_NS 63000000000ull   /* as long, which may become this much in a timer wheel */
#define STAMP_NS 1000000ll	   /* tw_entry_stamp counts milliseconds */

/* include/net/inet_timewait_sock.h; tcp_clock_ms() of the moment TIME_WAIT began, since Linux 6.14
 * (19ce8cd30465 "tcp: Measure TIME-WAIT reuse delay with millisecond precision"). */
struct inet_timewait_sock___stamp {
	__u32 tw_entry_stamp;
} __attribute__((preserve_access_index));

static __always_inline struct inet_timewait_sock *tw_of(struct timer_list *timer)
{
	return (void *)((__u64)timer - bpf_core_field_offset(struct inet_timewait_sock, tw_timer));
}

static __always_inline __u64 tw_cookie(const struct inet_timewait_sock *tw)
{
	return READ(tw, __tw_common.skc_cookie.counter);
}

static __always_inline __u8 tw_substate(const struct inet_timewait_sock *tw)
{
	return READ(tw, tw_substate);
}

static __always_inline bool tw_lives(__u64 tw, __u64 cookie)
{
	return tw_cookie((void *)tw) == cookie &&
	       timer_runs(tw + bpf_core_field_offset(struct inet_timewait_sock, tw_timer));
}

/* When TIME_WAIT began. */
struct td_began {
	__u64 at_ns;
	__u8 bound; /* TD_DWELL_AT_LEAST: then or earlier, unless jiffies were late (surely_by()) */
};

static __always_inline bool tw_is_stamped(const struct inet_timewait_sock *tw)
{
	const struct inet_timewait_sock___stamp *stamped = (const void *)tw;
	const struct tcp_timewait_sock *tcptw = (const void *)tw;

	return bpf_core_field_exists(stamped->tw_entry_stamp) && READ(tcptw, tw_ts_recent_stamp);
}

/* Told by the socket itself: to a millisecond where it keeps a stamp (with TCP timestamps only:
 * tcp_timewait_state_process), else by its timer, which a segment may have restarted since, to the
 * end of a jiffy. */
static __always_inline void tw_began(struct td_began *began, const struct inet_timewait_sock *tw,
				     __u64 now)
{
	const struct inet_timewait_sock___stamp *stamped = (const void *)tw;
	__s64 ago_ns;

	if (tw_is_stamped(tw)) {
		__u32 now_ms = now / STAMP_NS;

		ago_ns =
		    (__s32)(now_ms - READ(stamped, tw_entry_stamp)) * STAMP_NS + now % STAMP_NS;
		began->bound = TD_DWELL_EXACT;
	} else {
		__s64 left = READ(tw, tw_timer.expires) - bpf_jiffies64();

		ago_ns = (__s64)TIMEWAIT_NS - (left + 1) * (__s64)cfg.jiffy_ns;
		began->bound = TD_DWELL_AT_LEAST;
	}
	began->at_ns = ago_ns > 0 ? now - ago_ns : now;
}

/* By when at the latest, as seen at `now`. */
static __always_inline __u64 surely_by(__u64 at_ns, __u8 bound, __u64 now)
{
	if (bound != TD_DWELL_EXACT)
		at_ns += LATE_JIFFIES * cfg.jiffy_ns;
	return at_ns < now ? at_ns : now;
}

/*
 * Whether a FIN before this moment can have restarted the timer unseen, as one does into the wheel
 * bucket the timer is in (sweep.bpf.h): it changes when the timer expires, unless it comes in the
 * very jiffy whose sum with TCP_TIMEWAIT_LEN the timer was set to already.
 */
static __always_inline bool fin_may_be_unseen(const struct td_mini *m, __u64 expires)
{
	__u64 same = m->expires - TIMEWAIT_NS / cfg.jiffy_ns;

	if (expires != m->expires)
		return true;
	return m->alive_jiffies <= same && same < bpf_jiffies64();
}

/* Both times are of before the look at the socket. They are the sweep's to write, and whoever reads
 * them meanwhile on another CPU has two that were both true. */
static __always_inline void mini_alive(struct td_mini *m, __u64 now, __u64 jiffies)
{
	m->alive_ns = now;
	m->alive_jiffies = jiffies;
}

/* alive_ns is here where there are not only counts; else mini_link() has it from a clock it reads
 * anyway, to the jiffy. */
static __always_inline void begin_as(struct td_mini *fresh, __u64 cookie,
				     struct inet_timewait_sock *tw, __u64 expires)
{
	fresh->change_due = fresh->end_due = cookie;
	fresh->tw = (__u64)tw;
	fresh->substate = fresh->s.state = tw_substate(tw);
	fresh->expires = expires;
	mini_alive(fresh, cfg.only_counts ? 0 : bpf_ktime_get_ns(), bpf_jiffies64());
}

static __noinline long add_mini(__u64 cookie, struct inet_timewait_sock *tw, __u64 expires,
				__u64 flags)
{
	struct td_mini fresh = {};

	begin_as(&fresh, cookie, tw, expires);
	return bpf_map_update_elem(&minis, &cookie, &fresh, flags);
}

static __noinline long add_brief_mini(__u64 cookie, struct inet_timewait_sock *tw, __u64 expires,
				      __u64 flags)
{
	__u64 fresh[TD_MINI_BYTES / 8] = {};

	begin_as((struct td_mini *)fresh, cookie, tw, expires);
	return bpf_map_update_elem(&minis, &cookie, fresh, flags);
}

/* False where `flags` is BPF_NOEXIST and there is one. */
static __always_inline bool mini_begin(struct td_counters *count, __u64 cookie,
				       struct inet_timewait_sock *tw, __u64 expires, __u64 flags)
{
	long error;

	if (cfg.netns && cfg.netns != READ(tw, __tw_common.skc_net.net, ns.inum))
		return true;
	error = cfg.only_counts ? add_brief_mini(cookie, tw, expires, flags)
				: add_mini(cookie, tw, expires, flags);
	if (error == -EEXIST)
		return false;
	if (error) {
		count_one(&count->map_full);
		minis_refused = true;
	}
	return true;
}

static __always_inline __u64 *orphan_place(__u64 cookie)
{
	__u32 place = cookie % TD_ORPHAN_PLACES;

	return bpf_map_lookup_elem(&orphan_places, &place);
}

/* Where it cannot be noted, the sweep will not see its FIN: counted. */
static __always_inline void note_orphan(struct td_counters *count, __u64 cookie)
{
	__u64 *place = orphan_place(cookie);
	__u8 value = 1;

	if (place && !__sync_val_compare_and_swap(place, 0, cookie))
		return;
	if (bpf_map_update_elem(&orphans, &cookie, &value, BPF_ANY))
		count_one(&count->map_full);
	else
		__sync_fetch_and_add(&orphans_n, 1);
}

static __always_inline void forget_orphan(__u64 cookie)
{
	__u64 *place;

	if (cfg.minisockets != TD_MINI_TIMER)
		return;
	place = orphan_place(cookie);
	if (place && claim(place, cookie))
		return;
	if (!bpf_map_delete_elem(&orphans, &cookie))
		__sync_fetch_and_add(&orphans_n, -1);
}

/* FIN_WAIT2 -> TIME_WAIT inside the time-wait socket. Where the FIN may have come earlier than
 * `when`, FIN_WAIT2 lasted at least as long as it was seen, and TIME_WAIT since it surely was. So
 * too where `when` is a stamp whose millisecond began before FIN_WAIT2 did: the FIN came before
 * that millisecond was over. */
static __noinline int mini_change(struct td_counters *count, __u64 cookie, struct td_mini *m,
				  __u64 when, __u32 bound)
{
	struct td_line line = {.mono_ns = when,
			       .cookie = cookie,
			       .old_state = TD_FIN_WAIT2,
			       .new_state = TD_TIME_WAIT};
	__u64 surely;

	if (!claim(&m->change_due, cookie))
		return 0;
	surely = surely_by(when, bound, m->ended_ns ?: bpf_ktime_get_ns());
	if (bound == TD_DWELL_EXACT && when <= m->s.since_ns) {
		bound = TD_DWELL_AT_LEAST;
		when += STAMP_NS;
		surely = when;
	}
	if (m->ended_ns && when > m->ended_ns)
		when = m->ended_ns; /* in that very millisecond */
	if (when < m->s.since_ns)
		when = m->s.since_ns;
	line.mono_ns = when;
	if (bound == TD_DWELL_EXACT)
		lasted(&line, m->s.since, m->s.since_ns, when);
	else if (m->s.since)
		lasted(&line, bound, m->s.since_ns, m->alive_ns);
	m->s.path = m->s.path << 4 | TD_TIME_WAIT;
	m->s.since_ns = surely > when ? surely : when;
	m->s.since = bound;
	barrier(); /* the state last: find() */
	m->s.state = TD_TIME_WAIT;
	forget_orphan(cookie);
	return emit(count, &line, &m->who, &m->s, NULL);
}

/*
 * A time-wait socket ends whose hand-over no program was shown: all that is known of the connection
 * is what the socket tells of itself.
 */
static __noinline int end_unheard_of(struct td_counters *count, __u64 cookie,
				     struct inet_timewait_sock *tw, __u64 when, __u8 reason)
{
	struct td_sock s = {.use = 1, .flags = TD_S_GAP};
	struct td_began began = {};
	struct td_who who = {};
	struct td_line line = {.mono_ns = when,
			       .cookie = cookie,
			       .old_state = tw_substate(tw),
			       .new_state = TD_CLOSE,
			       .reason = reason};
	bool older;

	if (!all_known || minis_refused)
		return 0; /* older than the tracer, or counted as refused */
	who_at(&who, &tw->__tw_common);
	if (cfg.netns && cfg.netns != who.netns)
		return 0;
	if (line.old_state == TD_TIME_WAIT)
		tw_began(&began, tw, when);
	/* An orphan does not tell since when it waits: its timer runs for a minute at most. */
	older = began.at_ns ? began.at_ns < began_ns : when < began_ns + ORPHAN_NS;
	if (older && !bpf_map_lookup_elem(&walked_nets, &who.netns))
		return 0;
	if (began.at_ns)
		lasted(&line, began.bound, surely_by(began.at_ns, began.bound, when), when);
	s.path = (__u64)line.old_state << 4 | TD_CLOSE;
	count_one(&count->unseen);
	return emit(count, &line, &who, &s, NULL);
}

/* The last line of a connection that ended in a time-wait socket. */
static __noinline int tell_end(struct td_counters *count, __u64 cookie, struct td_mini *m)
{
	struct td_line line = {.mono_ns = m->ended_ns,
			       .cookie = cookie,
			       .old_state = m->s.state,
			       .new_state = TD_CLOSE,
			       .reason = m->reason,
			       .restarts = m->restarts};

	lasted(&line, m->s.since, m->s.since_ns, line.mono_ns);
	m->s.path = m->s.path << 4 | TD_CLOSE;
	return emit(count, &line, &m->who, &m->s, m->has_stats ? &m->stats : NULL);
}

/* Before the hand-over there is nothing to tell yet: mini_link() finds it ended, and does. */
static __noinline int mini_end(struct td_counters *count, __u64 cookie, struct td_mini *m,
			       __u64 when, __u8 reason)
{
	if (!claim(&m->end_due, cookie))
		return 0;
	m->ended_ns = when;
	m->reason = reason;
	if (publish(&m->linked, TD_LINK_ENDED) == TD_LINK_DONE)
		tell_end(count, cookie, m);
	if (m->change_due && m->substate == TD_FIN_WAIT2)
		forget_orphan(cookie);
	bpf_map_delete_elem(&minis, &cookie);
	return 0;
}

/* The end of a socket whose FIN may still be untold: mini_link(), on another CPU, may be about to.
 */
static __always_inline void mini_over(struct td_counters *count, __u64 cookie, struct td_mini *m,
				      __u64 when, __u8 reason)
{
	m->ended_ns = when;
	if (published(&m->linked) == TD_LINK_DONE && m->changed_ns && m->s.state == TD_FIN_WAIT2)
		mini_change(count, cookie, m, m->changed_ns, m->changed_bound);
	mini_end(count, cookie, m, when, reason);
}

/* Ends the socket with this cookie if its timer was taken off and nothing followed. The exchange
 * makes sure that only one of the CPU's programs and the sweep does. */
static __always_inline void decide(struct td_counters *count, __u64 cookie, __u8 reason)
{
	struct td_mini *m = bpf_map_lookup_elem(&minis, &cookie);
	__u64 ended;

	if (!m)
		return;
	ended = m->ended_ns;
	if (!ended || published(&m->linked) != TD_LINK_DONE || !claim(&m->ended_ns, ended))
		return;
	mini_over(count, cookie, m, ended, reason ?: m->reason);
}

/* The socket's timer was restarted: by the FIN that makes it TIME_WAIT, or by a stray segment.
 * `bound`: whether that FIN can have been an earlier one. */
static __always_inline void mini_rearm(struct td_counters *count, __u64 cookie, struct td_mini *m,
				       struct inet_timewait_sock *tw, __u64 now, __u32 bound)
{
	bool seen = m->changed_ns; /* that it is TIME_WAIT now, by on_tw_cancel() */

	m->ended_ns = 0;
	m->changed_ns = 0;
	if (m->substate == TD_TIME_WAIT || !m->change_due) {
		if (m->restarts < 255)
			m->restarts++;
		return;
	}
	if (!seen && tw_substate(tw) != TD_TIME_WAIT)
		return;
	m->changed_bound = bound;
	m->changed_ns = now;
	/* mini_link() sets `linked` first and looks at changed_ns then. Both are ordered, so one of
	 * the two sees the other at least, and mini_change() lets one tell it. */
	if (published(&m->linked) == TD_LINK_DONE)
		mini_change(count, cookie, m, now, bound);
}

/* The full socket is done: its past goes to the time-wait socket, which lives on, or has ended
 * since it was made. Its line is written before it is published, so that none of another CPU comes
 * before. */
static __always_inline void mini_link(struct td_counters *count, struct td_mini *m,
				      struct td_sock *s, const struct td_who *who,
				      struct td_line *line)
{
	__u64 cookie = line->cookie;

	if (cfg.only_counts) {
		__builtin_memcpy(&m->s, s, TD_BRIEF_BYTES);
	} else {
		m->who = *who;
		m->s = *s;
	}
	if (cfg.detail == TD_DETAIL_CONNECTIONS)
		m->s.told = claim_stays(s);
	m->s.state = m->substate;
	s->counted = 0;
	if (cfg.only_counts)
		m->alive_ns =
		    line->mono_ns - (bpf_jiffies64() - m->alive_jiffies + 1) * cfg.jiffy_ns;
	if (m->substate == TD_TIME_WAIT) {
		m->s.path = m->s.path << 4 | TD_TIME_WAIT;
		m->s.since_ns = line->mono_ns;
		m->s.since = TD_DWELL_EXACT;
		line->new_state = TD_TIME_WAIT;
		emit(count, line, &m->who, &m->s, NULL);
	}
	if (publish(&m->linked, TD_LINK_DONE) == TD_LINK_ENDED) {
		tell_end(count, cookie, m);
		return;
	}
	if (m->substate == TD_TIME_WAIT)
		return;
	if (m->changed_ns)
		mini_change(count, cookie, m, m->changed_ns, m->changed_bound);
	else if (cfg.minisockets == TD_MINI_TIMER)
		note_orphan(count, cookie);
}

/* The task is choosing a port for a socket that goes where the time-wait socket went: it is in
 * SYN_SENT and has sent nothing (tcp_v4_connect, tcp_v6_connect), whatever system call asked for
 * it. */
static __always_inline bool reused_by_connecting(const struct sock_common *tw)
{
	struct td_connecting *task =
	    bpf_task_storage_get(&connecting, bpf_get_current_task_btf(), NULL, 0);
	const struct tcp_sock *tp;

	if (!task || serving_softirq(tw))
		return false;
	tp = (void *)task->sk;
	return task->to.rport == bpf_ntohs(READ(tw, skc_dport)) &&
	       task->to.netns == READ(tw, skc_net.net, ns.inum) &&
	       READ(tp, inet_conn.icsk_inet.sk.__sk_common.skc_state) == TD_SYN_SENT &&
	       !READ(tp, segs_out);
}

/* Why a process takes a time-wait socket down: the end of its namespace purges it (inet_twsk_purge
 * asks for the same count), connect() reuses it, sock_diag aborts it. Else it is the receive path
 * in the context of a process that writes to a TUN device or polls its network card. */
static __always_inline __u8 reason_in_process(struct inet_timewait_sock *tw)
{
	if (netns_is_dying(READ(tw, __tw_common.skc_net.net)))
		return TD_REASON_PURGED;
	if (reused_by_connecting(&tw->__tw_common))
		return TD_REASON_REUSED;
	if (aborted_by_diag(&tw->__tw_common))
		return TD_REASON_ABORTED;
	return TD_REASON_RESET_BY_PEER;
}

/* tcp_time_wait() got no socket: the condition inet_twsk_alloc() refuses on. */
static __always_inline bool tw_table_full(const struct sock *sk)
{
	const struct net *net = sk->__sk_common.skc_net.net;
	int max = net->ipv4.tcp_death_row.sysctl_max_tw_buckets;

	return (int)net->ipv4.tcp_death_row.tw_refcount.refs.counter - 1 >= max;
}

#endif
