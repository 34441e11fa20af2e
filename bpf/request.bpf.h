/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Request sockets: a server's SYN_RECV from the SYN to the final ACK
 * (inet_csk_reqsk_queue_hash_add, net/ipv4/inet_connection_sock.c), and the requests that never
 * become connections.
 */
#ifndef TCPDWELL_REQUEST_BPF_H
#define TCPDWELL_REQUEST_BPF_H

#include "context.bpf.h"
#include "emit.bpf.h"
#include "filter.bpf.h"
#include "gone.bpf.h"
#include "kept.bpf.h"
#include "live.bpf.h"
#include "lockless.bpf.h"
#include "maps.bpf.h"
#include "read.bpf.h"
#include "reset.bpf.h"
#include "stays.bpf.h"

/*
 * The id of a request that never had a cookie, because nobody asked for one: bit 63 is set and bit
 * 62 is not. The kernel's cookies count from 1 up, and those made in an interrupt of that from 2^64
 * - 1 down (gen_cookie_next, include/linux/cookie.h), so it would need 2^62 of them to come here.
 */
#define TD_OWN_ID (1ull << 63)

static __always_inline __u64 own_id(void)
{
	return TD_OWN_ID | __sync_fetch_and_add(&next_own_id, 1);
}

static __always_inline struct request_sock *req_of(struct timer_list *timer)
{
	return (void *)((__u64)timer - bpf_core_field_offset(struct request_sock, rsk_timer));
}

static __always_inline void tuple_of_who(struct td_tuple *t, const struct td_who *who)
{
	map_address(t->laddr, who->laddr, who->family);
	map_address(t->raddr, who->raddr, who->family);
	t->lport = who->lport;
	t->rport = who->rport;
	t->netns = who->netns;
	t->ifindex = who->ifindex;
}

/* The addresses of a request are IPv4 when its operations are: a dual-stack listener's requests of
 * both families say AF_INET6 (inet_reqsk_alloc). */
static __always_inline void tuple_of_req(struct td_tuple *t, const struct request_sock *req)
{
	__u32 addr[4] = {};

	if (READ(req, rsk_ops, family) == AF_INET) {
		addr[0] = READ(req, __req_common.skc_rcv_saddr);
		map_address(t->laddr, addr, 4);
		addr[0] = READ(req, __req_common.skc_daddr);
		map_address(t->raddr, addr, 4);
	} else {
		BPF_CORE_READ_INTO(&t->laddr, req, __req_common.skc_v6_rcv_saddr.in6_u.u6_addr32);
		BPF_CORE_READ_INTO(&t->raddr, req, __req_common.skc_v6_daddr.in6_u.u6_addr32);
	}
	t->lport = READ(req, __req_common.skc_num);
	t->rport = bpf_ntohs(READ(req, __req_common.skc_dport));
	t->netns = READ(req, __req_common.skc_net.net, ns.inum);
	t->ifindex = READ(req, __req_common.skc_bound_dev_if);
}

/* -EEXIST where `flags` is BPF_NOEXIST and there is one of the same two ends. */
static __always_inline long req_begin(struct td_counters *count, const struct td_tuple *t,
				      const struct request_sock *req, __u64 now, __u64 flags)
{
	struct td_req fresh = {
	    .start_ns = now,
	    .req = (__u64)req,
	    .listener = (__u64)READ(req, __req_common.skc_listener),
	    .cookie = READ(req, __req_common.skc_cookie.counter),
	    .family = READ(req, __req_common.skc_family) == AF_INET6 ? 6 : 4,
	};
	long error;

	if (cfg.netns && cfg.netns != t->netns)
		return 0;
	error = bpf_map_update_elem(&reqs, t, &fresh, flags);
	if (error && error != -EEXIST)
		count_one(&count->map_full);
	return error;
}

/* 0, or an error where there is none. */
static __always_inline long forget_request(const struct td_tuple *t)
{
	long error = bpf_map_delete_elem(&reqs, t);

	if (!error && is_without_table())
		__sync_fetch_and_add(&reqs_seeded, -1);
	return error;
}

struct inet_request_sock___acked {
	__u16 acked : 1;
} __attribute__((preserve_access_index));

struct request_sock_queue___defer {
	__u8 rskq_defer_accept;
} __attribute__((preserve_access_index));

struct inet_connection_sock___defer {
	struct request_sock_queue___defer icsk_accept_queue;
} __attribute__((preserve_access_index));

