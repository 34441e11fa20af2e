/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * What no event tells in the timer way, looked up now and then at the reader's request: timers
 * taken off with nothing after it, and FINs that restarted a timer into the wheel bucket it was in,
 * which fires no timer_start (__mod_timer, kernel/time/timer.c). Times are those of the happening.
 *
 * One thread runs these, never two at a time; the programs of events go on meanwhile on all CPUs.
 */
#ifndef TCPDWELL_SWEEP_BPF_H
#define TCPDWELL_SWEEP_BPF_H

#include "gone.bpf.h"
#include "minisocket.bpf.h"
#include "request.bpf.h"

struct bpf_map;

/* A timer that was taken off has been decided on by then. */
#define LONG_AGO_NS 1000000000ull

struct td_sweep {
	struct td_counters *count;
	__u64 now;
};

/* Not so for what happened after the sweep began. */
static __always_inline bool is_over(__u64 ended_ns, const struct td_sweep *sweep)
{
	return ended_ns && sweep->now > ended_ns && sweep->now - ended_ns > TD_MOMENT_NS;
}

static __noinline int look_for_fin(struct td_sweep *sweep, __u64 cookie)
{
	struct inet_timewait_sock *tw;
	struct td_began began = {};
	struct td_mini *m;
	__u64 now = bpf_ktime_get_ns(), jiffies = bpf_jiffies64();

	m = bpf_map_lookup_elem(&minis, &cookie);
	if (!m || m->s.state != TD_FIN_WAIT2) {
		forget_orphan(cookie);
		return 0;
	}
	tw = (void *)m->tw;
	if (m->ended_ns || tw_cookie(tw) != cookie)
		return 0;
	if (tw_substate(tw) != TD_TIME_WAIT) {
		mini_alive(m, now, jiffies);
		return 0;
	}
	/* The stack sets the substate first and then the timer: it may be about to. */
	if (BPF_CORE_READ(tw, tw_timer.expires) == m->expires && !m->doubted) {
		m->doubted = 1;
		return 0;
	}
	tw_began(&began, tw, now);
	mini_change(sweep->count, cookie, m, began.at_ns, began.bound);
	return 0;
}

static long sweep_orphan(struct bpf_map *map, __u64 *key, __u8 *value, struct td_sweep *sweep)
{
	look_for_fin(sweep, *key);
	return 0;
}

static long sweep_place(struct bpf_map *map, __u32 *key, __u64 *place, struct td_sweep *sweep)
{
	__u64 cookie = *place;

	if (cookie)
		look_for_fin(sweep, cookie);
	return 0;
}

static long sweep_req(struct bpf_map *map, struct td_tuple *key, struct td_req *r,
		      struct td_sweep *sweep)
{
	struct td_tuple t = *key;

	if (is_over(r->ended_ns, sweep)) {
		req_end(sweep->count, &t, r);
	} else if (stopped_ns || r->ended_ns ||
		   timer_runs(r->req + bpf_core_field_offset(struct request_sock, rsk_timer))) {
		r->missed = 0;
	} else if (!r->missed) {
		r->missed = 1;
	} else {
		count_one(&sweep->count->unseen);
		tally_leave(r->counted);
		forget_request(&t);
	}
	return 0;
}

static long sweep_gone(struct bpf_map *map, __u32 *key, struct td_gone *g, struct td_sweep *sweep)
{
	if (is_over(g->ended_ns, sweep))
		tell_gone(sweep->count, g);
	return 0;
}

/* Until the ring is half full again. */
static long sweep_owed(struct bpf_map *map, struct td_owed_key *key, struct td_connection *whole,
		       struct td_sweep *sweep)
{
	struct td_event *to, *from = &whole->last;
	struct td_owed_key done = *key;

