/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * What a connection went through, kept with it for its one record (TD_DETAIL_CONNECTIONS).
 *
 * While it lasts, a look at what is open (open.bpf.h) may tell of it too. That takes no lock of the
 * socket's, so who tells of which stays is agreed on in one word, `told`: a look raises it to what
 * it has seen, and whoever takes the stays away, to the time-wait socket or to the last record,
 * claims it first and for good.
 */
#ifndef TCPDWELL_STAYS_BPF_H
#define TCPDWELL_STAYS_BPF_H

#include "lockless.bpf.h"
#include "maps.bpf.h"

#define TD_TOLD_LAST 0x80000000u

static __always_inline void forget_stays(struct td_sock *s)
{
	if (cfg.only_counts)
		return;
	s->n_stays = 0;
	s->stays_left_out = 0;
	s->look = 0;
	s->told = 0;
}

static __always_inline bool ends_a_stay(const struct td_line *line)
{
	return line->old_state != TD_CLOSE &&
	       !(line->old_state == TD_LISTEN && line->new_state == TD_SYN_RECV);
}

static __always_inline void note_stay(struct td_sock *s, const struct td_line *line)
{
	__u64 ns = line->dwell_ns < TD_STAY_MOST_NS ? line->dwell_ns : TD_STAY_MOST_NS;
	__u64 stay = (line->old_state & 15) | (__u64)line->dwell << TD_STAY_DWELL_SHIFT;
	__u32 n = s->n_stays;

	if (!ends_a_stay(line))
		return;
	if (line->dwell != TD_DWELL_UNKNOWN)
		stay |= ns << TD_STAY_NS_SHIFT;
	/* A variable offset into the entry would cost the verifier more than six comparisons. */
	for (__u32 i = 0; i < TD_STAYS; i++) {
		if (n != i)
			continue;
		s->stays[i] = stay;
		s->n_stays = i + 1;
		return;
	}
	if (s->stays_left_out < 255)
		s->stays_left_out++;
}

/* How many of the stays have been told. From now on no look tells of this entry. */
static __always_inline __u32 claim_stays(struct td_sock *s)
{
	return __sync_lock_test_and_set(&s->told, TD_TOLD_LAST) & ~TD_TOLD_LAST;
}

static __always_inline void fill_stays(struct td_connection *c, const struct td_sock *s, __u32 told)
{
	c->told = told;
	c->n_stays = s->n_stays;
	c->stays_left_out = s->stays_left_out;
	__builtin_memset(c->pad, 0, sizeof(c->pad));
	__builtin_memcpy(c->stays, s->stays, sizeof(c->stays));
}

#endif
