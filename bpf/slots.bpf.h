/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* Where what is known of a full socket is: in its storage, or in a slot (maps.bpf.h). */
#ifndef TCPDWELL_SLOTS_BPF_H
#define TCPDWELL_SLOTS_BPF_H

#include "context.bpf.h"
#include "filter.bpf.h"
#include "lockless.bpf.h"
#include "maps.bpf.h"

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

static __always_inline struct td_slot *slot_at(__u64 address, __u32 place)
{
	/* Fibonacci hashing (Knuth, The Art of Computer Programming 3, 6.4). Neighbours are in
	 * neighbouring lines of the cache. */
	__u32 at = (address * 0x9e3779b97f4a7c15ull) >> (64 - TD_SLOT_BITS);

	at ^= place;
	return bpf_map_lookup_elem(&slots, &at);
}

/* NULL where it has none. */
static __always_inline struct td_slot *slot_of(__u64 address)
{
	for (__u32 place = 0; place < TD_SLOT_PLACES; place++) {
		struct td_slot *slot = slot_at(address, place);

		if (slot && slot->sk == address)
			return slot;
	}
	return NULL;
}

static __always_inline struct td_slot *take_slot(__u64 address)
{
	for (__u32 place = 0; place < TD_SLOT_PLACES; place++) {
		struct td_slot *slot = slot_at(address, place);

		if (slot && !slot->sk && !__sync_val_compare_and_swap(&slot->sk, 0, address)) {
			__builtin_memset(slot->sock, 0, sizeof(slot->sock));
			return slot;
		}
	}
	return NULL;
}

/* What was written in it is so before it is another's. */
static __always_inline void leave_slot(__u64 address)
{
	struct td_slot *slot = slot_of(address);

	if (slot)
		publish64(&slot->sk, 0);
}

/* As in the map of storage, and of that as much as there is in a slot. */
static __always_inline struct td_sock *sock_in(struct td_slot *slot)
{
	return (struct td_sock *)slot->sock;
}

/* NULL when there is no memory. Where nobody has seen the socket yet, an entry without a state. */
static __always_inline struct td_sock *entry_of(const struct sock *sk, struct td_counters *count)
{
	struct td_slot *slot;
	struct td_sock *s;
	__u64 address;

	if (cfg.only_counts) {
		address = address_of(sk, count);
		slot = slot_of(address);
		if (slot)
			return sock_in(slot);
		s = bpf_sk_storage_get(&socks, (void *)sk, NULL, 0);
		if (s)
			return s;
		slot = take_slot(address);
		if (slot)
			return sock_in(slot);
	}
	s = bpf_sk_storage_get(&socks, (void *)sk, NULL, BPF_SK_STORAGE_GET_F_CREATE);
	if (!s)
		count_one(&count->map_full);
	return s;
}

#endif
