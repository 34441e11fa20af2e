/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* What the kernel program remembers beside full sockets (sock.bpf.h): request and time-wait
 * sockets, listeners, counters a CPU, and the ring. */
#ifndef TCPDWELL_MAPS_BPF_H
#define TCPDWELL_MAPS_BPF_H

#include "kernel.bpf.h"
#include "sock.bpf.h"
#include <tcpdwell/config.h>
#include <tcpdwell/ports.h>

const volatile struct td_config cfg = {};
const volatile __u64 td_lports[TD_PORT_WORDS] = {};
const volatile __u64 td_rports[TD_PORT_WORDS] = {};
const volatile __u64 td_bounds[TD_BOUNDS] = {};

/* Whether a FIN came before the restart of the timer at hand. */
enum td_unseen {
	TD_UNSEEN_NOT = 0,
	TD_UNSEEN_PERHAPS = 1, /* in the jiffy of the hand-over, or this is it */
	TD_UNSEEN_SURELY = 2,  /* at changed_ns, or before it */
};

/* Whether a time-wait socket has its past. */
enum td_link {
	TD_LINK_DUE = 0,   /* not yet */
	TD_LINK_DONE = 1,  /* the full socket has handed over what it knew */
	TD_LINK_ENDED = 2, /* it ended: before, then mini_link() tells of it, or after */
};

/*
 * A time-wait socket: what the full socket was, and where its own life stands.
 *
 * It is in the hash table of connections before the full socket reports its end. So while one CPU
 * is at mini_link(), another may be at mini_rearm() for a segment or at mini_end() for a RST or the
 * timer; and the sweep and reap() run on a third. What the full socket hands over (s, who, stats)
 * is published by `linked`. The change to TIME_WAIT and the end are each told by who claims them.
 * What else is written is a word of its own: whoever reads it has the one before or the one after,
 * and says where that may be either. In the same instant as a change claimed by another CPU an end
 * may still be told as that of FIN_WAIT2.
 *
 * An entry that one CPU deletes may be another socket's at once, while a third CPU that found it
 * before still works on it: hence claim(), and mini_of() where the address is known.
 */
struct td_mini {
	__u64 tw;	     /* address of the inet_timewait_sock */
	__u64 expires;	     /* of its timer, in jiffies, as last set under our eyes */
	__u64 alive_ns;	     /* when FIN_WAIT2 was last seen to go on */
	__u64 alive_jiffies; /* the same moment */
	__u64 changed_ns;    /* FIN arrived before the full socket was done: then */
	__u64 ended_ns;	     /* its timer was taken off; whether for good is not decided yet */
	__u64 change_due;    /* the cookie, until TIME_WAIT has been told */
	__u64 end_due;	     /* the cookie, until the end has been told */
	__u32 linked;	     /* enum td_link */
	__u8 substate;	     /* at the hand-over */
	__u8 reason;	     /* of the end, should it be one */
	__u8 restarts;	     /* two CPUs at once may count one */
	__u8 has_stats;
	__u8 changed_bound; /* enum td_dwell: of changed_ns */
	__u8 unseen;	    /* enum td_unseen */
	__u8 doubted;	    /* the sweep found TIME_WAIT and its timer not restarted */
	__u8 missed;	    /* the last walk over `minis` found its timer off */
	__u8 pad[4];
	struct td_sock s; /* s.state is FIN_WAIT2 or TIME_WAIT; of it as much as in a slot, and no
			   * more, where there are only counts */
	struct td_who who;
	struct td_stats stats;
};

#define TD_MINI_BYTES (TD_OFFSETOF(struct td_mini, s) + TD_BRIEF_BYTES)

/* Time-wait sockets by socket cookie, which is the full socket's. Sizes and no types: the kernel
 * holds a type to its size. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 262144); /* set before load from tcp_max_tw_buckets */
	__uint(key_size, sizeof(__u64));
	__uint(value_size, sizeof(struct td_mini)); /* TD_MINI_BYTES where there are only counts */
} minis SEC(".maps");

