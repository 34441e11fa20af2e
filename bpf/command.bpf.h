/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* Which tasks are of the command that is traced: the reader has it marked before it runs, and what
 * they fork is marked as it is made. A task's storage cannot always be had where another task was
 * preempted while it got some (bpf_task_storage_trylock, kernel/bpf/bpf_task_storage.c); a table
 * can. */
#ifndef TCPDWELL_COMMAND_BPF_H
#define TCPDWELL_COMMAND_BPF_H

#include "lockless.bpf.h"
#include "maps.bpf.h"

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 65536);
	__type(key, __u64); /* address of the task */
	__type(value, __u8);
} command_tasks SEC(".maps");

/* Set by the reader for mark_command(): the command's number in td_config.pidns. */
volatile __u32 command_pid;

/* Threads of io_uring are made without an event (create_io_thread, kernel/fork.c), for the process
 * that they belong to. */
static __always_inline bool is_of_command(struct task_struct *task)
{
	__u64 key = task->flags & PF_IO_WORKER ? (__u64)task->group_leader : (__u64)task;

	return bpf_map_lookup_elem(&command_tasks, &key);
}

static __always_inline void mark(struct task_struct *task)
{
	struct td_counters *count = counters_of(TD_PROGRAM_MINI);
	__u64 key = (__u64)task;
	__u8 yes = 1;

	if (bpf_map_update_elem(&command_tasks, &key, &yes, BPF_ANY) && count)
		count_one(&count->map_full);
}

/* fork(), clone() and threads alike: who is made is not running yet. */
SEC("tp_btf/sched_process_fork")
int BPF_PROG(on_fork, struct task_struct *parent, struct task_struct *child)
{
	if (is_of_command(parent))
		mark(child);
	return 0;
}

/* Before that, no other task has its address. */
SEC("tp_btf/sched_process_free")
int BPF_PROG(on_task_freed, struct task_struct *task)
{
	__u64 key = (__u64)task;

	bpf_map_delete_elem(&command_tasks, &key);
	return 0;
}

#endif
