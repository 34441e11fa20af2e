/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * The first way in: the functions that make, restart and end request and time-wait sockets
 * (net/ipv4/inet_timewait_sock.c, tcp_minisocks.c, inet_connection_sock.c).
 *
 * The number of arguments differs between kernels, and with it where a return value lies: there is
 * one program for each signature, and the user side loads the one that fits the kernel's BTF.
 */
#ifndef TCPDWELL_FENTRY_BPF_H
#define TCPDWELL_FENTRY_BPF_H

#include "accept.bpf.h"
#include "minisocket.bpf.h"
#include "owner.bpf.h"
#include "request.bpf.h"
#include "reset.bpf.h"

/* enum tcp_tw_status, include/net/tcp.h */
#define TCP_TW_RST 1
#define TCP_TW_SYN 3

/* What this CPU is doing to a request or time-wait socket. Written with BHs off, which no other
 * segment or timer interrupts. */
struct td_receiving {
	__u64 processing;	 /* inside tcp_timewait_state_process() */
	__u64 decided;		 /* what it returned last, `verdict`, was about this one */
	__u64 timing_out;	 /* inside reqsk_timer_handler() */
	struct td_tuple request; /* of timing_out, which may be freed in there */
	__u32 verdict;
	__u32 listener_closed; /* of timing_out */
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct td_receiving);
} receiving SEC(".maps");

static __always_inline struct td_receiving *receiving_here(void)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(&receiving, &zero);
}

/* A socket that connects again while its first connection is in TIME_WAIT gives its cookie to two.
 */
static __always_inline struct td_mini *mini_of(const struct inet_timewait_sock *tw, __u64 cookie)
{
	struct td_mini *m = bpf_map_lookup_elem(&minis, &cookie);

	return m && m->tw == (__u64)tw ? m : NULL;
}

/* inet_twsk_alloc() copies the cookie: a socket that nobody asked for one gets it here. */
SEC("fentry/inet_twsk_alloc")
int BPF_PROG(on_tw_make, const struct sock *sk)
{
	if (sk->sk_protocol == IPPROTO_TCP)
		bpf_get_socket_cookie((void *)sk);
	return 0;
}

SEC("fexit/inet_twsk_alloc")
int BPF_PROG(on_tw_alloc, const struct sock *sk, void *death_row, const int state,
	     struct inet_timewait_sock *tw)
{
	struct td_counters *count = counters_while_live();

	if (count && tw && sk->sk_protocol == IPPROTO_TCP)
		mini_begin(count, bpf_get_socket_cookie((void *)sk), tw,
			   BPF_CORE_READ(tw, tw_timer.expires), BPF_ANY);
	return 0;
}

SEC("fentry/__inet_twsk_schedule")
int BPF_PROG(on_tw_schedule, struct inet_timewait_sock *tw, int timeo, bool rearm)
{
	struct td_counters *count = counters_while_live();
	__u64 cookie = tw_cookie(tw);
	struct td_mini *m = rearm ? mini_of(tw, cookie) : NULL;

	if (count && m)
		mini_rearm(count, cookie, m, tw, bpf_ktime_get_ns(), TD_DWELL_EXACT);
	return 0;
}

static __always_inline void on_tw_end(struct inet_timewait_sock *tw, __u8 reason)
{
	struct td_counters *count = counters_while_live();
	__u64 cookie = tw_cookie(tw);
	struct td_mini *m = mini_of(tw, cookie);
	struct td_reset *sent;

	if (!count || !m)
		return;
	sent = reason == TD_REASON_RESET_LOCAL ? reset_sent(cookie) : NULL;
	if (sent)
		m->stats.rst = sent->why;
	mini_over(count, cookie, m, bpf_ktime_get_ns(), reason);
}

SEC("fentry/tw_timer_handler")
int BPF_PROG(on_tw_timeout, struct timer_list *timer)
{
	on_tw_end(tw_of(timer), TD_REASON_EXPIRED);
	return 0;
}

SEC("fentry/tcp_timewait_state_process")
int BPF_PROG(on_tw_process, struct inet_timewait_sock *tw)
{
	struct td_receiving *here = receiving_here();

	if (here) {
		here->processing = (__u64)tw;
		here->decided = 0;
	}
	return 0;
}

static __always_inline int processed(__u64 tw, __u32 verdict)
{
	struct td_receiving *here = receiving_here();

	if (here) {
		here->processing = 0;
		here->decided = tw;
		here->verdict = verdict;
	}
	return 0;
}

