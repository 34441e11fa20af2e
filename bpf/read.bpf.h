/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* Reads of the kernel's objects that the verifier does not know as such: those behind a timer, or
 * behind an address that was kept. */
#ifndef TCPDWELL_READ_BPF_H
#define TCPDWELL_READ_BPF_H

#include "maps.bpf.h"

/* The object at an address as one of its type. Its fields are then loads, which give 0 where there
 * is no memory, and not calls of bpf_probe_read_kernel(). Linux 6.2 (a35b9af4ec2c "bpf: Add a kfunc
 * for generic type cast"); the reader tries it out (cfg.casts).
 * As newer libbpf declares it (bpf_core_read.h). */
extern void *bpf_rdonly_cast(const void *obj, __u32 btf_id) __ksym __weak;

#define TD_TYPE(from) typeof(({ *(from); })) /* a value's: without const */
#define TD_CAST(from)                                                                              \
	((TD_TYPE(from) *)bpf_rdonly_cast((const void *)(from),                                    \
					  bpf_core_type_id_kernel(TD_TYPE(from))))

/* As BPF_CORE_READ(). */
#define READ(from, ...)                                                                            \
	(cfg.casts ? ___arrow(TD_CAST(from), __VA_ARGS__) : BPF_CORE_READ(from, __VA_ARGS__))

/* So many jiffies may be counted in no time: one has begun when it is counted, not passed, and all
 * may be behind the clock. A CPU sees to that when five are missing, whose own tick may be late
 * (tick_sched_do_timer, since Linux 5.18: a1ff03cd6fb9 "tick: Detect and fix jiffies update
 * stall"). */
#define LATE_JIFFIES 8

/* enum sock_flags, include/net/sock.h */
#define SOCK_DEAD 0 /* no process has it open any more */
#define SOCK_DONE 1 /* the peer's FIN was received */

struct sock_common___cookie {
	struct {
		__u64 counter;
	} skc_cookie;
} __attribute__((preserve_access_index));

/* Of a socket of any kind that may be another by now. The port is the one it has, none after the
 * end. */
static __always_inline void who_at(struct td_who *who, const struct sock_common *c)
{
	who->netns = READ(c, skc_net.net, ns.inum);
	who->lport = READ(c, skc_num);
	who->rport = bpf_ntohs(READ(c, skc_dport));
	who->ifindex = READ(c, skc_bound_dev_if);
	who->family = READ(c, skc_family) == AF_INET6 ? 6 : 4;
	if (who->family == 6) {
		BPF_CORE_READ_INTO(&who->laddr, c, skc_v6_rcv_saddr.in6_u.u6_addr32);
		BPF_CORE_READ_INTO(&who->raddr, c, skc_v6_daddr.in6_u.u6_addr32);
	} else {
		who->laddr[0] = READ(c, skc_rcv_saddr);
		who->raddr[0] = READ(c, skc_daddr);
	}
}

#endif
