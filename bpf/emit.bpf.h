/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* From what is known of a socket to a record in the ring. */
#ifndef TCPDWELL_EMIT_BPF_H
#define TCPDWELL_EMIT_BPF_H

#include "filter.bpf.h"
#include "lockless.bpf.h"
#include "maps.bpf.h"
#include "stays.bpf.h"
#include "tally.bpf.h"

/* From `since` until `until`, worth what `bound` says. That it is at least nothing is known of all.
 */
static __always_inline void lasted(struct td_line *line, __u8 bound, __u64 since, __u64 until)
{
	line->dwell_ns = bound != TD_DWELL_UNKNOWN && until > since ? until - since : 0;
	line->dwell = bound == TD_DWELL_AT_LEAST && !line->dwell_ns ? TD_DWELL_UNKNOWN : bound;
}

static __always_inline void identify(struct td_who *who, const struct tcp_sock *tp)
{
	const struct sock_common *c = &tp->inet_conn.icsk_inet.sk.__sk_common;

	who->netns = c->skc_net.net->ns.inum;
	/* Not skc_num: tcp_set_state(CLOSE) gives the port back before the tracepoint fires. */
	who->lport = bpf_ntohs(tp->inet_conn.icsk_inet.inet_sport);
	who->rport = bpf_ntohs(c->skc_dport);
	who->ifindex = c->skc_bound_dev_if;
	if (c->skc_family == AF_INET6) {
		who->family = 6;
		for (int i = 0; i < 4; i++) {
			who->laddr[i] = c->skc_v6_rcv_saddr.in6_u.u6_addr32[i];
			who->raddr[i] = c->skc_v6_daddr.in6_u.u6_addr32[i];
		}
	} else {
		who->family = 4;
		who->laddr[0] = c->skc_rcv_saddr;
		who->raddr[0] = c->skc_daddr;
	}
}

static __always_inline bool has_sent_fin(__u8 state)
{
	return state == TD_FIN_WAIT1 || state == TD_FIN_WAIT2 || state == TD_CLOSING ||
	       state == TD_LAST_ACK;
}

/* Whether its SYN is counted among the bytes that the peer acknowledged: of one that connected. For
 * every value, as tally_move(). */
__noinline int has_sent_syn(__u64 path)
{
	for (int i = 0; i < 16; i++, path >>= 4)
		if ((path & 15) == TD_SYN_SENT)
			return 1;
	return 0;
}

/*
 * Payload that left, each byte once. tcp_sock.bytes_sent counts a segment that the host's own
 * queues dropped each time it is tried, and only what was sent before counts as a repeat
 * (__tcp_transmit_skb, __tcp_retransmit_skb). Sequence numbers go on when it has left
 * (tcp_event_new_data_sent), but they count SYN and FIN too. The path is the one before the end.
 */
static __always_inline __u64 payload_sent(const struct tcp_sock *tp, const struct td_sock *s)
{
	__u64 counted = tp->bytes_sent - tp->bytes_retrans;
	__u64 left = tp->bytes_acked + (__u32)(tp->snd_nxt - tp->snd_una);

	if (left && has_sent_fin(s->path & 15) && tp->snd_nxt == tp->write_seq)
		left--;
	if (left && has_sent_syn(s->path) && !s->restored)
		left--;
	return counted < left ? counted : left;
}

/* `fin_received`: tcp_fin() has counted the peer's FIN as a received byte (tcp_rcv_nxt_update,
 * net/ipv4/tcp_input.c). */
static __always_inline void read_stats(struct td_stats *st, const struct tcp_sock *tp,
				       const struct td_sock *s, bool fin_received)
{
	__u32 min_rtt = tp->rtt_min.s[0].v;

	st->bytes_sent = payload_sent(tp, s);
	st->bytes_received = tp->bytes_received;
	if (st->bytes_received && fin_received)
		st->bytes_received--;
	st->segs_out = tp->segs_out;
	st->segs_in = tp->segs_in;
	st->retrans = tp->total_retrans;
	st->srtt_us = tp->srtt_us >> 3;
	st->min_rtt_us = min_rtt == ~0u ? 0 : min_rtt;
	st->rst = 0;
}

/* The line that leaves ESTABLISHED has it, and each record of a connection that did. A listener has
 * something else there. */
