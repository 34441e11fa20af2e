// SPDX-License-Identifier: BSD-2-Clause
// Notes every task under which a program has ever run, at the events that shadow.cpp reads in the
// kernel's own trace. A task that is in the trace and not in here is one the host keeps programs
// from.
#include "vmlinux.h"
#include <bpf/bpf_helpers.h>

/// No thread has this id. Its value: not every task could be noted.
#define INCOMPLETE 0xffffffffU

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1 << 17);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, __u32); // thread id
	__type(value, __u32);
} tasks SEC(".maps");

static __always_inline int note_task(void)
{
	const __u32 id = (__u32)bpf_get_current_pid_tgid(), one = 1;
	if (bpf_map_lookup_elem(&tasks, &id))
		return 0;
	if (bpf_map_update_elem(&tasks, &id, &one, BPF_ANY) == 0)
		return 0;
	const __u32 incomplete = INCOMPLETE;
	__u32 *const flag = bpf_map_lookup_elem(&tasks, &incomplete);
	if (flag)
		*flag = 1;
	return 0;
}

SEC("raw_tp/inet_sock_set_state") int on_state(void *context)
{
	return note_task();
}
SEC("raw_tp/timer_start") int on_timer_start(void *context)
{
	return note_task();
}
SEC("raw_tp/timer_cancel") int on_timer_cancel(void *context)
{
	return note_task();
}
SEC("raw_tp/timer_expire_entry") int on_timer_expire(void *context)
{
	return note_task();
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
