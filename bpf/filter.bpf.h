/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* Cuts lines nobody asked for before they cost room in the ring. Timing is kept regardless. */
#ifndef TCPDWELL_FILTER_BPF_H
#define TCPDWELL_FILTER_BPF_H

#include "command.bpf.h"
#include "maps.bpf.h"

/* What only records carry, and filters ask for, is not looked up where neither is there. */
static __always_inline bool makes_records(void)
{
	return cfg.detail != TD_DETAIL_COUNTS;
}

/* accept() is followed (bpf/accept.bpf.h). */
static __always_inline bool knows_waits(void)
{
	return cfg.minisockets == TD_MINI_FENTRY && makes_records();
}

static __always_inline bool asks_for_owners(void)
{
	return makes_records() || cfg.filter_pids || cfg.filter_comms || cfg.cgroup_id ||
	       cfg.of_command;
}

static __always_inline bool filters_addresses(void)
{
	return cfg.family || cfg.netns || cfg.filter_lports || cfg.filter_rports || cfg.n_local ||
	       cfg.n_remote;
}

/* The one record of a connection has them from its end. */
static __always_inline bool asks_for_addresses(int new_state)
{
	if (cfg.detail != TD_DETAIL_CONNECTIONS)
		return makes_records() || filters_addresses();
	return filters_addresses() || new_state == TD_CLOSE || new_state == TD_SYN_SENT ||
	       new_state == TD_ESTABLISHED;
}

/* IPv4 as its IPv4-mapped IPv6 address (RFC 4291 section 2.5.5.2). */
static __always_inline void map_address(__u32 *to, const __u32 *addr, __u32 family)
{
	to[0] = family == 4 ? 0 : addr[0];
	to[1] = family == 4 ? 0 : addr[1];
	to[2] = family == 4 ? bpf_htonl(0xffff) : addr[2];
	to[3] = family == 4 ? addr[0] : addr[3];
}

static __always_inline bool port_in(const volatile __u64 *ports, __u16 port)
{
	return ports[port / 64] >> (port % 64) & 1;
}

static __always_inline bool cidr_in(const volatile struct td_cidr *cidrs, __u8 n, __u32 family,
				    const __u32 *addr)
{
	__u32 mapped[4];

	map_address(mapped, addr, family);
	for (int i = 0; i < TD_MAX_CIDRS && i < n; i++) {
		__u32 differ = 0;

		for (int w = 0; w < 4; w++)
			differ |= (mapped[w] & cidrs[i].mask[w]) ^ cidrs[i].addr[w];
		if (!differ)
			return true;
	}
	return false;
}

/* A connection whose owner changes (listener, accepting process, closing process) is shown from the
 * first owner that matches to its end, so that no chain breaks off. */
static __always_inline bool owner_passes(const struct td_sock *s)
{
	char comm[TD_COMM_LEN];
	__u32 pid = s->pid;

	if (s->flags & TD_S_SHOWN)
		return true;
	if (cfg.filter_pids && !bpf_map_lookup_elem(&wanted_pids, &pid))
		return false;
	/* Until some Linux after 6.1 a key may not be in memory that a global function was given.
	 */
	__builtin_memcpy(comm, s->comm, sizeof(comm));
	if (cfg.filter_comms && !bpf_map_lookup_elem(&wanted_comms, comm))
		return false;
	if (cfg.of_command && !s->of_command)
		return false;
	return !cfg.cgroup_id || s->in_cgroup;
}

static __always_inline bool show_by_owner(struct td_sock *s)
{
	if (!cfg.filter_pids && !cfg.filter_comms && !cfg.cgroup_id && !cfg.of_command)
		return true;
	if (!owner_passes(s))
		return false;
	s->flags |= TD_S_SHOWN;
	return true;
}

static __always_inline bool address_passes(const struct td_who *who)
{
	if (cfg.family && cfg.family != who->family)
		return false;
	if (cfg.netns && cfg.netns != who->netns)
		return false;
	if (cfg.filter_lports && !port_in(td_lports, who->lport))
		return false;
	if (cfg.filter_rports && !port_in(td_rports, who->rport))
		return false;
	if (cfg.n_local && !cidr_in(cfg.local, cfg.n_local, who->family, who->laddr))
		return false;
	if (cfg.n_remote && !cidr_in(cfg.remote, cfg.n_remote, who->family, who->raddr))
		return false;
	return true;
}

static __always_inline bool socket_passes(const struct td_who *who, struct td_sock *s)
{
	return address_passes(who) && show_by_owner(s);
}

static __always_inline bool change_passes(int old_state, int new_state, __u8 dwell, __u64 dwell_ns)
{
	if (cfg.states && !(cfg.states & (1u << (old_state & 15) | 1u << (new_state & 15))))
		return false;
	return !cfg.min_dwell_ns || (dwell != TD_DWELL_UNKNOWN && dwell_ns >= cfg.min_dwell_ns);
}

#endif