SEC("fexit/tcp_timewait_state_process")
int BPF_PROG(on_tw_processed3, struct inet_timewait_sock *tw, void *skb, void *th, int verdict)
{
	return processed((__u64)tw, verdict);
}

/* Since 41eecbd712b7 "tcp: replace TCP_SKB_CB(skb)->tcp_tw_isn with a per-cpu field" (Linux 6.10).
 */
SEC("fexit/tcp_timewait_state_process")
int BPF_PROG(on_tw_processed4, struct inet_timewait_sock *tw, void *skb, void *th, void *isn,
	     int verdict)
{
	return processed((__u64)tw, verdict);
}

/* Since "tcp: Support skb PAWS drop reason when TIME-WAIT" (Linux 6.15 or 6.16). */
SEC("fexit/tcp_timewait_state_process")
int BPF_PROG(on_tw_processed5, struct inet_timewait_sock *tw, void *skb, void *th, void *isn,
	     void *drop_reason, int verdict)
{
	return processed((__u64)tw, verdict);
}

/* tcp_v4_rcv() and tcp_v6_rcv() end it by what tcp_timewait_state_process() returned. A verdict
 * that had no such consequence must not explain what a process does to the socket later. */
static __always_inline __u8 reason_to_deschedule(struct inet_timewait_sock *tw)
{
	struct td_receiving *here = receiving_here();
	__u8 reason;

	if (!makes_records())
		return TD_REASON_NONE;
	reason =
	    serving_softirq(&tw->__tw_common) ? TD_REASON_RESET_BY_PEER : reason_in_process(tw);

	if (!here || here->processing == (__u64)tw)
		return TD_REASON_RESET_BY_PEER;
	if (here->decided != (__u64)tw || reason != TD_REASON_RESET_BY_PEER)
		return reason;
	here->decided = 0;
	if (here->verdict == TCP_TW_RST)
		return TD_REASON_RESET_LOCAL;
	return here->verdict == TCP_TW_SYN ? TD_REASON_REOPENED : reason;
}

SEC("fentry/inet_twsk_deschedule_put")
int BPF_PROG(on_tw_deschedule, struct inet_timewait_sock *tw)
{
	on_tw_end(tw, reason_to_deschedule(tw));
	return 0;
}

/* Where the compiler has put the above inside inet_twsk_purge(), as in Debian's 6.1. The ends told
 * already are not there to be found. */
SEC("fentry/inet_twsk_kill")
int BPF_PROG(on_tw_kill, struct inet_timewait_sock *tw)
{
	on_tw_end(tw, reason_to_deschedule(tw));
	return 0;
}

static __always_inline int added(const struct sock *sk, struct request_sock *req)
{
	struct td_counters *count = counters_while_live();
	struct td_tuple t = {};

	if (!count || sk->sk_protocol != IPPROTO_TCP)
		return 0;
	bpf_get_socket_cookie(req);
	tuple_of_req(&t, req);
	req_begin(count, &t, req, bpf_ktime_get_ns(), BPF_ANY);
	return 0;
}

SEC("fentry/inet_csk_reqsk_queue_hash_add")
int BPF_PROG(on_req_add, struct sock *sk, struct request_sock *req)
{
	return added(sk, req);
}

/* Since ff46e3b44219 "Fix race for duplicate reqsk on identical SYN" (Linux 6.10) it may refuse;
 * the SYN-ACK is sent after it in either case. */
SEC("fexit/inet_csk_reqsk_queue_hash_add")
int BPF_PROG(on_req_added3, struct sock *sk, struct request_sock *req, unsigned long timeout,
	     bool was_added)
{
	return was_added ? added(sk, req) : 0;
}

/* Without the timeout (seen in Linux 7.3). */
SEC("fexit/inet_csk_reqsk_queue_hash_add")
int BPF_PROG(on_req_added2, struct sock *sk, struct request_sock *req, bool was_added)
{
	return was_added ? added(sk, req) : 0;
}

static __always_inline void on_req_dropped(struct request_sock *req)
{
	struct td_receiving *here = receiving_here();

	on_req_gone(req, here && here->timing_out == (__u64)req ? reason_to_time_out(req)
								: reason_to_drop(req));
}

