/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * What the kernel program counts, in place of records (TD_DETAIL_COUNTS) or beside them: dwells by
 * state, and how many sockets came into a state and left it.
 *
 * One value for each state and CPU. Programs add with atomic operations, for they may interrupt
 * each other on a CPU. Nothing is ever set back: whoever reads takes the difference to what was
 * there before, modulo the width of the counter.
 */
#ifndef TCPDWELL_TALLY_H
#define TCPDWELL_TALLY_H

#include <tcpdwell/event.h>

/*
 * A dwell of d ns is counted in one of 64 buckets of its power of two: those below 64 ns each in
 * its own; d in [32 * 2^n, 64 * 2^n) in bucket 64 * n + (d >> (n - 1)) - 64, for n from 1 to 58.
 * Rounded up to a power of two, for the verifier.
 */
#define TD_TALLY_SUB_BITS 6
#define TD_TALLY_BUCKETS 4096

/* Bounds that the reader gives (td_bounds), ascending; those it does not need are 2^64 - 1. */
#define TD_BOUNDS 32

/* Beside the states: dwells in ESTABLISHED before accept(), which are a part of that state's. Only
 * where they are known and lines are told (TD_MINI_FENTRY, no TD_DETAIL_COUNTS). With
 * TD_COUNTS_ALL they are counted when accept() ends them, else on the line that leaves ESTABLISHED.
 */
#define TD_TALLY_NOT_ACCEPTED TD_STATE_COUNT
#define TD_TALLIES (TD_STATE_COUNT + 1)

struct td_tally {
	__u64 total_ns; /* sum of the exact dwells, modulo 2^64 */
	__u64 at_least; /* dwells of which a lower bound is known */
	__u64 unknown;	/* dwells of which nothing is known */
	__u64 entered;	/* sockets that came into the state, those older than the tracer too */
	__u64 left;	/* of these, sockets that left it, less the dwells in here; modulo 2^64 */
	__u32 exact[TD_TALLY_BUCKETS]; /* dwells by length, modulo 2^32 */
	/* TD_COUNTS_ALL: dwells by td_bounds, modulo 2^32: [i] those of at most bound i, and longer
	 * than the one before. */
	__u32 within[TD_BOUNDS];
};

/* TD_COUNTS_ALL: how often each transition was, [old << 4 | new], and each end, [reason << 2 |
 * closer]: 0 none, 1 this host, 2 the peer, 3 both at once. A value for each CPU. */
struct td_moves {
	__u64 moved[256];
	__u64 ended[256];
};

/*
 * The longest and the shortest exact dwell of each state, since the reader last took them. There
 * are two sets, used in turns (tally_turn): the reader empties the one at rest, changes the turn,
 * and reads the other. What a program still writes there for an instant is found at the next turn.
 */
struct td_tally_extremes {
	__u64 longest_ns[16];	   /* by enum td_state; 0 where none */
	__u64 not_shortest_ns[16]; /* ~ of the shortest, so that 0 is none here too */
};

TD_STATIC_ASSERT(TD_OFFSETOF(struct td_tally, exact) == 40, "td_tally layout");
TD_STATIC_ASSERT(sizeof(struct td_tally) <= 32768, "most that a per-CPU array's value may have");

#endif /* TCPDWELL_TALLY_H */
