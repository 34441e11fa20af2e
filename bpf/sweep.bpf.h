/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * What no event tells in the timer way, looked up now and then at the reader's request: timers taken
 * off with nothing after it, and FINs that restarted a timer into the wheel bucket it was in, which
 * fires no timer_start (__mod_timer, kernel/time/timer.c). Times are those of the happening.
 */
#ifndef TCPDWELL_SWEEP_BPF_H
#define TCPDWELL_SWEEP_BPF_H

struct bpf_map;

struct td_sweep {
	struct td_counters *count;
	__u64 now;
};

/* Not so for what happened after the sweep began. */
static __always_inline bool is_over(__u64 ended_ns, const struct td_sweep *sweep)
{
	return ended_ns && sweep->now > ended_ns && sweep->now - ended_ns > A_MOMENT_NS;
}

static long sweep_orphan(struct bpf_map *map, __u64 *key, __u64 *value, struct td_sweep *sweep)
{
	struct inet_timewait_sock *tw = (void *)*value;
	struct td_began began = {};
	struct td_mini *m;
	__u64 cookie = *key, now = bpf_ktime_get_ns(), jiffies = bpf_jiffies64();

	m = bpf_map_lookup_elem(&minis, &cookie);
	if (!m) {
		bpf_map_delete_elem(&orphans, &cookie);
		return 0;
	}
	if (m->s.state != TD_FIN_WAIT2 || m->ended_ns || tw_cookie(tw) != cookie)
		return 0;
	if (tw_substate(tw) != TD_TIME_WAIT) {
		mini_alive(m, now, jiffies);
		return 0;
	}
	/* The stack sets the substate first and then the timer: it may be about to. */
	if (BPF_CORE_READ(tw, tw_timer.expires) == m->expires && !m->doubted) {
		m->doubted = 1;
		return 0;
	}
	tw_began(&began, tw, now);
	mini_change(sweep->count, cookie, m, began.at_ns, began.bound);
	return 0;
}

static long sweep_req(struct bpf_map *map, struct td_tuple *key, struct td_req *r,
		      struct td_sweep *sweep)
{
	struct td_tuple t = *key;

	if (is_over(r->ended_ns, sweep))
		req_end(sweep->count, &t, r);
	return 0;
}

static long sweep_undecided(struct bpf_map *map, __u32 *key, __u64 *slot, struct td_sweep *sweep)
{
	__u64 cookie = *slot;
	struct td_mini *m = cookie ? bpf_map_lookup_elem(&minis, &cookie) : NULL;

	if (m && is_over(m->ended_ns, sweep)) {
		decide(sweep->count, cookie, TD_REASON_NONE);
		__sync_val_compare_and_swap(slot, cookie, 0);
	}
	return 0;
}

SEC("syscall")
int sweep(void *ctx)
{
	struct td_sweep arg = {.count = counters(TD_PROGRAM_SWEEP), .now = stopped_ns ?: bpf_ktime_get_ns()};

	if (!arg.count)
		return 0;
	bpf_for_each_map_elem(&undecided, sweep_undecided, &arg, 0);
	bpf_for_each_map_elem(&orphans, sweep_orphan, &arg, 0);
	bpf_for_each_map_elem(&reqs, sweep_req, &arg, 0);
	return 0;
}

#endif