/* User space learns them from here. */
const volatile __u32 td_mini_bytes = TD_MINI_BYTES;
const volatile __u32 td_brief_slot_bytes = TD_BRIEF_BYTES;
const volatile __u32 td_brief_slots = 1 << TD_BRIEF_SLOT_BITS;

/* Those that the program which the reader runs next is to look at: it takes their cookies from
 * `minis`. */
#define TD_NAMED_AT_ONCE 512
__u64 named_cookies[TD_NAMED_AT_ONCE];
volatile __u32 named_cookies_n;

/* Cookies of time-wait sockets in FIN_WAIT2: the sweep looks for FINs whose rearming went unseen.
 * Each is in `minis` too, so with as much room none is refused but for want of memory. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries,
	       262144); /* set before load to that of minis; 1 where nobody sweeps it */
	__type(key, __u64);
	__type(value, __u8);
} orphans SEC(".maps");
/* How many, at least once nothing happens: a walk over a table without any takes half a
 * millisecond. */
volatile __s64 orphans_n;

/* Most FINs come soon: a cookie is in its place here, and among `orphans` only where that is taken.
 */
#define TD_ORPHAN_PLACES 8192

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, TD_ORPHAN_PLACES); /* 1 where nobody sweeps it */
	__type(key, __u32);
	__type(value, __u64); /* cookie; 0 = free */
} orphan_places SEC(".maps");

/* The time-wait socket whose timer a CPU took off last, until it is known what for. Its own
 * programs, none of which interrupts another, write a slot; the sweep, on whatever CPU, takes out
 * what it has decided, unless another has come in. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1024); /* set before load to the number of CPUs */
	__type(key, __u32);
	__type(value, __u64); /* cookie */
} undecided SEC(".maps");

/* A connection to be: addresses in IPv4-mapped form, as one listener may serve both families. */
struct td_tuple {
	__u32 laddr[4], raddr[4];
	__u16 lport, rport;
	__u32 netns;
	__u32 ifindex; /* link-local addresses are one device's */
};

/* A request socket. Its timer, the child that takes the entry and a drop may be on different CPUs,
 * but the kernel lets one of them win. `reason` is written before ended_ns; who reads both is the
 * sweep, a moment (TD_MOMENT_NS) after, when all is visible to it. */
struct td_req {
	__u64 start_ns; /* the SYN came */
	__u64 ended_ns; /* its timer was taken off or ran out; perhaps for good */
	__u64 req;	/* address of the request_sock */
	__u64 listener; /* address of the listening sock */
	__u64 cookie;	/* 0 while it has none */
	__u32 family;
	__u16 reason;
	__u8 seeded;  /* its beginning has been told */
	__u8 missed;  /* the last sweep found its timer off */
	__u8 counted; /* as in td_sock */
	__u8 told;    /* TD_S_TOLD */
	__u8 waited;  /* TD_F_DEFERRED or TD_F_QUEUE_FULL */
	__u8 pad;
	__u32 look; /* the last one that it was told in (bpf/open.bpf.h) */
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 65536); /* set before load from tcp_max_syn_backlog and somaxconn */
	__type(key, struct td_tuple);
	__type(value, struct td_req);
} reqs SEC(".maps");

/* Of requests older than the tracer, how many are in there: where there are only counts, all that
 * are. */
volatile __u64 reqs_seeded;

/*
 * Where there are only counts, the request whose timer a CPU took off last, until it is known what
 * for: its programs write it, none of which interrupts another, and the sweep on whatever CPU takes
 * it, by claiming ended_ns. What the line needs is with the request itself until then.
 */
struct td_gone {
	__u64 ended_ns; /* 0 = none */
	__u64 start_ns; /* its first SYN-ACK was sent; 0 = none was */
	__u64 req;	/* address of the request_sock */
	__u64
	    child_ns; /* a child was made then; a request that goes in the same jiffy is its own, */
	__u64 child_jiffies;
	__u16 rport;  /* network order */
	__u8 untimed; /* and nobody will ask when that was: ended_ns is a jiffy after child_ns */
	__u8 pad[5];
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1024); /* set before load to the number of CPUs */
	__type(key, __u32);
	__type(value, struct td_gone);
} gone SEC(".maps");

