/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * What is open, looked at on the reader's request while all goes on (TD_DETAIL_CONNECTIONS): told,
 * of each connection a record with its stays so far and the state it is in, or surveyed
 * (survey.bpf.h).
 *
 * Nothing is made for it that grows with the number of sockets, and it has to work for a reader
 * that has given up its privileges and can enter no network namespace. So full sockets are found in
 * its own (iter/tcp), wherever they are where a process has them open (iter/task_file), and the
 * others by what is kept of them: in slots, and stored with them (stuck.bpf.h); time-wait and
 * request sockets in their maps.
 * Records go through the ring, so they come before those of what happens afterwards. A look stops
 * when the ring is half full. The reader makes room and asks again with the same number, and what
 * has been told or counted is passed by.
 */
#ifndef TCPDWELL_OPEN_BPF_H
#define TCPDWELL_OPEN_BPF_H

#include "emit.bpf.h"
#include "kept.bpf.h"
#include "lockless.bpf.h"
#include "maps.bpf.h"
#include "request.bpf.h"
#include "slots.bpf.h"
#include "stays.bpf.h"
#include "survey.bpf.h"

struct bpf_map;

/* Written by the reader between looks. */
volatile __u16 look_number;   /* of this look */
volatile __u64 look_since_ns; /* tell of what has changed since alone; 0 = of all */

/* Of an entry that another CPU may be changing. A change sets the path first and the state last,
 * with the stay in between: where they agree before and after, what was read in between belongs
 * together. Else how long the state has lasted is not known. False where there is no state. */
static __always_inline bool find(struct td_found *found, const struct td_sock *s)
{
	const volatile struct td_sock *now = s;

	found->state = now->state;
	found->path = now->path;
	found->since_ns = now->since_ns;
	found->dwell = now->since;
	found->owner = now->owner;
	found->bound = !!(now->flags & TD_S_BOUND);
	if (now->state != found->state || now->path != found->path ||
	    (found->path & 15) != found->state)
		found->dwell = TD_DWELL_UNKNOWN;
	return found->state && found->state != TD_CLOSE;
}

/* What is told claims its stays, so that a later record has the others alone; what is listed for a
 * survey claims nothing. Nonzero when there is no room. */
static __noinline int write_open(struct td_counters *count, const struct td_line *line,
				 const struct td_who *who, struct td_sock *s)
{
	__u32 told = s->told, n = s->n_stays;
	bool tells = look_for == TD_LOOK_TELL;
	struct td_connection *c;

	if (told & TD_TOLD_LAST || n > TD_STAYS)
		return 0;
	if (ring_is_half_full())
		return 1;
	c = bpf_ringbuf_reserve(&ring, sizeof(*c), 0);
	if (!c)
		return 1;
	fill_connection(c, line, who, s, NULL, tells ? told : 0);
	c->n_stays = n;
	c->last.size = sizeof(*c);
	if (tells && __sync_val_compare_and_swap(&s->told, told, n) != told) {
		bpf_ringbuf_discard(c, BPF_RB_NO_WAKEUP);
		return 0;
	}
	s->look = look_number;
	survey.listed++;
	bpf_ringbuf_submit(c, BPF_RB_NO_WAKEUP);
	return 0;
}

static __always_inline bool is_listed(const struct td_found *found)
{
	return found->dwell && survey_wants(found) && survey.listed < survey.most;
}

/* Whatever the walk is for. Nonzero when there is no room. */
static __noinline int look_at_entry(struct td_line *line, const struct td_who *who,
				    struct td_sock *s)
{
	struct td_counters *count = counters_of(TD_PROGRAM_SWEEP);
	struct td_found found = {};

