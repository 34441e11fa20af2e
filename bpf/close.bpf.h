/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* The last transition of a full socket: its end, or its hand-over to a time-wait socket. */
#ifndef TCPDWELL_CLOSE_BPF_H
#define TCPDWELL_CLOSE_BPF_H

#include "abort.bpf.h"
#include "emit.bpf.h"
#include "filter.bpf.h"
#include "live.bpf.h"
#include "lockless.bpf.h"
#include "maps.bpf.h"
#include "minisocket.bpf.h"
#include "ports.bpf.h"
#include "reason.bpf.h"
#include "reset.bpf.h"

/* The time-wait socket that was made for this one just now, or NULL. A second use of the socket may
 * find the first one's entry here. */
static __always_inline struct td_mini *handed_over_to(__u64 cookie, int old_state)
{
	struct td_mini *m;

	if (!cfg.minisockets || (old_state != TD_FIN_WAIT2 && old_state != TD_CLOSING))
		return NULL;
	m = bpf_map_lookup_elem(&minis, &cookie);
	return m && published(&m->linked) == TD_LINK_DUE ? m : NULL;
}

/* It was handed over as far as its states tell, and no time-wait socket of it is known. */
static __always_inline void note_no_mini(const struct sock *sk, struct td_sock *s,
					 struct td_line *line)
{
	if (tw_table_full(sk))
		line->reason = TD_REASON_OVERFLOW;
	else if (!minis_refused)
		line->reason = TD_REASON_RESET_LOCAL;
	else
		s->flags |= TD_S_GAP; /* perhaps it lives on, unobserved */
}

/* What waited to be accepted is still in its queue (__tcp_close, net/ipv4/tcp.c). */
static __always_inline void emit_closed_listener(struct td_counters *count, const struct sock *sk,
						 struct td_sock *s, const struct td_who *who,
						 const struct tcp_sock *tp, struct td_line *line)
{
	union td_last last = {};

	line->reason = reason_of(sk, tp, s, line);
	live_of_listener(&last.live, sk);
	last.live.peak = s->peak;
	last.live.drops -= s->drops_before;
	s->path = s->path << 4 | TD_CLOSE;
	emit(count, line, who, s, &last.stats);
}

/* The last transition of a full socket: its end, or its hand-over. */
static __always_inline void close_full(struct td_counters *count, const struct sock *sk,
				       struct td_sock *s, const struct td_who *who,
				       const struct tcp_sock *tp, struct td_line *line)
{
	struct td_mini *m = handed_over_to(line->cookie, line->old_state);
	struct td_reset *sent;
	struct td_stats stats;
	bool handed;

	if (m) {
		if (makes_records()) {
			read_stats(&m->stats, tp, s, m->substate == TD_TIME_WAIT);
			m->has_stats = 1;
		}
		mini_link(count, m, s, who, line);
		return;
	}
	handed = may_be_handed_over(tp, s, line->old_state);
	if (handed && cfg.minisockets) {
		/* Seen for the first time, its time-wait socket may have been made before the
		 * programs began. Then the walk over older sockets shows it. */
		if (!s->state && !all_known)
			return;
		note_no_mini(sk, s, line);
	}
	if (handed && !line->reason) {
		/* The state may go on, unobserved; whether the FIN is counted as a byte is not
		 * known. */
		line->dwell = TD_DWELL_UNKNOWN;
		s->start_ns = 0;
		s->path = s->path << 4 | TD_CLOSE;
		emit(count, line, who, s, NULL);
		return;
	}
	if (!makes_records()) {
		emit(count, line, who, s, NULL);
		return;
	}
	if (line->old_state == TD_LISTEN) {
		emit_closed_listener(count, sk, s, who, tp, line);
		return;
	}
	read_stats(&stats, tp, s, s->flags & TD_S_FIN_IN);
	if (!handed)
		line->reason = reason_of(sk, tp, s, line);
	if (line->reason == TD_REASON_NO_LOCAL_PORT)
		__sync_fetch_and_add(&ports_ran_out, 1);
	line->waits = may_be_our_abort(sk, s, line);
	sent = reset_sent_for_orphan(sk, line->cookie);
	if (sent && line->reason == TD_REASON_RESET_LOCAL)
		stats.rst = sent->why;
	if (line->reason == TD_REASON_RESET_BY_PEER)
		stats.idle_ms = idle_before_reset(tp, line->old_state);
	s->path = s->path << 4 | TD_CLOSE;
	emit(count, line, who, s, &stats);
}

#endif