/* Owners of listening sockets by the address of the sock: for requests, which only have that. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 16384);
	__type(key, __u64);
	__type(value, struct td_sock);
} listeners SEC(".maps");

/* What a task is connecting: tells a time-wait socket that this reuses from an aborted one. */
struct td_connecting {
	struct td_tuple to;
	__u32 pad;
	__u64 sk; /* address of the sock */
};

struct {
	__uint(type, BPF_MAP_TYPE_TASK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct td_connecting);
} connecting SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct td_cpu);
} cpus SEC(".maps");

/* Owners to show: filled before the programs are attached, and not changed after. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1); /* set before load to the length of the list */
	__uint(map_flags, BPF_F_RDONLY_PROG);
	__type(key, __u32);
	__type(value, __u8);
} wanted_pids SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1); /* set before load to the length of the list */
	__uint(map_flags, BPF_F_RDONLY_PROG);
	__type(key, char[TD_COMM_LEN]); /* NUL-padded */
	__type(value, __u8);
} wanted_comms SEC(".maps");

/*
 * Whether all programs are attached. They are attached and detached one after the other, and what
 * one of them is told follows from what another was not told yet, or no more: a request whose
 * connection came to be in between would look like one that came to nothing. So they begin and end
 * together. The reader writes it, and what a program on another CPU still does for a moment with
 * the value before it waits for (Tracer::detach).
 *
 * No bool for what user space sees: bpftool writes _Bool into the skeleton, which is no type of
 * C++.
 */
volatile __u8 live;
/* When they began. */
volatile __u64 began_ns;
/* When they ended; 0 before. The thread that writes it is the one that sweeps. */
volatile __u64 stopped_ns;

/* Whether sockets older than the tracer have been walked over, so that all are known. Set once: a
 * CPU that does not see it yet tells less. */
volatile __u8 all_known;

/* Network namespaces whose older sockets were walked over, by inode number. Of others, which no
 * process is in and which have no name, sockets older than the tracer may come up later. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 65536);
	__type(key, __u32);
	__type(value, __u8);
} walked_nets SEC(".maps");

/* Some time-wait socket found no room in `minis`: one that is not in there may be one of these. Set
 * and never reset, by whatever CPU. */
__u8 minis_refused;

/* The next id for a request that never had a cookie; the reader begins it with its own start, so
 * that another run has others. */
__u64 next_own_id;

struct td_owed_key {
	__u64 cookie;
	__u32 use;
	__u32 pad;
};

/*
 * Last lines that came when the ring was half full, until it is not. The timers of tens of
 * thousands of time-wait sockets may expire in one go, and would take the room of connections that
 * go on. And a last line should not be lost: nothing comes after it that could show the loss, and
 * whoever counts what is open would never be rid of the connection.
 *
 * owe() makes an entry and fills it on one CPU while the sweep may pass it on another: `size`
 * publishes it.
 */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 65536);
	__type(key, struct td_owed_key);
	__type(value, struct td_connection); /* last.size 0: being written */
} owed SEC(".maps");

/* How many: never fewer than are published. */
volatile __u64 owed_lines;

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 8 << 20); /* set before load from --buffer */
} ring SEC(".maps");

static __always_inline struct td_counters *counters_of(__u32 program)
{
	__u32 zero = 0;
	struct td_cpu *cpu = bpf_map_lookup_elem(&cpus, &zero);

	return cpu ? &cpu->of[program & (TD_PROGRAMS - 1)] : NULL;
}

static __always_inline __u64 change_of(int old_state, int new_state)
{
	return (__u64)old_state << 8 | new_state;
}

/* For programs that follow request and time-wait sockets: NULL while they are to do nothing. */
static __always_inline struct td_counters *counters_while_live(void)
{
	return live ? counters_of(TD_PROGRAM_MINI) : NULL;
}

#endif
