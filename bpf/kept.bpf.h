/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Sockets that a process has open when it executes a program or changes its name: from then on
 * their owner has another name, or it is another process, as a worker that was forked for one
 * connection. Which these are is looked up at that moment, so a transition of any other socket
 * costs nothing. What is noted is where the process has the descriptor; whether it has it still,
 * and what it is called, is read when a line is made.
 */
#ifndef TCPDWELL_KEPT_BPF_H
#define TCPDWELL_KEPT_BPF_H

#include "context.bpf.h"
#include "maps.bpf.h"
#include "owner.bpf.h"

/* What is needed of the kernel's types for this alone. */
struct inode___kept {
	__u16 i_mode;
} __attribute__((preserve_access_index));

struct file___kept {
	void *private_data;
	struct inode___kept *f_inode;
} __attribute__((preserve_access_index));

/* References to a file: until Linux 6.12, and since, where they count from 0. */
struct file___count {
	struct {
		long counter;
	} f_count;
} __attribute__((preserve_access_index));

struct file___ref {
	struct {
		struct {
			long counter;
		} refcnt;
	} f_ref;
} __attribute__((preserve_access_index));

struct fdtable___kept {
	__u32 max_fds;
	struct file___kept **fd;
	unsigned long *open_fds;
} __attribute__((preserve_access_index));

struct files_struct___kept {
	struct fdtable___kept *fdt;
} __attribute__((preserve_access_index));

struct task_struct___kept {
	struct files_struct___kept *files;
	unsigned int in_execve : 1;
} __attribute__((preserve_access_index));

struct socket___kept {
	struct file___kept *file;
} __attribute__((preserve_access_index));

struct sock___kept {
	struct socket___kept *sk_socket;
} __attribute__((preserve_access_index));

#define S_IFMT 0170000 /* include/uapi/linux/stat.h */
#define S_IFSOCK 0140000

/* The last process that had a socket open when it did so. Only compared, and read with care: all of
 * it may be another's by now. */
struct td_kept {
	__u64 task;  /* address of its leader's task_struct */
	__u64 walk;  /* when its descriptors were looked at */
	__u32 fd;    /* one of those that name the socket */
	__u32 refs;  /* how many of its do */
	__u32 alone; /* nobody else had the socket open then */
	__u32 pad;
};

/* By address of the sock: what its descriptor names is the socket, whoever had the address before.
 * One for which there is no room goes on with the owner that is known. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 16384);
	__type(key, __u64);
	__type(value, struct td_kept);
} kept SEC(".maps");

/* How many: never fewer than there are. */
volatile __u64 sockets_kept;

static __always_inline __u64 references_to(const void *file)
{
	const struct file___count *counted = file;
	const struct file___ref *referred = file;

	if (bpf_core_field_exists(counted->f_count))
		return BPF_CORE_READ(counted, f_count.counter);
	return BPF_CORE_READ(referred, f_ref.refcnt.counter) + 1;
}

static __always_inline void forget_kept(__u64 sk)
{
	if (!bpf_map_delete_elem(&kept, &sk))
		__sync_fetch_and_add(&sockets_kept, -1);
}

/* Where the process has the descriptor still. */
static __always_inline bool still_has(const struct td_kept *k, __u64 file)
{
	struct task_struct___kept *task = (void *)k->task;
	struct fdtable___kept *table = BPF_CORE_READ(task, files, fdt);
	__u64 files = (__u64)BPF_CORE_READ(table, fd), there = 0;

	if (!table || k->fd >= BPF_CORE_READ(table, max_fds))
		return false;
	bpf_probe_read_kernel(&there, sizeof(there), (void *)(files + k->fd * 8ull));
	return file && there == file;
}

static __always_inline void note_kept(__u64 sk, __u64 file, struct td_kept *fresh)
{
	struct td_kept *last = bpf_map_lookup_elem(&kept, &sk);
	bool same = last && last->task == fresh->task;

	if (same && last->walk == fresh->walk) {
		last->refs++;
		last->alone |= references_to((void *)file) <= last->refs;
		return;
	}
	fresh->refs = 1;
	fresh->alone = references_to((void *)file) <= 1;
	/* Whose own program inherits it has it still. */
	if (last && last->alone && !fresh->alone) {
		if (!same && still_has(last, file))
			return;
		fresh->alone = same;
	}
	if (last) {
		*last = *fresh;
		return;
	}
	__sync_fetch_and_add(&sockets_kept, 1);
	if (bpf_map_update_elem(&kept, &sk, fresh, BPF_ANY))
		__sync_fetch_and_add(&sockets_kept, -1);
}