/* What a request waited for whose last ACK had come. tcp_check_req() notes that ACK (`acked`) where
 * it makes no child of it: while TCP_DEFER_ACCEPT waits for data, or when the accept queue is full.
 */
static __always_inline __u8 waited_for(const struct request_sock *req, __u64 listener)
{
	struct inet_request_sock___acked *ireq = (void *)req;
	struct inet_connection_sock___defer *icsk = (void *)listener;

	if (!BPF_CORE_READ_BITFIELD_PROBED(ireq, acked))
		return 0;
	return READ(icsk, icsk_accept_queue.rskq_defer_accept) ? TD_F_DEFERRED : TD_F_QUEUE_FULL;
}

/* For the final ACK, and then the child takes the entry; or for a RST or an abort. */
static __always_inline void on_req_gone(struct request_sock *req, __u32 reason)
{
	struct td_counters *count = counters_while_live();
	struct td_req *r = NULL;
	struct td_tuple t = {};

	if (!count)
		return;
	if (!is_without_table() || reqs_seeded) {
		tuple_of_req(&t, req);
		r = bpf_map_lookup_elem(&reqs, &t);
	}
	if (!r || r->req != (__u64)req) {
		if (is_without_table())
			note_gone(count, req, synack_ns(req));
		return;
	}
	/* Somebody may have asked for it since: `ss -e`, say. */
	r->cookie = READ(req, __req_common.skc_cookie.counter);
	r->reason = reason;
	r->waited = waited_for(req, r->listener);
	r->ended_ns = bpf_ktime_get_ns();
}

/* Its listener was closed, and another one of its group has a copy of it (net.ipv4.tcp_migrate_req;
 * reqsk_timer_handler, inet_reqsk_clone). */
static __always_inline void req_migrated(struct td_req *r, const struct request_sock *req)
{
	r->req = (__u64)req;
	r->listener = (__u64)READ(req, __req_common.skc_listener);
	r->cookie = READ(req, __req_common.skc_cookie.counter);
	r->ended_ns = 0;
}

static __always_inline bool listener_is_closed(const struct sock_common *req)
{
	const struct sock *listener = READ(req, skc_listener); /* of a union */

	return READ(listener, __sk_common.skc_state) != TD_LISTEN;
}

/* The handshake's last ACK did not come in time, or the listener that it would have come to. */
static __always_inline __u8 reason_to_time_out(const struct request_sock *req)
{
	return listener_is_closed(&req->__req_common) ? TD_REASON_LISTENER_CLOSED
						      : TD_REASON_SYN_TIMEOUT;
}

#define TD_AT_ONCE_NS 10000000ull

/* tcp_check_req() answers it with a RST of ours and drops it: a SYN in its window, or the accept
 * queue is full and net.ipv4.tcp_abort_on_overflow is set. That is sent for the listener, so one to
 * the same port that is older may have been another's. */
static __always_inline __u8 reason_to_reset(const struct sock_common *req)
{
	struct sock_common___cookie *listener = (void *)READ(req, skc_listener);
	struct td_reset *sent = reset_sent(READ(listener, skc_cookie.counter));

	if (!sent || sent->rport != bpf_ntohs(READ(req, skc_dport)))
		return TD_REASON_RESET_BY_PEER;
	return bpf_ktime_get_ns() - sent->at_ns < TD_AT_ONCE_NS ? TD_REASON_RESET_LOCAL
								: TD_REASON_NONE;
}

/* Why a request is dropped whose time is not over, and whose handshake is not either. Only a
 * process ends a namespace (inet_twsk_purge takes the requests of the kernel's own listeners down
 * with it) or aborts. Those of a closed listener stay until their timer or a segment comes, which
 * the kernel answers with a RST (tcp_v4_rcv, tcp_v6_rcv). */
static __always_inline __u8 reason_to_drop(const struct request_sock *req)
{
	const struct sock_common *common = &req->__req_common;

	if (!makes_records())
		return TD_REASON_NONE;
	if (!serving_softirq(common)) {
		if (netns_is_dying(READ(common, skc_net.net)))
			return TD_REASON_PURGED;
		if (aborted_by_diag(common))
			return TD_REASON_ABORTED;
	}
	if (listener_is_closed(common))
		return TD_REASON_LISTENER_CLOSED;
	return reason_to_reset(common);
}

static __always_inline bool looks_for_requests(void)
{
	return cfg.minisockets && (!is_without_table() || reqs_seeded);
}

/*
 * Fast Open makes the child when the SYN comes, and has it send the SYN-ACK again, so its timer was
 * started since (tcp_fastopen_create_child). That of another child is not before it is ESTABLISHED.
 */
