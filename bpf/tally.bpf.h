/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* Lines that become sums instead of records (include/tcpdwell/tally.h). */
#ifndef TCPDWELL_TALLY_BPF_H
#define TCPDWELL_TALLY_BPF_H

#include "filter.bpf.h"
#include "maps.bpf.h"

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, TD_TALLIES); /* 1 where nothing is counted */
	__type(key, __u32);
	__type(value, struct td_tally);
} tallies SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct td_moves);
} moves SEC(".maps");

/* Written by the reader alone. */
volatile __u32 tally_turn;
struct td_tally_extremes tally_extremes[2];
/* Sockets that the walk over older ones found and counted. One walk at a time writes it. */
__u64 seeds_counted;

static __always_inline struct td_tally *tally_of(__u32 state)
{
	return bpf_map_lookup_elem(&tallies, &state);
}

static __always_inline void add_to(__u64 *sum, __u64 more)
{
	__sync_fetch_and_add(sum, more);
}

/* Programs of other CPUs raise it too; each tries as long as its own is higher. */
static __always_inline void raise_to(__u64 *highest, __u64 value)
{
	for (int i = 0; i < 8; i++) {
		__u64 before = *(volatile __u64 *)highest;

		if (before >= value ||
		    __sync_val_compare_and_swap(highest, before, value) == before)
			return;
	}
}

/* The highest bit that is set, from 0; 0 for 0. BPF has no instruction for it. */
static __always_inline __u32 highest_bit(__u64 value)
{
	__u32 bit = 0;

	for (int step = 32; step; step >>= 1) {
		if (value >> step) {
			value >>= step;
			bit += step;
		}
	}
	return bit;
}

static __always_inline __u32 bucket_of(__u64 ns)
{
	__u32 bit = highest_bit(ns);
	__u32 octave = bit < TD_TALLY_SUB_BITS ? 0 : bit - TD_TALLY_SUB_BITS + 1;
	__u32 sub = octave ? (ns >> (octave - 1)) - (1 << TD_TALLY_SUB_BITS) : ns;

	return (octave << TD_TALLY_SUB_BITS) + sub;
}

/* How many of the bounds are below. */
static __always_inline __u32 bounds_below(__u64 ns)
{
	__u32 below = 0;

	for (__u32 step = TD_BOUNDS / 2; step; step >>= 1)
		if (ns > td_bounds[(below + step - 1) & (TD_BOUNDS - 1)])
			below += step;
	return below;
}

static __always_inline void tally_exact(struct td_tally *tally, __u32 state, __u64 ns)
{
	struct td_tally_extremes *extremes = &tally_extremes[tally_turn & 1];

	raise_to(&extremes->longest_ns[state & 15], ns);
	raise_to(&extremes->not_shortest_ns[state & 15], ~ns);
	add_to(&tally->total_ns, ns);
	__sync_fetch_and_add(&tally->exact[bucket_of(ns) & (TD_TALLY_BUCKETS - 1)], 1);
	if (cfg.counts == TD_COUNTS_ALL)
		__sync_fetch_and_add(&tally->within[bounds_below(ns) & (TD_BOUNDS - 1)], 1);
}

/* Who closed, as closer_of() of the user side has it: CLOSING comes of FINs that cross; else the
 * first state shows that only our own FIN leads to, or only the peer's; else a reset counts for who
 * sent it. */
static __always_inline __u32 closer_of(__u64 path, __u8 reason)
{
	__u32 closer = 0, last = path >> 4 & 15;

	/* From the newest to the oldest, which decides. */
	for (int i = 0; i < 16; i++, path >>= 4) {
		__u32 state = path & 15;

		if (state == TD_CLOSING)
			return 3;
		if (state == TD_FIN_WAIT1 || state == TD_FIN_WAIT2)
			closer = 1;
		else if (state == TD_CLOSE_WAIT || state == TD_LAST_ACK)
			closer = 2;
	}
	if (closer)
		return closer;
	if (reason == TD_REASON_RESET_BY_PEER || reason == TD_REASON_REFUSED)
		return 2;
	/* Who aborts these sends nothing (tcp_need_reset). */
	if (reason == TD_REASON_ABORTED)
		return last != TD_SYN_SENT && last != TD_SYN_RECV;
	return reason == TD_REASON_RESET_LOCAL || reason == TD_REASON_LISTENER_CLOSED;
}

