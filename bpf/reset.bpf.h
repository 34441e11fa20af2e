/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * RSTs: of the peer's, which tcp_reset() tells of (net/ipv4/tcp_input.c), and of our own, of
 * tcp_v4_send_reset(), tcp_v6_send_reset() and tcp_send_active_reset(). An error that is pending on
 * a socket says neither.
 */
#ifndef TCPDWELL_RESET_BPF_H
#define TCPDWELL_RESET_BPF_H

#include "maps.bpf.h"
#include "read.bpf.h"
#include "slots.bpf.h"

/* The RST that this CPU sent last. What it ends ends next, on the same CPU: a segment's work, or a
 * timer's, goes on there. */
struct td_reset {
	__u64 cookie; /* of the socket, of whatever kind; a listener's for its requests; 0 = none */
	__u64 at_ns;
	__u32 why;   /* as td_stats.rst */
	__u16 rport; /* of the segment that it answers; 0 = it answers none */
	__u16 pad;
	/* Not of that RST: the socket that this CPU ended last and which one may explain yet
	 * (abort.bpf.h), and its use. */
	__u64 ended;
	__u32 ended_use;
	__u32 pad2;
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct td_reset);
} resets SEC(".maps");

/* If it was for the socket with this cookie; or NULL. */
static __always_inline struct td_reset *reset_sent(__u64 cookie)
{
	__u32 zero = 0;
	struct td_reset *last = bpf_map_lookup_elem(&resets, &zero);

	return last && cookie && last->cookie == cookie ? last : NULL;
}

/* tcp_out_of_resources() and tcp_keepalive_timer() send a RST for an orphan and then end it. A RST
 * that answers a segment to a socket that is not connected yet does not end that. */
static __always_inline struct td_reset *reset_sent_for_orphan(const struct sock *sk, __u64 cookie)
{
	return sk->__sk_common.skc_flags & (1 << SOCK_DEAD) ? reset_sent(cookie) : NULL;
}

static __always_inline void forget_reset(void)
{
	__u32 zero = 0;
	struct td_reset *last = bpf_map_lookup_elem(&resets, &zero);

	if (last)
		last->cookie = 0;
}

struct tcp_options_received___stamps {
	__u16 saw_tstamp : 1;
	__u16 tstamp_ok : 1;
} __attribute__((preserve_access_index));

struct tcp_sock___idle {
	__u32 lsndtime;
	struct tcp_options_received___stamps rx_opt;
} __attribute__((preserve_access_index));

struct inet_connection_sock___idle {
	__u8 icsk_retransmits;
} __attribute__((preserve_access_index));

/*
 * A RST of the peer's own socket has a time stamp, as all its segments have
 * (tcp_send_active_reset, net/ipv4/tcp_output.c). One that answers a segment of no connection has
 * none (tcp_v4_send_reset, net/ipv4/tcp_ipv4.c; nf_send_reset). So where time stamps are agreed on,
 * the last segment's, which tcp_validate_incoming() looks for first, tells who sent the RST. With
 * data under way that has not been sent twice, it answers that. Milliseconds; 0 where it is not so.
 */
static __always_inline __u32 idle_before_reset(const struct tcp_sock *tp, __u8 old_state)
{
	struct inet_connection_sock___idle *icsk = (void *)tp;
	struct tcp_sock___idle *idle = (void *)tp;
	__s32 jiffies;

	if ((old_state != TD_ESTABLISHED && old_state != TD_CLOSE_WAIT) ||
	    tp->snd_una == tp->write_seq || READ(icsk, icsk_retransmits) ||
	    !BPF_CORE_READ_BITFIELD_PROBED(idle, rx_opt.tstamp_ok) ||
	    BPF_CORE_READ_BITFIELD_PROBED(idle, rx_opt.saw_tstamp))
		return 0;
	jiffies = READ(idle, lsndtime) - tp->rcv_tstamp;
	return jiffies > 0 ? (__u64)jiffies * cfg.jiffy_ns / 1000000 : 0;
}

/* A RST that is taken ends the socket before anything else happens to it. */
SEC("tp_btf/tcp_receive_reset")
int BPF_PROG(on_receive_reset, struct sock *sk)
{
	struct td_sock *s = known(sk);

	if (s)
		s->flags |= TD_S_RST_IN;
	return 0;
}

/* The error of the last ICMP message that waits for whoever has the socket open, 0 if none does
 * (ip_icmp_error(), ipv6_icmp_error()). */
static __always_inline int queued_error(const struct sock *sk)
{
	const struct sk_buff *last = READ(sk, sk_error_queue.prev);
	__u64 queue = (__u64)sk + bpf_core_field_offset(struct sock, sk_error_queue);
	const struct sock_exterr_skb *message;

	if ((__u64)last == queue)
		return 0;
	message = (void *)((__u64)last + bpf_core_field_offset(struct sk_buff, cb));
	return READ(message, ee.ee_errno);
}

/*
 * The stack reports an error to whoever has the socket open (sk_error_report, net/core/sock.c). An
 * ICMP message that finds a socket in SYN_SENT at work leaves the state as it is (tcp_v4_err,
 * tcp_v6_err): the application takes the error and closes, and then it is not to be found any more.
 * Loaded where there is such a tracepoint.
 */
SEC("tp_btf/inet_sk_error_report")
int BPF_PROG(on_error_report, const struct sock *sk)
{
	struct td_sock *s;

	if (sk->sk_protocol != IPPROTO_TCP || sk->__sk_common.skc_state != TD_SYN_SENT)
		return 0;
	s = known(sk);
	if (s)
		s->error = sk->sk_err ?: queued_error(sk);
	return 0;
}

#endif
