/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * What is open, told at the reader's request while all goes on (TD_DETAIL_CONNECTIONS): of each
 * connection a record with its stays so far and the state it is in.
 *
 * Nothing is made for it that grows with the number of sockets, and it has to work for a reader
 * that has given up its privileges and can enter no network namespace. So full sockets are found in
 * its own (iter/tcp), and wherever they are where a process has them open (iter/task_file);
 * time-wait and request sockets in their maps. Records go through the ring, so they come before
 * those of what happens afterwards. A look stops when the ring is half full. The reader makes room
 * and asks again with the same number, and what has been told is passed by.
 */
#ifndef TCPDWELL_OPEN_BPF_H
#define TCPDWELL_OPEN_BPF_H

#include "emit.bpf.h"
#include "lockless.bpf.h"
#include "maps.bpf.h"
#include "request.bpf.h"
#include "stays.bpf.h"

struct bpf_map;

/* Written by the reader between looks. */
volatile __u16 look_number;   /* of this look */
volatile __u64 look_since_ns; /* tell of what has changed since alone; 0 = of all */

struct td_look {
	struct td_counters *count;
	__u32 stopped;
};

/* Of an entry as it may be in the middle of a change. A change sets the path first and the state
 * last, with the stay in between; where they agree, what was read in between belongs together. */
static __always_inline bool state_now(const struct td_sock *s, struct td_line *line)
{
	const volatile struct td_sock *now = s;
	__u8 state = now->state;

	if (!state || state == TD_CLOSE)
		return false;
	line->old_state = line->new_state = state;
	line->dwell = now->since;
	if (line->dwell)
		line->dwell_ns = line->mono_ns > now->since_ns ? line->mono_ns - now->since_ns : 0;
	if (look_since_ns && now->since_ns <= look_since_ns)
		return false;
	return (now->path & 15) == state;
}

/* Nonzero when there is no room. */
static __noinline int write_open(struct td_counters *count, const struct td_line *line,
				 const struct td_who *who, struct td_sock *s)
{
	__u32 told = s->told, n = s->n_stays;
	struct td_connection *c;

	if (told & TD_TOLD_LAST || n > TD_STAYS)
		return 0;
	if (!address_passes(who) || !owner_passes(s))
		return 0;
	if (ring_is_half_full())
		return 1;
	c = bpf_ringbuf_reserve(&ring, sizeof(*c), 0);
	if (!c)
		return 1;
	fill_connection(c, line, who, s, NULL, told);
	c->n_stays = n;
	c->last.size = sizeof(*c);
	if (__sync_val_compare_and_swap(&s->told, told, n) != told) {
		bpf_ringbuf_discard(c, BPF_RB_NO_WAKEUP);
		return 0;
	}
	s->look = look_number;
	bpf_ringbuf_submit(c, BPF_RB_NO_WAKEUP);
	return 0;
}

/* Nonzero when there is no room: an iterator then shows the socket again. */
static __noinline int look_at(struct sock *sk, struct tcp_sock *tp, __u64 cookie)
{
	struct td_counters *count = counters_of(TD_PROGRAM_SWEEP);
	struct td_line line = {.mono_ns = bpf_ktime_get_ns(), .cookie = cookie};
	struct td_who who = {};
	struct td_sock *s = bpf_sk_storage_get(&socks, sk, NULL, 0);

	if (!count || !s || s->look == look_number || s->flags & TD_S_PASSIVE ||
	    !state_now(s, &line))
		return 0;
	identify(&who, tp);
	return write_open(count, &line, &who, s) ? 1 : 0;
}

SEC("iter/tcp")
int look_at_socket(struct bpf_iter__tcp *ctx)
{
	struct sock_common *c = ctx->sk_common;
	struct tcp_sock *tp = c ? bpf_skc_to_tcp_sock(c) : NULL;

	return tp ? look_at((struct sock *)tp, tp, bpf_get_socket_cookie(c)) : 0;
}

SEC("iter/task_file")
int look_at_file(struct bpf_iter__task_file *ctx)
{
	struct file *file = ctx->file;
	struct socket *socket = file ? bpf_sock_from_file(file) : NULL;
	struct sock *sk = socket ? socket->sk : NULL;
	struct tcp_sock *tp = sk ? bpf_skc_to_tcp_sock(sk) : NULL;

	return tp ? look_at((struct sock *)tp, tp, bpf_get_socket_cookie(sk)) : 0;
}

static long look_at_mini(struct bpf_map *map, __u64 *key, struct td_mini *m, struct td_look *look)
{
	struct td_line line = {.mono_ns = bpf_ktime_get_ns(), .cookie = *key};

	if (m->s.look == look_number || published(&m->linked) != TD_LINK_DONE || m->ended_ns ||
	    !state_now(&m->s, &line) || m->end_due != line.cookie)
		return 0;
	look->stopped = write_open(look->count, &line, &m->who, &m->s);
	return look->stopped;
}

/* One that nobody has asked the kernel for a cookie of has no name yet. */
static long look_at_req(struct bpf_map *map, struct td_tuple *t, struct td_req *r,
			struct td_look *look)
{
	struct td_line line = {.mono_ns = bpf_ktime_get_ns(),
			       .cookie = r->cookie,
			       .old_state = TD_SYN_RECV,
			       .new_state = TD_SYN_RECV,
			       .dwell = TD_DWELL_EXACT};
	struct td_sock *s = request_sock_space();
	struct td_who who = {};

	if (!s || !line.cookie || r->ended_ns || r->look == look_number ||
	    (look_since_ns && r->start_ns <= look_since_ns))
		return 0;
	sock_of_req(s, r);
	who_of_req(&who, t, r);
	line.dwell_ns = line.mono_ns - r->start_ns;
	look->stopped = write_open(look->count, &line, &who, s);
	if (!look->stopped)
		r->look = look_number;
	return look->stopped;
}

/* 1 when it stopped for want of room. */
SEC("syscall")
int look_at_minisockets(void *ctx)
{
	struct td_look look = {.count = counters_of(TD_PROGRAM_SWEEP)};

	if (!look.count)
		return 0;
	bpf_for_each_map_elem(&reqs, look_at_req, &look, 0);
	if (!look.stopped)
		bpf_for_each_map_elem(&minis, look_at_mini, &look, 0);
	return look.stopped;
}

#endif