	if (!count || !find(&found, s) || !address_passes(who) || !owner_passes(s))
		return 0;
	if (look_for == TD_LOOK_COUNT) {
		s->look = look_number;
		return count_found(&found, who, s);
	}
	if (look_for == TD_LOOK_REFINE) {
		s->look = look_number;
		refine_age(&found);
		return 0;
	}
	if (look_for == TD_LOOK_LIST
		? !is_listed(&found)
		: !found.dwell || (look_since_ns && found.since_ns <= look_since_ns))
		return 0;
	line->old_state = line->new_state = found.state;
	lasted(line, found.dwell, found.since_ns, line->mono_ns);
	return line->cookie ? write_open(count, line, who, s) : 0;
}

/* Nonzero when there is no room: an iterator then shows the socket again. */
static __noinline int look_at(struct sock *sk, struct tcp_sock *tp, __u64 cookie)
{
	struct td_line line = {.mono_ns = bpf_ktime_get_ns(), .cookie = cookie};
	struct td_who who = {};
	struct td_sock *s = known(sk);

	if (!s || s->look == look_number || s->flags & TD_S_PASSIVE)
		return 0;
	if (sockets_kept)
		take_kept_owner(sk, s);
	identify(&who, tp);
	if (look_at_entry(&line, &who, s))
		return 1;
	if (look_for == TD_LOOK_COUNT && s->look == look_number &&
	    sk->__sk_common.skc_state == TD_LISTEN)
		count_listener(sk, &who);
	return 0;
}

/* An iterator that writes nothing goes on to its end. This lets the reader have a turn now and
 * then: for the ring, and for whoever else wants the processor. */
static __always_inline void pause_now_and_then(struct bpf_iter_meta *meta)
{
	char nothing = 0;

	if (look_for != TD_LOOK_TELL && meta->seq_num % 64 == 63)
		bpf_seq_write(meta->seq, &nothing, sizeof(nothing));
}

SEC("iter/tcp")
int look_at_socket(struct bpf_iter__tcp *ctx)
{
	struct sock_common *c = ctx->sk_common;
	struct tcp_sock *tp = c ? bpf_skc_to_tcp_sock(c) : NULL;

	pause_now_and_then(ctx->meta);
	return tp ? look_at((struct sock *)tp, tp, bpf_get_socket_cookie(c)) : 0;
}

/*
 * What waits in the accept queue of a listener, for where the kernel lets nobody walk over socket
 * storage: no process has it open yet. Nothing keeps the queue still meanwhile (accept() takes from
 * its head, softirqs add behind), so one that goes meanwhile may lead elsewhere. What is found is a
 * socket that the kernel side knows all the same, as its storage is: sockets and requests are freed
 * to others of their kind only while this is run (SLAB_TYPESAFE_BY_RCU), and iterators run under
 * RCU.
 */
#define TD_QUEUE_MOST 65536 /* net.core.somaxconn is 4,096 by default */

struct td_queue {
	struct request_sock *at;
	struct seq_file *seq; /* of those who tell what waits (stuck.bpf.h) */
	__u32 stopped;	      /* there was no room */
	__u32 pad;
};

static __always_inline struct request_sock *queue_of(struct sock *sk, struct tcp_sock *tp)
{
	if (!cfg.walks_queues || sk->__sk_common.skc_state != TD_LISTEN)
		return NULL;
	return tp->inet_conn.icsk_accept_queue.rskq_accept_head;
}

static long look_at_queued(__u32 nth, struct td_queue *queue)
{
	struct request_sock *req = queue->at;
	struct sock *sk = req ? req->sk : NULL;
	struct tcp_sock *tp = sk ? bpf_skc_to_tcp_sock(sk) : NULL;

	if (!tp)
		return 1;
	queue->stopped = look_at((struct sock *)tp, tp, bpf_get_socket_cookie(sk));
	queue->at = req->dl_next;
	return queue->stopped;
}