SEC("fentry/inet_csk_reqsk_queue_drop")
int BPF_PROG(on_req_drop, struct sock *sk, struct request_sock *req)
{
	on_req_dropped(req);
	return 0;
}

/* The compiler may have put the above inside this one. */
SEC("fentry/inet_csk_reqsk_queue_drop_and_put")
int BPF_PROG(on_req_drop_and_put, struct sock *sk, struct request_sock *req)
{
	on_req_dropped(req);
	return 0;
}

SEC("fentry/reqsk_timer_handler")
int BPF_PROG(on_req_timer, struct timer_list *timer)
{
	struct request_sock *req = req_of(timer);
	struct td_receiving *here = receiving_here();
	struct td_tuple t;
	struct td_req *r;

	if (here) {
		here->timing_out = (__u64)req;
		here->listener_closed = listener_is_closed(&req->__req_common);
		tuple_of_req(&here->request, req);
		t = here->request;
		r = bpf_map_lookup_elem(&reqs, &t);
		if (r && r->req == (__u64)req)
			r->waited = waited_for(req, r->listener);
	}
	return 0;
}

/* It has sent the SYN-ACK again and restarted the timer, or given the request up, and then what is
 * there now is no request of ours, or one whose timer rests. */
SEC("fexit/reqsk_timer_handler")
int BPF_PROG(on_req_timeout, struct timer_list *timer)
{
	struct request_sock *req = req_of(timer);
	struct td_receiving *here = receiving_here();
	struct td_tuple t;
	struct td_req *r;

	if (!here || !live)
		return 0;
	here->timing_out = 0;
	t = here->request;
	r = bpf_map_lookup_elem(&reqs, &t);
	if (!r || r->req != (__u64)req || r->ended_ns)
		return 0;
	if (BPF_CORE_READ(req, rsk_timer.entry.pprev) &&
	    (__u64)BPF_CORE_READ(req, __req_common.skc_cookie.counter) == r->cookie)
		return 0;
	r->reason = here->listener_closed ? TD_REASON_LISTENER_CLOSED : TD_REASON_SYN_TIMEOUT;
	r->ended_ns = bpf_ktime_get_ns();
	return 0;
}

static __always_inline void accepted(struct sock *sk)
{
	struct td_sock *s = sk && asks_for_owners() ? known(sk) : NULL;

	if (!s)
		return;
	remember_owner(s, TD_OWNER_ACCEPT, TD_ESTABLISHED);
	note_accept(sk, s);
}

SEC("fexit/inet_csk_accept")
int BPF_PROG(on_accept2, struct sock *listener, void *arg, struct sock *sk)
{
	accepted(sk);
	return 0;
}

/* Until 92ef0fd55ac8 "net: change proto and proto_ops accept type" (Linux 6.10). */
SEC("fexit/inet_csk_accept")
int BPF_PROG(on_accept4, struct sock *listener, int flags, int *err, bool kern, struct sock *sk)
{
	accepted(sk);
	return 0;
}

/* What LINUX_MIB_LISTENOVERFLOWS counts: a SYN (tcp_conn_request) or a last ACK (the syn_recv_sock
 * of its family) that finds the accept queue full, which is the first thing that these look at. A
 * SYN that finds the queue of requests full too is dropped before where there are no SYN cookies.
 */
static __always_inline int on_arrival(const struct sock *listener)
{
	__u64 key = (__u64)listener;
	struct td_sock *s;

	if (!live ||
	    BPF_CORE_READ(listener, sk_ack_backlog) <= BPF_CORE_READ(listener, sk_max_ack_backlog))
		return 0;
	s = bpf_map_lookup_elem(&listeners, &key);
	if (s)
		__sync_fetch_and_add(&s->overflows, 1);
	return 0;
}

SEC("fentry/tcp_conn_request")
int BPF_PROG(on_syn, void *rsk_ops, void *af_ops, struct sock *listener)
{
	return on_arrival(listener);
}

SEC("fentry/tcp_v4_syn_recv_sock")
int BPF_PROG(on_last_ack4, struct sock *listener)
{
	return on_arrival(listener);
}

/* It hands what came by IPv4 on to the one above. */
SEC("fentry/tcp_v6_syn_recv_sock")
int BPF_PROG(on_last_ack6, struct sock *listener, struct sk_buff *skb)
{
	return BPF_CORE_READ(skb, protocol) == bpf_htons(ETH_P_IP) ? 0 : on_arrival(listener);
}

#endif
