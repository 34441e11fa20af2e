/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* Whose socket it is as far as cgroups say: the one it was made in, which it keeps. */
#ifndef TCPDWELL_CGROUP_BPF_H
#define TCPDWELL_CGROUP_BPF_H

#include "kernel.bpf.h"
#include "maps.bpf.h"

struct cgroup___ancestors {
	struct cgroup *ancestors[0];
} __attribute__((preserve_access_index));

/* cgroup->ancestors, since Linux 6.1 (7f203bc89eb6 "cgroup: Replace cgroup->ancestor_ids[] with
 * ->ancestors[]"), ancestor_ids before. */
struct cgroup___ids {
	__u64 ancestor_ids[0];
} __attribute__((preserve_access_index));

static __always_inline bool cgroup_below(struct cgroup *group)
{
	__u64 offset, id = 0;
	struct cgroup *up = NULL;

	if ((__u32)BPF_CORE_READ(group, level) < cfg.cgroup_level)
		return false;
	if (bpf_core_field_exists(struct cgroup___ancestors, ancestors)) {
		offset = bpf_core_field_offset(struct cgroup___ancestors, ancestors);
		bpf_probe_read_kernel(&up, sizeof(up),
				      (void *)group + offset + cfg.cgroup_level * sizeof(up));
		return BPF_CORE_READ(up, kn, id) == cfg.cgroup_id;
	}
	offset = bpf_core_field_offset(struct cgroup___ids, ancestor_ids);
	bpf_probe_read_kernel(&id, sizeof(id),
			      (void *)group + offset + cfg.cgroup_level * sizeof(id));
	return id == cfg.cgroup_id;
}

/* CONFIG_SOCK_CGROUP_DATA, and a pointer since Linux 5.15 (8520e224f547 "bpf, cgroups: Fix cgroup
 * v2 fallback on v1/v2 mixed mode"). Where there is none, the owner's stands for it. */
static __always_inline bool sockets_have_cgroups(void)
{
	return bpf_core_field_exists(((struct sock_cgroup_data *)0)->cgroup);
}

/* A socket has the cgroup of the task that made it (cgroup_sk_alloc, kernel/cgroup/cgroup.c), a
 * child its listener's (cgroup_sk_clone), and neither ever changes. */
static __always_inline void note_cgroup(struct td_sock *s, const struct sock *sk)
{
	struct cgroup *group;

	if (s->socket_cgroup_id || !sockets_have_cgroups())
		return;
	group = sk->sk_cgrp_data.cgroup;
	if (!group)
		return;
	s->socket_cgroup_id = group->kn->id;
	if (cfg.cgroup_id)
		s->in_cgroup = cgroup_below(group);
}

#endif