	if (!published(&from->size)) /* owe() is at it */
		return 0;
	/* What follows at once may say another reason (abort.bpf.h). */
	if (!stopped_ns && sweep->now - from->mono_ns < TD_MOMENT_NS)
		return 0;
	if (ring_is_half_full())
		return 1;
	if (cfg.detail == TD_DETAIL_CONNECTIONS) {
		to = bpf_ringbuf_reserve(&ring, sizeof(*whole), 0);
		if (!to)
			return 1;
		__builtin_memcpy(to, whole, sizeof(*whole));
	} else if (from->size == sizeof(*to)) {
		to = bpf_ringbuf_reserve(&ring, sizeof(*to), 0);
		if (!to)
			return 1;
		__builtin_memcpy(to, from, sizeof(*to));
	} else {
		to = bpf_ringbuf_reserve(&ring, TD_OFFSETOF(struct td_event, stats), 0);
		if (!to)
			return 1;
		__builtin_memcpy(to, from, TD_OFFSETOF(struct td_event, stats));
	}
	bpf_ringbuf_submit(to, wakeup_flags());
	bpf_map_delete_elem(&owed, &done);
	__sync_fetch_and_add(&owed_lines, -1);
	return 0;
}

static long sweep_undecided(struct bpf_map *map, __u32 *key, __u64 *slot, struct td_sweep *sweep)
{
	__u64 cookie = *slot;
	struct td_mini *m = cookie ? bpf_map_lookup_elem(&minis, &cookie) : NULL;

	if (m && is_over(m->ended_ns, sweep)) {
		decide(sweep->count, cookie, TD_REASON_NONE);
		__sync_val_compare_and_swap(slot, cookie, 0);
	}
	return 0;
}

SEC("syscall")
int sweep(void *ctx)
{
	struct td_sweep arg = {.count = counters_of(TD_PROGRAM_SWEEP),
			       .now = stopped_ns ?: bpf_ktime_get_ns()};

	if (!arg.count)
		return 0;
	bpf_for_each_map_elem(&undecided, sweep_undecided, &arg, 0);
	if (cfg.minisockets == TD_MINI_TIMER) {
		bpf_for_each_map_elem(&orphan_places, sweep_place, &arg, 0);
		if (orphans_n)
			bpf_for_each_map_elem(&orphans, sweep_orphan, &arg, 0);
	}
	bpf_for_each_map_elem(&reqs, sweep_req, &arg, 0);
	if (is_without_table())
		bpf_for_each_map_elem(&gone, sweep_gone, &arg, 0);
	if (owed_lines)
		bpf_for_each_map_elem(&owed, sweep_owed, &arg, 0);
	return 0;
}

/*
 * Ends a time-wait socket whose end no program was shown, so that such neither fill the map nor
 * seem to live for ever. The timer of a living one is off for an instant only, so whoever is found
 * without twice is gone. A function of its own: a program may hold a variable index into .bss only
 * where it is bounded.
 */
__noinline int reap_named(__u32 i)
{
	struct td_counters *count = counters_of(TD_PROGRAM_SWEEP);
	__u64 now = bpf_ktime_get_ns(), cookie;
	struct td_mini *m;

	if (!count || i >= TD_NAMED_AT_ONCE)
		return 0;
	cookie = named_cookies[i];
	m = bpf_map_lookup_elem(&minis, &cookie);
	if (!m || (m->ended_ns && now - m->ended_ns < LONG_AGO_NS))
		return 0;
	if (tw_lives(m->tw, cookie)) {
		m->missed = 0;
		return 0;
	}
	if (!m->missed) {
		m->missed = 1;
		return 0;
	}
	count_one(&count->unseen);
	m->s.flags |= TD_S_GAP;
	m->s.start_ns = 0;
	m->s.since = TD_DWELL_UNKNOWN;
	mini_end(count, cookie, m, now, TD_REASON_NONE);
	return 0;
}

/* Some at a time, for a walk over all in one go would keep the processor too long. */
SEC("syscall")
int reap(void *ctx)
{
	for (__u32 i = 0; i < TD_NAMED_AT_ONCE && i < named_cookies_n; i++)
		reap_named(i);
	return 0;
}

#endif
