/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Why a full socket ends. A connection ends by a RST, which reset.bpf.h knows of, by an error that
 * the stack sets as it gives up, or by what a process does. An error that was pending before
 * (IP_RECVERR, an ICMP message) is none of these.
 */
#ifndef TCPDWELL_REASON_BPF_H
#define TCPDWELL_REASON_BPF_H

#include "holders.bpf.h"
#include "maps.bpf.h"
#include "owner.bpf.h"
#include "reset.bpf.h"

/* include/uapi/asm-generic/errno.h, errno-base.h */
#define EPERM 1
#define EACCES 13
#define EPIPE 32
#define ENONET 64
#define EPROTO 71
#define ENOPROTOOPT 92
#define EOPNOTSUPP 95
#define EADDRNOTAVAIL 99
#define ENETDOWN 100
#define ENETUNREACH 101
#define ECONNABORTED 103
#define ECONNRESET 104
#define ETIMEDOUT 110
#define ECONNREFUSED 111
#define EHOSTDOWN 112
#define EHOSTUNREACH 113

/* Something ended it that leaves nothing to a time-wait socket. ETIMEDOUT and ECONNABORTED come of
 * tcp_write_err() and tcp_abort() alone. */
static __always_inline bool ended_by_force(const struct sock *sk, const struct td_sock *s)
{
	return s->flags & TD_S_RST_IN || sk->sk_err == ETIMEDOUT || sk->sk_err == ECONNABORTED;
}

/*
 * tcp_time_wait() hands these states to a time-wait socket and reports "-> CLOSE" for the full
 * one (net/ipv4/tcp_minisocks.c). From FIN_WAIT2 it is called for a FIN, and for an orphan unless
 * TCP_LINGER2 forbids; else it was a reset of ours (SO_LINGER, connect(AF_UNSPEC), TCP_LINGER2).
 */
static __always_inline bool may_be_handed_over(const struct tcp_sock *tp, const struct td_sock *s,
					       int old_state)
{
	const struct sock *sk = &tp->inet_conn.icsk_inet.sk;
	unsigned long flags = sk->__sk_common.skc_flags;

	if ((old_state != TD_FIN_WAIT2 && old_state != TD_CLOSING) || ended_by_force(sk, s))
		return false;
	if (old_state == TD_FIN_WAIT2)
		return flags & (1 << SOCK_DEAD) ? tp->linger2 >= 0 : !!(flags & (1 << SOCK_DONE));
	return true;
}

/* What routing says, and ICMP messages (icmp_err_convert, net/ipv4/icmp.c; net/ipv6/icmp.c). */
static __always_inline bool says_unreachable(int error)
{
	return error == EHOSTUNREACH || error == ENETUNREACH || error == ENETDOWN ||
	       error == EHOSTDOWN || error == EACCES || error == EPERM || error == ENONET ||
	       error == EPROTO || error == ENOPROTOOPT || error == EOPNOTSUPP;
}

/* bind() gave it its port: SOCK_BINDPORT_LOCK of sk_userlocks, include/net/sock.h. */
#define SOCK_BINDPORT_LOCK 8

static __always_inline bool bound_before(const struct sock *sk)
{
	return BPF_CORE_READ_BITFIELD(sk, sk_userlocks) & SOCK_BINDPORT_LOCK;
}

struct tcp_sock___deferred {
	__u8 fastopen_connect : 1;
} __attribute__((preserve_access_index));

/* With TCP_FASTOPEN_CONNECT the SYN is sent with the first data. It has its port by then, and after
 * that a sequence number (tcp_v4_connect, tcp_v6_connect). */
static __always_inline bool waits_for_data(const struct tcp_sock *tp)
{
	struct tcp_sock___deferred *deferred = (void *)tp;

	return BPF_CORE_READ_BITFIELD_PROBED(deferred, fastopen_connect) && tp->write_seq;
}

