/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * RSTs of our own, and the end that only they explain: data that comes after the application closed
 * (tcp_rcv_state_process, TCPAbortOnData). The stack ends the socket by tcp_reset(), as if a RST
 * had come, and answers the segment with a RST right after. So in those states the last line waits
 * for a moment with those that are owed.
 */
#ifndef TCPDWELL_ABORT_BPF_H
#define TCPDWELL_ABORT_BPF_H

#include "emit.bpf.h"
#include "lockless.bpf.h"
#include "maps.bpf.h"
#include "read.bpf.h"
#include "reset.bpf.h"
#include "tally.bpf.h"

#define RCV_SHUTDOWN 1 /* include/net/sock.h: nobody will read what comes */

static __always_inline bool may_be_our_abort(const struct sock *sk, const struct td_sock *s,
					     const struct td_line *line)
{
	__u32 zero = 0;
	struct td_reset *here = bpf_map_lookup_elem(&resets, &zero);

	if (!here || line->reason != TD_REASON_RESET_BY_PEER || !(sk->sk_shutdown & RCV_SHUTDOWN) ||
	    (line->old_state != TD_FIN_WAIT1 && line->old_state != TD_FIN_WAIT2))
		return false;
	here->ended = (__u64)sk;
	here->ended_use = s->use;
	return true;
}

/* This CPU wrote the line just now, and the sweep leaves it alone for a moment (TD_MOMENT_NS). */
static __always_inline void it_was_our_abort(struct sock *sk, const struct td_reset *here)
{
	struct td_owed_key key = {.use = 1};
	struct td_connection *c;
	__u64 path;
	__u32 closer;

	/* Else it was moved to another CPU in between. */
	if (here->ended == (__u64)sk)
		key.use = here->ended_use;
	key.cookie = here->cookie;
	c = bpf_map_lookup_elem(&owed, &key);
	if (!c || c->last.reason != TD_REASON_RESET_BY_PEER)
		return;
	c->last.reason = TD_REASON_RESET_LOCAL;
	c->last.stats.rst = here->why;
	if (cfg.counts != TD_COUNTS_ALL)
		return;
	path = c->last.path;
	closer = closer_of(path, TD_REASON_RESET_BY_PEER);
	tally_end(TD_REASON_RESET_BY_PEER, closer, -1);
	closer = closer_of(path, TD_REASON_RESET_LOCAL);
	tally_end(TD_REASON_RESET_LOCAL, closer, 1);
}

/* skb is NULL where no segment is answered; there is a reason since Linux 6.10 (5691276b39da
 * "rstreason: prepare for active reset"). */
SEC("tp_btf/tcp_send_reset")
int BPF_PROG(on_send_reset, struct sock *sk, const struct sk_buff *skb)
{
	__u32 zero = 0;
	struct td_reset *last = bpf_map_lookup_elem(&resets, &zero);
	struct tcphdr *header;

	if (!last || !sk)
		return 0;
	last->at_ns = bpf_ktime_get_ns();
	last->why = cfg.resets_told ? 1 + (__u32)ctx[2] : 0;
	last->rport = 0;
	if (skb) {
		header = (void *)READ(skb, head) + READ(skb, transport_header);
		last->rport = bpf_ntohs(READ(header, source));
	}
	last->cookie = bpf_get_socket_cookie(sk);
	it_was_our_abort(sk, last);
	last->ended = 0;
	return 0;
}

#endif
