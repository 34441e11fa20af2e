/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * What waits for somebody, looked at on the reader's request while all goes on: connections that
 * one side has closed and the other has not, those that nobody accepts, and listeners that have
 * such; and who has which of them open. Slots and the iterator over socket storage show the sockets
 * of every network namespace to a reader that can enter none, also those that no process has open.
 */
#ifndef TCPDWELL_STUCK_BPF_H
#define TCPDWELL_STUCK_BPF_H

#include "live.bpf.h"
#include "open.bpf.h"
#include "seed.bpf.h"

/* Set by the reader for a walk: what listeners have dropped, and the most that waited there, is
 * counted anew from then on. */
volatile __u8 begins_anew;

static __always_inline void count_anew(const struct tcp_sock *tp, const struct td_live *live)
{
	__u64 key = (__u64)tp;
	struct td_sock *s = bpf_map_lookup_elem(&listeners, &key);

	if (!s)
		return;
	s->peak = live->recv_queue;
	s->drops_before += live->drops;
}

static __always_inline bool may_be_stuck(const struct td_live *live, __u8 state)
{
	switch (state) {
	case TD_LISTEN:
		return live->recv_queue || live->drops;
	case TD_ESTABLISHED:
		return live->held == TD_HELD_NOT_ACCEPTED;
	case TD_CLOSE_WAIT:
	case TD_FIN_WAIT2:
		return true;
	}
	return false;
}

/* Of most sockets one word tells that they are none of these. */
static __always_inline bool is_worth_a_look(struct sock *sk)
{
	__u8 state = READ(sk, __sk_common.skc_state);

	if (state == TD_ESTABLISHED)
		return !BPF_CORE_READ((struct sock___held *)sk, sk_socket);
	return state == TD_LISTEN || state == TD_CLOSE_WAIT || state == TD_FIN_WAIT2;
}

static __noinline int tell_waiting(struct seq_file *seq, struct tcp_sock *tp, struct td_sock *s,
				   __u64 cookie)
{
	struct td_line line = {.mono_ns = bpf_ktime_get_ns(), .cookie = cookie};
	struct td_scratch *space = scratch_space();
	struct td_event *e = space ? &space->event : NULL;
	__u8 state = READ((struct sock *)tp, __sk_common.skc_state);
	struct td_found found = {};
	struct td_live live = {};
	struct td_who who = {};

	if (!e)
		return 0;
	held_of(&live, tp, cookie);
	live_of_full(&live, tp, state);
	if (!may_be_stuck(&live, state) || !find(&found, s) || found.state != state)
		return 0;
	if (sockets_kept)
		take_kept_owner((struct sock *)tp, s);
	who_at(&who, (struct sock_common *)tp);
	if (*(volatile __u64 *)&s->cookie != cookie || !address_passes(&who) || !owner_passes(s))
		return 0;
	line.new_state = state;
	lasted(&line, found.dwell, found.since_ns, line.mono_ns);
	fill(e, &line, &who, s);
	e->kind = TD_KIND_SEED;
	e->size = sizeof(*e);
	e->flags |= TD_F_LIVE;
	e->live = live;
	if (!bpf_seq_write(seq, e, sizeof(*e)) && begins_anew && state == TD_LISTEN)
		count_anew(tp, &live);
	return 0;
}

static __always_inline int tell_if_stuck(struct seq_file *seq, struct sock *sk)
{
	struct tcp_sock *tp = sk && is_worth_a_look(sk) ? bpf_skc_to_tcp_sock(sk) : NULL;
	struct td_sock *s = tp ? known(sk) : NULL;

	return s ? tell_waiting(seq, tp, s, bpf_get_socket_cookie(sk)) : 0;
}

/* TD_QUEUED_AT_ONCE of those in slots are told, from this one on. The reader begins with 0. */
volatile __u32 slot_from;
volatile __u32 slots_are_left; /* after what was told of them */
/* Not on the stack, where the verifier would count along. */
volatile __u32 slots_told;

struct td_telling {
	struct seq_file *seq;
};

