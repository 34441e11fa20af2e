/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * How long a server's connection is ESTABLISHED before accept() fetches it, told when it leaves
 * ESTABLISHED. Through fentry alone: no tracepoint tells of accept().
 */
#ifndef TCPDWELL_ACCEPT_BPF_H
#define TCPDWELL_ACCEPT_BPF_H

#include "emit.bpf.h"
#include "filter.bpf.h"
#include "holders.bpf.h"
#include "maps.bpf.h"
#include "tally.bpf.h"

/* An accepted socket, which nobody else has yet. It may have left ESTABLISHED, and may leave it on
 * another CPU just now: `accept` says who was first. One may be fetched before it is ESTABLISHED
 * (TCP Fast Open, or the last ACK is still at work on another CPU): it did not wait. */
static __always_inline void note_accept(struct sock *sk, struct td_sock *s)
{
	__u64 now = bpf_ktime_get_ns(), since_ns = s->since_ns;
	bool waited = s->path == TD_PATH_PASSIVE;
	struct td_who who = {};
	struct tcp_sock *tp;

	if (!makes_records() || __sync_val_compare_and_swap(&s->accept, 0, now))
		return;
	if (!counts_at_accept() || (!waited && s->path != TD_SYN_RECV))
		return;
	tp = bpf_skc_to_tcp_sock(sk);
	if (!tp || is_subflow(tp))
		return;
	identify(&who, tp);
	/* It writes no flag, as it has no lock (struct td_sock). */
	if (address_passes(&who) && owner_passes(s) && is_asked_for(TD_ESTABLISHED))
		tally_not_accepted(waited && now > since_ns ? now - since_ns : 0);
}

/*
 * It leaves ESTABLISHED. A subflow of MPTCP waits in no queue of its own. A socket that somebody
 * has (sk_socket) and that accept() did not show was fetched unseen: its programs do not run where
 * one of them was preempted on that CPU.
 */
static __always_inline void note_wait(const struct sock *sk, const struct tcp_sock *tp,
				      struct td_sock *s, const struct td_line *line)
{
	const struct sock___held *held = (const void *)sk;
	bool fetched = BPF_CORE_READ(held, sk_socket);
	__u64 wait = line->dwell_ns & TD_WAIT_NS, at;

	if (s->path != TD_PATH_PASSIVE || line->dwell != TD_DWELL_EXACT || is_subflow(tp) ||
	    (fetched && !s->accept)) {
		s->accept = TD_WAIT_UNKNOWN;
		return;
	}
	at = __sync_val_compare_and_swap(&s->accept, 0, TD_WAIT_OVER | TD_WAIT_UNACCEPTED | wait);
	if (!at)
		return;
	if (at < s->since_ns)
		wait = 0;
	else if (at - s->since_ns < wait)
		wait = at - s->since_ns;
	s->accept = TD_WAIT_OVER | wait;
}

#endif
