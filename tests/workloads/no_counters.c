// SPDX-License-Identifier: BSD-2-Clause
/// LD_PRELOAD: a kernel that lets nobody read the table of counters ("cpus") or what it reports of
/// the first program ("on_state"). UNREADABLE names which.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <linux/bpf.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>

typedef long call(long, ...);

/// A program's or a table's name, where `fd` is one.
static int is_named(call *real, __u32 fd, int is_program, const char *name)
{
	struct bpf_prog_info program = {};
	struct bpf_map_info map = {};
	union bpf_attr ask = {};

	ask.info.bpf_fd = fd;
	ask.info.info = (__u64)(is_program ? (void *)&program : (void *)&map);
	ask.info.info_len = is_program ? sizeof(program) : sizeof(map);
	if (real(SYS_bpf, BPF_OBJ_GET_INFO_BY_FD, &ask, sizeof(ask)) != 0)
		return 0;
	return strcmp(is_program ? program.name : map.name, name) == 0;
}

long syscall(long number, ...)
{
	call *real = (call *)dlsym(RTLD_NEXT, "syscall");
	const char *unreadable = getenv("UNREADABLE");
	const union bpf_attr *attr;
	long values[6];
	va_list more;

	va_start(more, number);
	for (int i = 0; i < 6; i++)
		values[i] = va_arg(more, long);
	va_end(more);
	attr = (const union bpf_attr *)values[1];
	if (number == SYS_bpf && unreadable &&
	    ((values[0] == BPF_MAP_LOOKUP_ELEM && strcmp(unreadable, "cpus") == 0 &&
	      is_named(real, attr->map_fd, 0, unreadable)) ||
	     (values[0] == BPF_OBJ_GET_INFO_BY_FD && strcmp(unreadable, "on_state") == 0 &&
	      is_named(real, attr->info.bpf_fd, 1, unreadable)))) {
		errno = EPERM;
		return -1;
	}
	return real(number, values[0], values[1], values[2], values[3], values[4], values[5]);
}