static long tell_nth_slot(struct bpf_map *map, __u32 *nth, __u64 *at, struct td_telling *telling)
{
	struct sock *sk = (void *)*at;
	struct td_sock *s = sk && *nth >= slot_from ? slot_at(*nth) : NULL;
	__u64 cookie = s ? s->cookie : 0;

	if (!s || !cookie || !is_worth_a_look(sk) || !is_still_in(s, at, cookie))
		return 0;
	if (slots_told >= TD_QUEUED_AT_ONCE) {
		slot_from = *nth;
		slots_are_left = 1;
		return 1;
	}
	slots_told++;
	tell_waiting(telling->seq, (struct tcp_sock *)sk, s, cookie);
	return 0;
}

/* The kernel runs it once more when there is no task left. */
SEC("iter/task")
int tell_stuck_slots(struct bpf_iter__task *ctx)
{
	struct td_telling telling = {.seq = ctx->meta->seq};

	if (ctx->task)
		return 0;
	slots_told = 0;
	bpf_for_each_map_elem(&slot_sks, tell_nth_slot, &telling, 0);
	return 0;
}

SEC("iter/bpf_sk_storage_map")
int tell_stuck(struct bpf_iter__bpf_sk_storage_map *ctx)
{
	return tell_if_stuck(ctx->meta->seq, ctx->sk);
}

/* These two where the kernel lets nobody walk over socket storage: the sockets of the reader's own
 * network namespace, and those that a process has open or can accept. */
SEC("iter/tcp")
int tell_stuck_socket(struct bpf_iter__tcp *ctx)
{
	struct sock_common *c = ctx->sk_common;
	struct tcp_sock *tp = c ? bpf_skc_to_tcp_sock(c) : NULL;

	return tell_if_stuck(ctx->meta->seq, (struct sock *)tp);
}

/* Written by the reader: TD_QUEUED_AT_ONCE of a queue are told, from this one on. */
volatile __u32 queue_from;
__u32 queue_is_longer; /* than what was told of it */

static long tell_queued(__u32 nth, struct td_queue *queue)
{
	struct request_sock *req = queue->at;

	if (!req)
		return 1;
	if (nth >= queue_from + TD_QUEUED_AT_ONCE) {
		queue_is_longer = 1;
		return 1;
	}
	if (nth >= queue_from)
		tell_if_stuck(queue->seq, req->sk);
	queue->at = req->dl_next;
	return 0;
}

SEC("iter/task_file")
int tell_stuck_file(struct bpf_iter__task_file *ctx)
{
	struct sock *sk = sock_of(ctx->file);
	struct tcp_sock *tp = sk ? bpf_skc_to_tcp_sock(sk) : NULL;
	struct td_queue queue = {.seq = ctx->meta->seq};

	if (!tp)
		return 0;
	queue.at = queue_of(sk, tp);
	if (queue.at)
		bpf_loop(TD_QUEUE_MOST, tell_queued, &queue, 0);
	return tell_if_stuck(ctx->meta->seq, sk);
}

/* What the walks of open.bpf.h have not met: sockets of other network namespaces than the reader's
 * that no process has open. It makes no pauses, which cost here what was walked before them. */
SEC("iter/bpf_sk_storage_map")
int look_at_stored(struct bpf_iter__bpf_sk_storage_map *ctx)
{
	struct sock *sk = ctx->sk;
	struct td_sock *s = ctx->value;
	struct tcp_sock *tp;

	if (!sk || !s || s->look == look_number)
		return 0;
	tp = bpf_skc_to_tcp_sock(sk);
	return tp ? look_at((struct sock *)tp, tp, bpf_get_socket_cookie(sk)) : 0;
}

static __always_inline bool may_be_held(const struct sock *sk)
{
	__u8 state = sk->__sk_common.skc_state;

	if (sk->sk_protocol == IPPROTO_MPTCP)
		return true;
	return sk->sk_protocol == IPPROTO_TCP &&
	       (state == TD_LISTEN || state == TD_CLOSE_WAIT || state == TD_FIN_WAIT2);
}

SEC("iter/task_file")
int tell_holder(struct bpf_iter__task_file *ctx)
{
	struct task_struct *task = ctx->task;
	struct sock *sk = task ? sock_of(ctx->file) : NULL;

	if (sk && is_tcp(sk) && may_be_held(sk))
		write_holder(ctx->meta->seq, task, sk, ctx->fd);
	return 0;
}

#endif