static __always_inline bool tells_wait(const struct td_line *line, const struct td_sock *s)
{
	if (!knows_waits() || !(s->accept & TD_WAIT_OVER) || s->accept == TD_WAIT_UNKNOWN)
		return false;
	if (line->old_state == TD_ESTABLISHED)
		return true;
	return cfg.detail == TD_DETAIL_CONNECTIONS && line->old_state &&
	       line->old_state != TD_LISTEN && line->old_state != TD_SYN_RECV;
}

static __always_inline void fill(struct td_event *e, const struct td_line *line,
				 const struct td_who *who, const struct td_sock *s)
{
	e->version = TD_EVENT_VERSION;
	e->kind = TD_KIND_TRANSITION;
	e->flags = s->request | (s->flags & TD_S_GAP ? TD_F_GAP : 0) |
		   (s->flags & TD_S_BOUND ? TD_F_BOUND : 0);
	e->mono_ns = line->mono_ns;
	e->cookie = line->cookie;
	e->dwell_ns = line->dwell_ns;
	e->start_ns = s->start_ns;
	e->path = s->path;
	e->cgroup_id = s->socket_cgroup_id ?: s->cgroup_id;
	e->owner_cgroup_id = s->cgroup_id == e->cgroup_id ? 0 : s->cgroup_id;
	e->use = s->use;
	e->netns = who->netns;
	e->pid = s->pid;
	e->lport = who->lport;
	e->rport = who->rport;
	e->family = who->family;
	e->old_state = line->old_state;
	e->new_state = line->new_state;
	e->dwell = line->dwell;
	e->owner = s->owner;
	e->reason = line->reason;
	e->restarts = line->restarts;
	e->error = line->error;
	__builtin_memcpy(e->laddr, who->laddr, sizeof(e->laddr));
	__builtin_memcpy(e->raddr, who->raddr, sizeof(e->raddr));
	__builtin_memcpy(e->comm, s->comm, sizeof(e->comm));
	e->ifindex = who->ifindex;
	e->first_port = line->first_port;
	e->last_port = line->last_port;
	e->accept_wait_ns = 0;
	if (tells_wait(line, s)) {
		e->flags |= TD_F_ACCEPT_WAIT;
		e->accept_wait_ns = s->accept & TD_WAIT_NS;
	} else {
		e->reserved = line->reserved;
	}
}

static __always_inline bool ring_is_half_full(void)
{
	return bpf_ringbuf_query(&ring, BPF_RB_AVAIL_DATA) >= cfg.half_full_bytes;
}

/* What a last line has beside all others: `live` is of a listener. */
union td_last {
	struct td_stats stats;
	struct td_live live;
};

static __always_inline __u8 flag_of_last(const struct td_line *line)
{
	return line->old_state == TD_LISTEN ? TD_F_LIVE : TD_F_STATS;
}

static const struct td_connection no_connection = {};

/* `told`: claim_stays(). */
static __always_inline void fill_connection(struct td_connection *c, const struct td_line *line,
					    const struct td_who *who, const struct td_sock *s,
					    const struct td_stats *stats, __u32 told)
{
	fill(&c->last, line, who, s);
	c->last.kind = TD_KIND_CONNECTION;
	if (stats) {
		c->last.flags |= flag_of_last(line);
		c->last.stats = *stats;
	} else {
		__builtin_memset(&c->last.stats, 0, sizeof(c->last.stats));
	}
	fill_stays(c, s, told);
}

/* Keeps a connection's last line for the sweep to write. False where there is no room either. */
static __noinline int owe(const struct td_line *line, const struct td_who *who, struct td_sock *s,
			  const struct td_stats *stats)
{
	struct td_owed_key key = {.cookie = line->cookie, .use = s->use};
	struct td_connection *c;
	struct td_event *e;

	if (bpf_map_update_elem(&owed, &key, &no_connection, BPF_NOEXIST))
		return false;
	c = bpf_map_lookup_elem(&owed, &key);
	if (!c)
		return false;
	e = &c->last;
	if (cfg.detail == TD_DETAIL_CONNECTIONS) {
		fill_connection(c, line, who, s, stats, claim_stays(s));
		__sync_fetch_and_add(&owed_lines, 1);
		publish(&e->size, sizeof(*c));
		return true;
	}
	fill(e, line, who, s);
	if (stats) {
		e->flags |= flag_of_last(line);
		e->stats = *stats;
	}
	__sync_fetch_and_add(&owed_lines, 1);
	publish(&e->size, stats ? sizeof(*e) : TD_OFFSETOF(struct td_event, stats));
	return true;
}

