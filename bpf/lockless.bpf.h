/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Words that more than one CPU works on. BPF programs of these kinds may take no lock.
 *
 * Here BPF has neither fences nor loads and stores that order (from Linux 6.15 on it has those).
 * An atomic operation that gives back what was there before is fully ordered, as the kernel's own
 * are (Documentation/atomic_t.txt): so publish() is a release and more, published() an acquire and
 * more. A compare-and-swap is so only if it swaps. An atomic operation whose result nobody uses
 * orders nothing.
 */
#ifndef TCPDWELL_LOCKLESS_BPF_H
#define TCPDWELL_LOCKLESS_BPF_H

#include "kernel.bpf.h"

/* Whoever reads `value` with published() sees all that was written before this. Gives the value
 * before. */
static __always_inline __u32 publish(__u32 *word, __u32 value)
{
	return __sync_lock_test_and_set(word, value);
}

static __always_inline void publish64(__u64 *word, __u64 value)
{
	__sync_lock_test_and_set(word, value);
}

/* An operation that changes nothing, for its order. */
static __always_inline __u32 published(__u32 *word)
{
	return __sync_fetch_and_or(word, 0);
}

/* True for one of all who try. `*due` is `id` until then: in an entry that was deleted and has
 * become another's meanwhile it is another's id, and nobody who comes late claims that. */
static __always_inline bool claim(__u64 *due, __u64 id)
{
	return __sync_val_compare_and_swap(due, id, 0) == id;
}

/* For counters that a program may share with one that interrupts it. */
static __always_inline void count_one(__u64 *counter)
{
	__sync_fetch_and_add(counter, 1);
}

#endif