/* These two for every value, which the verifier then looks at once: a descriptor of a process,
 * which is at `slot` of its table; */
__noinline int note_file(__u64 task, __u64 slot, __u32 fd, __u64 walk)
{
	struct td_kept fresh = {.task = task, .walk = walk, .fd = fd};
	struct file___kept *file = NULL;
	struct socket *socket;
	struct sock *sk;

	bpf_probe_read_kernel(&file, sizeof(file), (void *)slot);
	if (!file || (BPF_CORE_READ(file, f_inode, i_mode) & S_IFMT) != S_IFSOCK)
		return 0;
	socket = BPF_CORE_READ(file, private_data);
	sk = BPF_CORE_READ(socket, sk);
	if (sk && BPF_CORE_READ(sk, sk_protocol) == IPPROTO_TCP)
		note_kept((__u64)sk, (__u64)file, &fresh);
	return 0;
}

/* and 64 of them, from `first` on, of which those in `open` are there. */
__noinline int note_files(__u64 task, __u64 files, __u64 open, __u32 first, __u64 walk)
{
	for (__u32 i = 0; i < 64; i++)
		if (open >> i & 1)
			note_file(task, files + (first + i) * 8ull, first + i, walk);
	return 0;
}

/* Of the first 1,024: nobody is to wait for us. */
#define TD_MOST_WORDS 16

static __always_inline int note_all_files(struct task_struct *task)
{
	struct task_struct___kept *kept_by = (void *)task;
	struct fdtable___kept *table = BPF_CORE_READ(kept_by, files, fdt);
	__u64 files = (__u64)BPF_CORE_READ(table, fd), now = bpf_ktime_get_ns(), open = 0;
	__u64 words = (__u64)BPF_CORE_READ(table, open_fds), leader = as_number(task);
	__u32 most = BPF_CORE_READ(table, max_fds);

	if (!live || !files || !words)
		return 0;
	for (__u32 i = 0; i < TD_MOST_WORDS && i * 64 < most; i++) {
		bpf_probe_read_kernel(&open, sizeof(open), (void *)(words + i * 8ull));
		if (open)
			note_files(leader, files, open, i * 64, now);
	}
	return 0;
}

/* What is closed by exec() is closed by now. */
SEC("tp_btf/sched_process_exec")
int BPF_PROG(on_exec, struct task_struct *task)
{
	return note_all_files(task);
}

SEC("tp_btf/task_rename")
int BPF_PROG(on_rename, struct task_struct *task)
{
	struct task_struct___kept *renamed = (void *)task;

	if (task != task->group_leader || task->flags & PF_KTHREAD)
		return 0;
	if (bpf_core_field_exists(renamed->in_execve) &&
	    BPF_CORE_READ_BITFIELD_PROBED(renamed, in_execve))
		return 0;
	return note_all_files(task);
}

/*
 * The owner of a socket, or of `sk` that it is waiting at, as it is called now. It is another
 * process only where nobody else has or had the socket open: a server that runs a program goes on
 * to own what the program happened to inherit.
 */
static __noinline int take_kept_owner(const struct sock *sk, struct td_sock *s)
{
	__u64 key = (__u64)sk, file;
	struct td_kept *k = bpf_map_lookup_elem(&kept, &key);
	struct task_struct *task;
	bool same;

	if (!k || !s)
		return 0;
	file = (__u64)BPF_CORE_READ((struct sock___kept *)sk, sk_socket, file);
	task = (void *)k->task;
	if (!still_has(k, file)) {
		forget_kept(key);
		return 0;
	}
	same = s->owner != TD_OWNER_NONE && (__u32)BPF_CORE_READ(task, tgid) == s->pid;
	if (!same && !k->alone && references_to((void *)file) > k->refs)
		return 0;
	name_owner(s, task);
	if (cfg.cgroup_id)
		s->in_cgroup = cgroup_below(BPF_CORE_READ(task, cgroups, dfl_cgrp));
	if (!same)
		s->owner = BPF_CORE_READ(sk, __sk_common.skc_state) == TD_LISTEN ? TD_OWNER_LISTEN
										 : TD_OWNER_SEED;
	return 0;
}

#endif