/*
 * From SYN_SENT. connect() that finds no port, or that the four ends it was bound to are in use,
 * has sent nothing yet (tcp_v4_connect, tcp_v6_connect). Later tcp_v4_err() and tcp_v6_err() end it
 * with the error of an ICMP message, and tcp_write_err() with the last one there was. Without an
 * error, it is the application that closed it, or connect() that failed before there was a SYN.
 */
static __always_inline __u8 reason_of_attempt(const struct sock *sk, const struct tcp_sock *tp,
					      const struct td_sock *s, struct td_line *line)
{
	int error = sk->sk_err ?: s->error ?: sk->sk_err_soft;

	if (says_unreachable(error)) {
		line->error = error;
		return TD_REASON_UNREACHABLE;
	}
	if (error == ECONNREFUSED) {
		line->error = error;
		return TD_REASON_REFUSED_BY_ICMP;
	}
	if (!error && !tp->segs_out && !waits_for_data(tp) &&
	    (!tp->inet_conn.icsk_inet.inet_sport || bound_before(sk))) {
		line->error = EADDRNOTAVAIL;
		return TD_REASON_NO_LOCAL_PORT;
	}
	return error || (!tp->segs_out && !waits_for_data(tp)) ? TD_REASON_NONE
							       : TD_REASON_GIVEN_UP;
}

/* Nobody had accepted it, and its listener is closed (inet_csk_listen_stop, inet_child_forget). Of
 * a subflow, MPTCP's socket alone is open. */
static __always_inline bool was_never_accepted(const struct sock *sk, const struct tcp_sock *tp)
{
	return !sk->sk_socket && !(sk->__sk_common.skc_flags & (1 << SOCK_DEAD)) && !is_subflow(tp);
}

/* tcp_disconnect() and tcp_close() set the state first and send the RST then, so of that nothing is
 * known yet; they are a process's doing. */
static __always_inline __u8 reason_without_reset(const struct sock *sk, const struct tcp_sock *tp,
						 struct td_line *line)
{
	bool orphan = sk->__sk_common.skc_flags & (1 << SOCK_DEAD);
	__u8 from = line->old_state;

	if (says_unreachable(sk->sk_err) && !driven_by_process(sk) &&
	    tp->snd_una != tp->write_seq) {
		line->error = sk->sk_err;
		return orphan ? TD_REASON_TIMEOUT : TD_REASON_UNREACHABLE;
	}
	if (was_never_accepted(sk, tp))
		return TD_REASON_LISTENER_CLOSED;
	if (from == TD_LAST_ACK || from == TD_CLOSING)
		return driven_by_process(sk) && tp->snd_nxt != tp->write_seq ? TD_REASON_RESET_LOCAL
									     : TD_REASON_NONE;
	return TD_REASON_RESET_LOCAL;
}

static __always_inline __u8 reason_of(const struct sock *sk, const struct tcp_sock *tp,
				      const struct td_sock *s, struct td_line *line)
{
	int error = sk->sk_err;

	if (s->flags & TD_S_RST_IN)
		return line->old_state == TD_SYN_SENT ? TD_REASON_REFUSED : TD_REASON_RESET_BY_PEER;
	if (error == ETIMEDOUT || error == ECONNABORTED) {
		line->error = error;
		return error == ETIMEDOUT ? TD_REASON_TIMEOUT : TD_REASON_ABORTED;
	}
	/* tcp_out_of_resources() gives up what is not acknowledged. */
	if (tp->snd_una != tp->write_seq && reset_sent_for_orphan(sk, line->cookie))
		return TD_REASON_RESET_LOCAL;
	if (BPF_CORE_READ_BITFIELD(tp, repair))
		return TD_REASON_REPAIRED;
	if (line->old_state == TD_SYN_SENT)
		return reason_of_attempt(sk, tp, s, line);
	return line->old_state == TD_LISTEN ? TD_REASON_NONE : reason_without_reset(sk, tp, line);
}

#endif
