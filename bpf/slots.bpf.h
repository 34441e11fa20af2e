/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Where what is known of a full socket is: in a slot, or in its storage (sock.bpf.h).
 *
 * Programs of a socket's transitions run under its lock, or where nobody else has the socket, so
 * one takes its slot, writes it and leaves it. Whoever finds a slot without that lock (accept, the
 * walks over what is open) may see it left, and taken by another socket, at any moment. It compares
 * address and cookie after it has read, and what it may write is harmless in another's: `look` and
 * `told` of an instant.
 */
#ifndef TCPDWELL_SLOTS_BPF_H
#define TCPDWELL_SLOTS_BPF_H

#include "context.bpf.h"
#include "filter.bpf.h"
#include "lockless.bpf.h"
#include "maps.bpf.h"
#include "read.bpf.h"

/* The verifier allows no sums with a pointer to a socket; a number that was stored and read again
 * is none to it. Where a program may interrupt itself, what is read may be of that other socket. */
static __always_inline __u64 address_of(const struct sock *sk, struct td_counters *count)
{
	__u64 address, compared;

	*(volatile __u64 *)&count->address = (__u64)sk;
	address = compared = *(volatile __u64 *)&count->address;
	barrier_var(compared); /* else the compiler, knowing them equal, takes the pointer */
	return compared == (__u64)sk ? address : as_number(sk);
}

static __always_inline __u32 place_of(__u64 address, __u32 nth)
{
	__u32 bits = cfg.only_counts ? TD_BRIEF_SLOT_BITS : TD_SLOT_BITS;

	/* Fibonacci hashing (Knuth, The Art of Computer Programming 3, 6.4). */
	return (__u32)(address * 0x9e3779b97f4a7c15ull >> (64 - bits)) ^ nth;
}

static __always_inline __u64 *sk_at(__u32 place)
{
	return bpf_map_lookup_elem(&slot_sks, &place);
}

static __always_inline struct td_sock *slot_at(__u32 place)
{
	return bpf_map_lookup_elem(&slots, &place);
}

/* NULL where it has none. */
static __always_inline struct td_sock *slot_of(__u64 address)
{
	for (__u32 nth = 0; nth < TD_SLOT_PLACES; nth++) {
		__u32 place = place_of(address, nth);
		__u64 *sk = sk_at(place);

		if (sk && *sk == address)
			return slot_at(place);
	}
	return NULL;
}

static __always_inline struct td_sock *take_slot(__u64 address)
{
	for (__u32 nth = 0; nth < TD_SLOT_PLACES; nth++) {
		__u32 place = place_of(address, nth);
		__u64 *sk = sk_at(place);
		struct td_sock *s;

		if (!sk || *sk || __sync_val_compare_and_swap(sk, 0, address))
			continue;
		s = slot_at(place);
		if (!s)
			return NULL;
		if (cfg.only_counts)
			__builtin_memset(s, 0, TD_BRIEF_BYTES);
		else
			__builtin_memset(s, 0, sizeof(*s));
		return s;
	}
	return NULL;
}

/* What was written in it is so before it is another's, which nobody takes for this one. */
static __always_inline void leave_slot(__u64 address, struct td_sock *s)
{
	s->state = 0;
	if (!cfg.only_counts)
		s->cookie = 0;
	for (__u32 nth = 0; nth < TD_SLOT_PLACES; nth++) {
		__u64 *sk = sk_at(place_of(address, nth));

		if (sk && *sk == address) {
			publish64(sk, 0);
			return;
		}
	}
}

/* NULL where nothing is known of it. */
static __always_inline struct td_sock *known_at(__u64 address, const struct sock *sk)
{
	return slot_of(address) ?: bpf_sk_storage_get(&socks, (void *)sk, NULL, 0);
}

static __always_inline struct td_sock *known(const struct sock *sk)
{
	return known_at(as_number(sk), sk);
}

static __always_inline struct td_sock *store(const struct sock *sk, struct td_counters *count)
{
	struct td_sock *s =
	    bpf_sk_storage_get(&socks, (void *)sk, NULL, BPF_SK_STORAGE_GET_F_CREATE);

	if (!s && count)
		count_one(&count->map_full);
	return s;
}

/* NULL when there is no memory. Where nobody has seen the socket yet, an entry without a state. */
static __always_inline struct td_sock *entry_of(const struct sock *sk, struct td_counters *count)
{
	__u64 address = address_of(sk, count);

	return known_at(address, sk) ?: take_slot(address) ?: store(sk, count);
}

/* As entry_of(), of a socket that may well last: slots are for those that come and go. */
static __always_inline struct td_sock *lasting_entry_of(const struct sock *sk,
							struct td_counters *count)
{
	return known(sk) ?: store(sk, count);
}

/* A call only where it has none yet. */
static __always_inline __u64 cookie_of(const struct sock *sk)
{
	struct sock_common___cookie *named = (void *)sk;

	return READ(named, skc_cookie.counter) ?: bpf_get_socket_cookie((void *)sk);
}

/* Whoever read of the socket at `*sk` has read of the one whose slot `s` is, which has not ended.
 */
static __always_inline bool is_still_in(const struct td_sock *s, const __u64 *sk, __u64 cookie)
{
	__u64 address = *(const volatile __u64 *)sk;
	struct sock_common___cookie *named = (void *)address;

	return address && *(const volatile __u64 *)&s->cookie == cookie &&
	       READ(named, skc_cookie.counter) == cookie &&
	       READ((struct sock_common *)address, skc_state) != TD_CLOSE;
}

/* The socket has ended, or this use of it: then a process has it still, and a later use of it is
 * counted on. */
static __always_inline void be_done(const struct sock *sk, struct td_counters *count)
{
	__u64 address = address_of(sk, count);
	struct td_sock *s = slot_of(address), *kept;

	if (!s)
		return;
	if (makes_records() && s->use && sk->sk_socket) {
		kept = store(sk, NULL);
		if (!kept)
			return; /* it stays where it is */
		*kept = *s;
	}
	leave_slot(address, s);
}

#endif