/* Wakes the reader at the fill mark only; below it the reader comes by itself. */
static __always_inline __u64 wakeup_flags(void)
{
	return bpf_ringbuf_query(&ring, BPF_RB_AVAIL_DATA) >= cfg.wakeup_bytes ? BPF_RB_FORCE_WAKEUP
									       : BPF_RB_NO_WAKEUP;
}

static __always_inline void count_connection(struct td_counters *count, struct td_sock *s)
{
	if (s->flags & TD_S_TOLD)
		return;
	s->flags |= TD_S_TOLD;
	count_one(&count->connections);
}

/* The size of a reservation has to be a constant. */
static __always_inline void write_record(struct td_counters *count, const struct td_line *line,
					 const struct td_who *who, struct td_sock *s,
					 const struct td_stats *stats, const __u32 size)
{
	struct td_event *e;

	if (line->new_state == TD_CLOSE && (line->waits || ring_is_half_full()) &&
	    owe(line, who, s, stats)) {
		count_connection(count, s);
		return;
	}
	e = bpf_ringbuf_reserve(&ring, size, 0);
	/* As an rqspinlock the ring's lock gives up after 250 ms (RES_DEF_TIMEOUT,
	 * include/asm-generic/rqspinlock.h), so there may be room all the same. */
	if (!e)
		e = bpf_ringbuf_reserve(&ring, size, 0);
	if (!e) {
		count_one(&count->ring_full);
		s->flags |= TD_S_GAP;
		return;
	}
	fill(e, line, who, s);
	e->size = size;
	s->flags &= ~TD_S_GAP;
	if (size == sizeof(*e)) {
		e->flags |= flag_of_last(line);
		e->stats = *stats;
	}
	bpf_ringbuf_submit(e, wakeup_flags());
	count_connection(count, s);
}

/* The record of a connection that has ended. */
static __always_inline void write_connection(struct td_counters *count, const struct td_line *line,
					     const struct td_who *who, struct td_sock *s,
					     const struct td_stats *stats)
{
	struct td_connection *c;

	if ((line->waits || ring_is_half_full()) && owe(line, who, s, stats))
		return;
	c = bpf_ringbuf_reserve(&ring, sizeof(*c), 0);
	if (!c)
		c = bpf_ringbuf_reserve(&ring, sizeof(*c), 0);
	if (!c) {
		count_one(&count->ring_full);
		return;
	}
	fill_connection(c, line, who, s, stats, claim_stays(s));
	c->last.size = sizeof(*c);
	bpf_ringbuf_submit(c, wakeup_flags());
}

/* A filter of states and durations is left to the reader: it is about all stays. */
static __always_inline void emit_connection(struct td_counters *count, const struct td_line *line,
					    const struct td_who *who, struct td_sock *s,
					    const struct td_stats *stats)
{
	note_stay(s, line);
	/* Of each line: an owner that passes once is shown to the end. */
	if (!socket_passes(who, s))
		return;
	if (cfg.counts)
		tally_line(line, s);
	if (line->new_state == TD_CLOSE)
		write_connection(count, line, who, s, stats);
}

/* Where there are only counts, of brief entries. */
static __noinline int emit_brief(const struct td_line *line, struct td_sock *s)
{
	if (cfg.counts &&
	    change_passes(line->old_state, line->new_state, line->dwell, line->dwell_ns))
		tally_line(line, s);
	return 0;
}

/* For every value, as tally_move(): what comes after it in whatever program is then not looked at
 * once for each way through it. */
__noinline int emit_whole(struct td_counters *count, const struct td_line *line,
			  const struct td_who *who, struct td_sock *s, const struct td_stats *stats)
{
	if (!count || !line || !who || !s)
		return 0;
	if (cfg.detail == TD_DETAIL_CONNECTIONS) {
		emit_connection(count, line, who, s, stats);
		return 0;
	}
	if (!socket_passes(who, s) ||
	    !change_passes(line->old_state, line->new_state, line->dwell, line->dwell_ns))
		return 0;
	if (cfg.counts)
		tally_line(line, s);
	if (!makes_records())
		return 0;
	if (stats)
		write_record(count, line, who, s, stats, sizeof(struct td_event));
	else
		write_record(count, line, who, s, NULL, TD_OFFSETOF(struct td_event, stats));
	return 0;
}

/* `stats` on a connection's last line, else NULL. */
static __always_inline int emit(struct td_counters *count, const struct td_line *line,
				const struct td_who *who, struct td_sock *s,
				const struct td_stats *stats)
{
	return cfg.only_counts ? emit_brief(line, s) : emit_whole(count, line, who, s, stats);
}

#endif
