/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* What an open socket is about now: its queues, its timer, and what its listener dropped. */
#ifndef TCPDWELL_LIVE_BPF_H
#define TCPDWELL_LIVE_BPF_H

#include "maps.bpf.h"
#include "read.bpf.h"

struct sock___drops {
	struct {
		int counter;
	} sk_drops;
} __attribute__((preserve_access_index));

static __always_inline __u32 drops_of(const struct sock *sk)
{
	return READ((struct sock___drops *)sk, sk_drops.counter);
}

static __always_inline void live_of_listener(struct td_live *live, const struct sock *sk)
{
	__u64 key = (__u64)sk;
	struct td_sock *s = bpf_map_lookup_elem(&listeners, &key);

	live->known |= TD_KNOWN_QUEUES;
	live->recv_queue = READ(sk, sk_ack_backlog);
	live->send_queue = READ(sk, sk_max_ack_backlog);
	live->drops = drops_of(sk) - (s ? s->drops_before : 0);
	live->peak = s ? s->peak : 0;
	if (live->peak && live->peak < live->recv_queue)
		live->peak = live->recv_queue;
}

/* A connection of its has joined those that wait to be accepted (inet_csk_reqsk_queue_add). */
static __always_inline void note_queued(__u64 listener)
{
	struct td_sock *s = bpf_map_lookup_elem(&listeners, &listener);
	__u32 waiting = READ((struct sock *)listener, sk_ack_backlog);

	if (s && s->peak < waiting)
		s->peak = waiting;
}

/* icsk_timeout, until a commit after Linux 6.18 keeps the moment in the timer itself. */
struct inet_connection_sock___timeout {
	unsigned long icsk_timeout;
} __attribute__((preserve_access_index));

struct inet_connection_sock___timer {
	struct timer_list icsk_retransmit_timer;
} __attribute__((preserve_access_index));

struct sock___retransmit {
	struct timer_list tcp_retransmit_timer;
} __attribute__((preserve_access_index));

/* When the timer of icsk_pending expires, in jiffies; 0 where this kernel keeps it elsewhere. */
static __always_inline __u64 pending_expires(const struct tcp_sock *tp)
{
	struct inet_connection_sock___timeout *timeout = (void *)tp;
	struct inet_connection_sock___timer *timer = (void *)tp;
	struct sock___retransmit *sk = (void *)tp;

	if (bpf_core_field_exists(timeout->icsk_timeout))
		return READ(timeout, icsk_timeout);
	if (bpf_core_field_exists(timer->icsk_retransmit_timer))
		return READ(timer, icsk_retransmit_timer.expires);
	if (bpf_core_field_exists(sk->tcp_retransmit_timer))
		return READ(sk, tcp_retransmit_timer.expires);
	return 0;
}

struct inet_connection_sock___keepalive {
	struct timer_list icsk_keepalive_timer;
} __attribute__((preserve_access_index));

/* include/net/inet_connection_sock.h */
#define ICSK_TIME_PROBE0 3

/* When the keepalive timer expires, as pending_expires(); ~0 where it is off, 0 where this kernel
 * keeps it elsewhere. */
static __always_inline __u64 keepalive_expires(struct tcp_sock *tp)
{
	struct inet_connection_sock___keepalive *icsk = (void *)tp;
	struct sock *sk = (struct sock *)tp;

	if (bpf_core_field_exists(icsk->icsk_keepalive_timer))
		return BPF_CORE_READ(icsk, icsk_keepalive_timer.entry.pprev)
			   ? BPF_CORE_READ(icsk, icsk_keepalive_timer.expires)
			   : ~0ULL;
	if (bpf_core_field_exists(sk->sk_timer))
		return BPF_CORE_READ(sk, sk_timer.entry.pprev) ? BPF_CORE_READ(sk, sk_timer.expires)
							       : ~0ULL;
	return 0;
}

static __always_inline void runs_until(struct td_live *live, __u8 timer, __u64 expires)
{
	__s64 left = expires - bpf_jiffies64();

	live->known |= TD_KNOWN_TIMER;
	live->timer = timer;
	live->timer_ns = left > 0 ? (__u64)left * cfg.jiffy_ns : 0;
}

/* The rules of tcp_diag_get_info() and inet_csk_diag_fill() (net/ipv4/tcp_diag.c, inet_diag.c). */
static __always_inline void live_of_full(struct td_live *live, struct tcp_sock *tp, __u8 state)
{
	struct sock *sk = (struct sock *)tp;
	__u8 pending = READ(tp, inet_conn.icsk_pending);
	__u64 expires;
	__s32 unread;

	live->known = TD_KNOWN_QUEUES;
	live->retrans = READ(tp, total_retrans);
	if (state == TD_LISTEN) {
		live_of_listener(live, sk);
	} else {
		live->drops = drops_of(sk);
		/* The peer's FIN is counted in rcv_nxt until it is read over. */
		unread = READ(tp, rcv_nxt) - READ(tp, copied_seq);
		live->recv_queue = unread > 0 ? unread : 0;
		live->send_queue = READ(tp, write_seq) - READ(tp, snd_una);
	}
	if (pending) {
		expires = pending_expires(tp);
		if (expires)
			runs_until(live,
				   pending == ICSK_TIME_PROBE0 ? TD_TIMER_PERSIST
							       : TD_TIMER_RETRANSMIT,
				   expires);
		return;
	}
	expires = keepalive_expires(tp);
	if (expires == ~0ULL)
		live->known |= TD_KNOWN_TIMER;
	else if (expires)
		runs_until(live, TD_TIMER_KEEPALIVE, expires);
}

#endif
