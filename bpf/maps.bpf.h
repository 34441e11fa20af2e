/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* What the kernel program remembers: one entry a socket, counters a CPU, and the ring. */
#ifndef TCPDWELL_MAPS_BPF_H
#define TCPDWELL_MAPS_BPF_H

const volatile struct td_config cfg = {};
const volatile __u64 td_lports[TD_PORT_WORDS] = {};
const volatile __u64 td_rports[TD_PORT_WORDS] = {};

/* Bits of td_sock.flags. */
#define TD_S_GAP 0x01	     /* a line of this connection was lost */
#define TD_S_FIRST_DUE 0x02  /* the connection's first line is still to be written */
#define TD_S_CGROUP 0x04     /* the owner is inside cfg.cgroup_id */
#define TD_S_SHOWN 0x08	     /* the owner passed the filter once: shown to the end */

/* What is known of one connection. Lives in socket storage: freed with the socket, so there is no
 * map to fill up and no address to mistake for another. */
struct td_sock {
	__u64 since_ns;	 /* when `state` was entered */
	__u64 start_ns;	 /* when the connection began; 0 = unknown */
	__u64 path;
	__u64 cgroup_id;
	__u32 use;
	__u32 pid;
	__u8 state;
	__u8 since;	 /* enum td_dwell: what now - since_ns will be worth */
	__u8 owner;
	__u8 flags;
	__u8 first_old;	 /* with TD_S_FIRST_DUE: the first line is first_old -> first_new */
	__u8 first_new;
	__u8 pad[2];
	__u64 first_ns;
	char comm[TD_COMM_LEN];
};

struct {
	__uint(type, BPF_MAP_TYPE_SK_STORAGE);
	/* A child socket starts with a copy of its listener's entry: the owner. */
	__uint(map_flags, BPF_F_NO_PREALLOC | BPF_F_CLONE);
	__type(key, int);
	__type(value, struct td_sock);
} socks SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct td_cpu);
} cpus SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 8 << 20); /* set before load from --buffer */
} ring SEC(".maps");

#endif