SEC("iter/task_file")
int look_at_file(struct bpf_iter__task_file *ctx)
{
	struct sock *sk = sock_of(ctx->file);
	struct tcp_sock *tp = sk ? bpf_skc_to_tcp_sock(sk) : NULL;
	struct td_queue queue = {};

	pause_now_and_then(ctx->meta);
	if (!tp)
		return 0;
	queue.at = queue_of(sk, tp);
	if (queue.at)
		bpf_loop(TD_QUEUE_MOST, look_at_queued, &queue, 0);
	return queue.stopped || look_at((struct sock *)tp, tp, bpf_get_socket_cookie(sk));
}

/* For every cookie: a program may hold a variable index into .bss only where it is bounded. */
__noinline int look_at_mini(__u32 i)
{
	struct td_line line = {.mono_ns = bpf_ktime_get_ns()};
	struct td_mini *m;

	if (i >= TD_NAMED_AT_ONCE)
		return 0;
	line.cookie = named_cookies[i];
	m = bpf_map_lookup_elem(&minis, &line.cookie);
	if (!m || m->s.look == look_number || published(&m->linked) != TD_LINK_DONE ||
	    m->ended_ns || m->end_due != line.cookie)
		return 0;
	return look_at_entry(&line, &m->who, &m->s) ? 1 : 0;
}

/* The number of those that it was through with: fewer than there are when there was no room. */
SEC("syscall")
int look_at_minis(void *ctx)
{
	__u32 i;

	for (i = 0; i < TD_NAMED_AT_ONCE && i < named_cookies_n; i++)
		if (look_at_mini(i))
			break;
	return i;
}

struct td_look {
	__u32 stopped;
};

/* What the walks before have not met, of any network namespace. The socket may go while it is read:
 * then it is in no state, or another has its place. */
static __noinline int look_at_slot(struct td_sock *s, const __u64 *at)
{
	struct td_line line = {.mono_ns = bpf_ktime_get_ns()};
	struct sock *sk = (void *)*at;
	struct td_who who = {};

	if (!s || !sk || !s->cookie || s->look == look_number || s->flags & TD_S_PASSIVE)
		return 0;
	line.cookie = s->cookie;
	if (sockets_kept)
		take_kept_owner(sk, s);
	who_at(&who, &sk->__sk_common);
	if (!is_still_in(s, at, line.cookie))
		return 0;
	if (look_at_entry(&line, &who, s))
		return 1;
	if (look_for == TD_LOOK_COUNT && s->look == look_number && s->state == TD_LISTEN)
		count_listener(sk, &who);
	return 0;
}

static long look_at_nth_slot(struct bpf_map *map, __u32 *nth, __u64 *sk, struct td_look *look)
{
	look->stopped = *sk ? look_at_slot(slot_at(*nth), sk) : 0;
	return look->stopped;
}

/* 1 when it stopped for want of room. */
SEC("syscall")
int look_at_slots(void *ctx)
{
	struct td_look look = {};

	bpf_for_each_map_elem(&slot_sks, look_at_nth_slot, &look, 0);
	return look.stopped;
}

/* One that nobody has asked the kernel for a cookie of has no name yet, and no record. */
static long look_at_req(struct bpf_map *map, struct td_tuple *t, struct td_req *r,
			struct td_look *look)
{
	struct td_line line = {.mono_ns = bpf_ktime_get_ns(), .cookie = r->cookie};
	struct td_sock *s = request_sock_space();
	struct td_who who = {};

	if (!s || r->ended_ns || r->look == look_number)
		return 0;
	sock_of_req(s, r);
	s->state = TD_SYN_RECV;
	s->since_ns = r->start_ns;
	s->since = TD_DWELL_EXACT;
	who_of_req(&who, t, r);
	look->stopped = look_at_entry(&line, &who, s);
	if (!look->stopped)
		r->look = look_number;
	return look->stopped;
}

/* 1 when it stopped for want of room. */
SEC("syscall")
int look_at_requests(void *ctx)
{
	struct td_look look = {};

	bpf_for_each_map_elem(&reqs, look_at_req, &look, 0);
	return look.stopped;
}

#endif