static __always_inline void tally_end(__u8 reason, __u32 closer, __u64 more)
{
	__u32 zero = 0, end = (reason << 2 | closer) & 255;
	struct td_moves *m = bpf_map_lookup_elem(&moves, &zero);

	if (m)
		add_to(&m->ended[end], more);
}

/* For every value, which the verifier then looks at once and not wherever a line is counted. */
__noinline int tally_move(__u32 from, __u32 to, __u32 reason, __u64 path)
{
	__u32 zero = 0, moved = (from & 15) << 4 | (to & 15);
	struct td_moves *m = bpf_map_lookup_elem(&moves, &zero);

	if (!m)
		return 0;
	/* The compiler knows that it is below 256 and leaves the mask out, and the verifier of
	 * Linux 6.1 does not. */
	barrier_var(moved);
	add_to(&m->moved[moved & 255], 1);
	if (to != TD_CLOSE || from == TD_LISTEN)
		return 0;
	tally_end(reason, closer_of(path, reason), 1);
	return 0;
}

static __always_inline bool is_asked_for(__u8 state)
{
	return !cfg.states || cfg.states & 1u << (state & 15);
}

/* A socket is open in `state`, until tally_leave(). 0 is none, here and there. */
static __always_inline void tally_enter(__u8 state)
{
	struct td_tally *tally = state ? tally_of(state) : NULL;

	if (tally)
		add_to(&tally->entered, 1);
}

static __always_inline void tally_leave(__u8 state)
{
	struct td_tally *tally = state ? tally_of(state) : NULL;

	if (tally)
		add_to(&tally->left, 1);
}

/* The state as which a socket that was found is counted. */
static __always_inline __u8 counted_as(__u8 state)
{
	return cfg.counts && is_asked_for(state) ? state : 0;
}

static __always_inline bool counts_at_accept(void)
{
	return cfg.counts == TD_COUNTS_ALL;
}

/* For every value, as tally_move(). */
__noinline int tally_not_accepted(__u64 ns)
{
	struct td_tally *tally = tally_of(TD_TALLY_NOT_ACCEPTED);

	if (tally && ns >= cfg.min_dwell_ns)
		tally_exact(tally, TD_TALLY_NOT_ACCEPTED, ns);
	return 0;
}

static __always_inline void tally_wait(const struct td_line *line, const struct td_sock *s)
{
	if (!knows_waits() || line->old_state != TD_ESTABLISHED || !(s->accept & TD_WAIT_OVER) ||
	    s->accept == TD_WAIT_UNKNOWN)
		return;
	if (!counts_at_accept() || s->accept & TD_WAIT_UNACCEPTED)
		tally_not_accepted(s->accept & TD_WAIT_NS);
}

/* A line that passed the filters. The first one of a connection ends no dwell. */
static __always_inline void tally_line(const struct td_line *line, struct td_sock *s)
{
	bool begins = line->old_state == TD_CLOSE ||
		      (line->old_state == TD_LISTEN && line->new_state == TD_SYN_RECV);
	struct td_tally *tally;
	__u8 counted = s->counted;

	if (cfg.counts == TD_COUNTS_ALL)
		tally_move(line->old_state, line->new_state, line->reason, s->path);
	s->counted = line->new_state == TD_CLOSE ? 0 : counted_as(line->new_state);
	tally_enter(s->counted);
	if (begins || !is_asked_for(line->old_state)) {
		tally_leave(counted);
		return;
	}
	tally = tally_of(line->old_state);
	if (!tally)
		return;
	/* The dwell says that it left. */
	if (counted != line->old_state) {
		tally_leave(counted);
		add_to(&tally->left, -1);
	}
	if (line->dwell == TD_DWELL_EXACT)
		tally_exact(tally, line->old_state, line->dwell_ns);
	else
		add_to(line->dwell == TD_DWELL_AT_LEAST ? &tally->at_least : &tally->unknown, 1);
	tally_wait(line, s);
}

#endif