static __always_inline bool is_fast_open(const struct tcp_sock *tp, const struct td_sock *s)
{
	__u64 expires = pending_expires(tp), now = bpf_jiffies64();
	__u64 jiffies = (bpf_ktime_get_ns() - s->first_ns) / cfg.jiffy_ns + 1;

	return BPF_CORE_READ_BITFIELD(tp, syn_data_acked) ||
	       (expires && (__s64)(expires + jiffies - now) > 0);
}

/* The child of a passive open has its first transition: since when was it SYN_RECV? */
static __always_inline void req_take(struct td_sock *s, const struct td_who *who,
				     const struct tcp_sock *tp)
{
	struct td_req *r = NULL;
	struct td_tuple t = {};

	if (is_without_table())
		take_gone(s, tp);
	if (looks_for_requests()) {
		tuple_of_who(&t, who);
		r = bpf_map_lookup_elem(&reqs, &t);
	}
	if (s->since == TD_DWELL_EXACT && !r)
		return;
	if (r) {
		s->first_ns = r->start_ns;
		s->counted = r->counted;
		if (cfg.detail == TD_DETAIL_CONNECTIONS)
			s->look = r->look;
		s->flags |= r->told;
		if (makes_records()) {
			s->request = r->waited;
			note_queued(r->listener);
			if (sockets_kept)
				take_kept_owner((void *)r->listener, s);
		}
		if (r->seeded)
			s->flags &= ~TD_S_FIRST_DUE;
		forget_request(&t);
	} else if (!is_fast_open(tp, s)) {
		return; /* a SYN cookie, or a request older than the tracer */
	}
	s->since = TD_DWELL_EXACT;
	s->since_ns = s->first_ns;
	s->start_ns = s->first_ns;
}

/* An owner's entry as a request has it, too large for the stack. Only the thread that sweeps and
 * looks uses it. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct td_sock);
} request_sock SEC(".maps");

static const struct td_sock no_sock = {};

static __always_inline struct td_sock *request_sock_space(void)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(&request_sock, &zero);
}

static __always_inline void who_of_req(struct td_who *who, const struct td_tuple *t,
				       const struct td_req *r)
{
	who->lport = t->lport;
	who->rport = t->rport;
	who->netns = t->netns;
	who->ifindex = t->ifindex;
	who->family = r->family;
	for (int i = 0; i < 4; i++) {
		who->laddr[i] = r->family == 6 ? t->laddr[i] : 0;
		who->raddr[i] = r->family == 6 ? t->raddr[i] : 0;
	}
	if (r->family == 4) {
		who->laddr[0] = t->laddr[3];
		who->raddr[0] = t->raddr[3];
	}
}

/* As its listener's: the owner. */
static __always_inline void sock_of_req(struct td_sock *s, struct td_req *r)
{
	struct td_sock *owner = bpf_map_lookup_elem(&listeners, &r->listener);

	*s = owner ? *owner : no_sock;
	if (sockets_kept)
		take_kept_owner((void *)r->listener, s);
	s->use = 1;
	s->path = TD_SYN_RECV;
	s->flags = 0;
	s->request = 0;
	s->accept = 0;
	s->start_ns = r->start_ns;
	forget_stays(s);
}

/* A request that came to nothing: both lines of its life. The sweep alone tells it. Should the same
 * two ends be at a new request in this very instant, that one's beginning goes with it and is not
 * known. */
static __noinline int req_end(struct td_counters *count, const struct td_tuple *t, struct td_req *r)
{
	struct td_line line = {
	    .mono_ns = r->start_ns, .old_state = TD_LISTEN, .new_state = TD_SYN_RECV};
	struct td_sock *s = request_sock_space();
	struct td_who who = {};

	if (!s)
		return 0;
	sock_of_req(s, r);
	who_of_req(&who, t, r);
	s->flags = r->told;
	s->request = r->waited;
	s->counted = r->counted;
	line.cookie = r->cookie ?: own_id();
	if (!r->seeded)
		emit(count, &line, &who, s, NULL);
	s->path = s->path << 4 | TD_CLOSE;
	line.mono_ns = r->ended_ns;
	line.old_state = TD_SYN_RECV;
	line.new_state = TD_CLOSE;
	line.dwell = TD_DWELL_EXACT;
	line.dwell_ns = r->ended_ns - r->start_ns;
	line.reason = r->reason;
	emit(count, &line, &who, s, NULL);
	forget_request(t);
	return 0;
}

#endif
