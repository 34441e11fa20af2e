/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * The first way in: the functions that make, restart and end request and time-wait sockets
 * (net/ipv4/inet_timewait_sock.c, tcp_minisocks.c, inet_connection_sock.c).
 *
 * The number of arguments differs between kernels, and with it where a return value lies; the user
 * side reads it from BTF (cfg.tw_process_args, cfg.accept_args).
 */
#ifndef TCPDWELL_FENTRY_BPF_H
#define TCPDWELL_FENTRY_BPF_H

#define TCP_TW_SYN 3 /* enum tcp_tw_status, include/net/tcp.h */

/* What the receive path of this CPU is doing to a time-wait socket. */
struct td_receiving {
	__u64 processing; /* inside tcp_timewait_state_process() */
	__u64 reopening;  /* it has just said that a SYN reopens this one */
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

SEC("fexit/inet_twsk_alloc")
int BPF_PROG(on_tw_alloc, const struct sock *sk, void *death_row, const int state,
	     struct inet_timewait_sock *tw)
{
	struct td_counters *count = counters(TD_PROGRAM_MINI);

	if (count && tw && sk->sk_protocol == IPPROTO_TCP)
		mini_begin(count, bpf_get_socket_cookie((void *)sk), tw);
	return 0;
}

SEC("fentry/__inet_twsk_schedule")
int BPF_PROG(on_tw_schedule, struct inet_timewait_sock *tw, int timeo, bool rearm)
{
	struct td_counters *count = counters(TD_PROGRAM_MINI);
	__u64 cookie = tw_cookie(tw);
	struct td_mini *m = rearm ? bpf_map_lookup_elem(&minis, &cookie) : NULL;

	if (count && m)
		mini_rearm(count, cookie, m, tw, bpf_ktime_get_ns(), TD_DWELL_EXACT);
	return 0;
}

SEC("fentry/tw_timer_handler")
int BPF_PROG(on_tw_timeout, struct timer_list *timer)
{
	struct inet_timewait_sock *tw = tw_of(timer);
	struct td_counters *count = counters(TD_PROGRAM_MINI);
	__u64 cookie = tw_cookie(tw);
	struct td_mini *m = bpf_map_lookup_elem(&minis, &cookie);

	if (count && m)
		mini_end(count, cookie, m, bpf_ktime_get_ns(), TD_REASON_EXPIRED);
	return 0;
}

SEC("fentry/tcp_timewait_state_process")
int BPF_PROG(on_tw_process, struct inet_timewait_sock *tw)
{
	struct td_receiving *here = receiving_here();

	if (here)
		here->processing = (__u64)tw;
	return 0;
}

SEC("fexit/tcp_timewait_state_process")
int on_tw_processed(unsigned long long *ctx)
{
	struct td_receiving *here = receiving_here();
	int verdict;

	if (!here)
		return 0;
	switch (cfg.tw_process_args) {
	case 3:
		verdict = ctx[3];
		break;
	case 4:
		verdict = ctx[4];
		break;
	default:
		verdict = ctx[5];
	}
	here->reopening = verdict == TCP_TW_SYN ? here->processing : 0;
	here->processing = 0;
	return 0;
}

static __always_inline __u8 reason_to_deschedule(struct inet_timewait_sock *tw)
{
	struct td_receiving *here = receiving_here();

	if (here && here->processing == (__u64)tw)
		return TD_REASON_RESET_BY_PEER;
	if (here && here->reopening == (__u64)tw)
		return TD_REASON_REOPENED;
	return reason_in_process(tw);
}

SEC("fentry/inet_twsk_deschedule_put")
int BPF_PROG(on_tw_deschedule, struct inet_timewait_sock *tw)
{
	struct td_counters *count = counters(TD_PROGRAM_MINI);
	__u64 cookie = tw_cookie(tw);
	struct td_mini *m = bpf_map_lookup_elem(&minis, &cookie);

	if (count && m)
		mini_end(count, cookie, m, bpf_ktime_get_ns(), reason_to_deschedule(tw));
	return 0;
}

SEC("fentry/inet_csk_reqsk_queue_hash_add")
int BPF_PROG(on_req_add, struct sock *sk, struct request_sock *req)
{
	struct td_counters *count = counters(TD_PROGRAM_MINI);
	struct td_tuple t = {};

	if (!count || sk->sk_protocol != IPPROTO_TCP)
		return 0;
	bpf_get_socket_cookie(req);
	tuple_of_req(&t, req);
	req_begin(count, &t, req, bpf_ktime_get_ns());
	return 0;
}

SEC("fentry/inet_csk_reqsk_queue_drop")
int BPF_PROG(on_req_drop, struct sock *sk, struct request_sock *req)
{
	on_req_gone(req, aborted_by_diag(&req->__req_common) ? TD_REASON_ABORTED :
								 TD_REASON_RESET_BY_PEER);
	return 0;
}

/* It sends the SYN-ACK again and restarts the timer, or gives the request up. */
SEC("fexit/reqsk_timer_handler")
int BPF_PROG(on_req_timeout, struct timer_list *timer)
{
	struct request_sock *req = req_of(timer);

	if (!BPF_CORE_READ(req, rsk_timer.entry.pprev))
		on_req_gone(req, TD_REASON_SYN_TIMEOUT);
	return 0;
}

static __always_inline void accepted(struct sock *sk)
{
	struct td_sock *s = sk ? bpf_sk_storage_get(&socks, sk, NULL, 0) : NULL;

	if (s)
		remember_owner(s, TD_OWNER_ACCEPT);
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

#endif
