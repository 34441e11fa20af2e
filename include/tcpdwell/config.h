/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * What the user side tells the kernel program before it is loaded: read-only data, so the verifier
 * removes the code of every filter that is not set.
 *
 * Kernel filters only cut lines, never timing; each may pass more than was asked for (the user side
 * filters exactly), never less. A list of addresses too long for its array is left to the user side
 * (n = 0). Owners are the kernel side's alone, in hash tables (wanted_pids, wanted_comms).
 */
#ifndef TCPDWELL_CONFIG_H
#define TCPDWELL_CONFIG_H

#include <tcpdwell/event.h>
#include <tcpdwell/ports.h>
#include <tcpdwell/survey.h>
#include <tcpdwell/tally.h>

#define TD_MAX_CIDRS 16

/* What follows an event on its CPU has followed after this, even where a hypervisor has taken the
 * CPU away in between: what the end of a timer was for has shown, and a program that was just
 * running is through. Below a second. */
#define TD_MOMENT_NS 20000000ull

struct td_cidr {
	__u32 addr[4]; /* network order; IPv4 as its IPv4-mapped IPv6 address */
	__u32 mask[4]; /* network order */
};

/* How request and time-wait sockets are followed. */
enum td_minisockets {
	TD_MINI_OFF = 0,
	TD_MINI_TIMER = 1,  /* their timers, through the timer tracepoints */
	TD_MINI_FENTRY = 2, /* the functions that make, rearm and end them */
};

/* What there is a record for. Each level times every transition of every socket. */
enum td_detail {
	TD_DETAIL_TRANSITIONS = 0,
	TD_DETAIL_CONNECTIONS = 1, /* a connection that ends, or is asked for while it is open */
	TD_DETAIL_COUNTS = 2,	   /* nothing: there are sums alone (tally.h) */
};

enum td_counts {
	TD_COUNTS_OFF = 0, /* there is no room for any */
	TD_COUNTS_DWELLS = 1,
	TD_COUNTS_ALL = 2, /* td_moves too, and td_tally.below */
};

struct td_config {
	__u64 tw_timer_fn;	      /* address of tw_timer_handler; TD_MINI_TIMER only */
	__u64 reqsk_timer_fn;	      /* address of reqsk_timer_handler; TD_MINI_TIMER only */
	__u64 jiffy_ns;		      /* length of a jiffy */
	__s64 preempt_count_distance; /* bytes from per-CPU tcp_memory_per_cpu_fw_alloc; 0 = unknown
				       */
	__u64 min_dwell_ns;	      /* cut lines of shorter or unknown dwell; 0 = off */
	__u64 cgroup_id;	      /* owners at or below this cgroup v2 id only; 0 = off */
	__u64 wakeup_bytes;	      /* wake the reader when the ring holds this much */
	__u64 half_full_bytes; /* when it holds this much, last lines wait (maps.bpf.h, owed) */
	__u32 cgroup_level;    /* depth of cgroup_id in its hierarchy (the root is 0) */
	__u32 netns;	       /* inode number; 0 = all */
	__u16 states;	       /* bit n = state n; a line passes if either end is in it; 0 = all */
	__u8 family;	       /* 4, 6, or 0 for both */
	__u8 filter_lports;    /* the bitmap td_lports is set */
	__u8 filter_rports;
	__u8 filter_pids;  /* owners in wanted_pids only */
	__u8 filter_comms; /* owners of a name in wanted_comms only */
	__u8 n_local, n_remote;
	__u8 minisockets;  /* enum td_minisockets */
	__u8 resets_told;  /* tcp_send_reset tells of time-wait sockets, and its reason */
	__u8 last_spare;   /* enum td_program: no spare is behind this one */
	__u8 listing;	   /* sockets are only told of, none is followed */
	__u8 detail;	   /* enum td_detail */
	__u8 counts;	   /* enum td_counts: which sums are made (tally.h) */
	__u8 only_counts;  /* nothing is told or filtered by but states and durations of theirs */
	__u8 surveys;	   /* what is open is counted when the reader asks (survey.h) */
	__u8 walks_queues; /* socket storage cannot be walked over: look into accept queues */
	__u8 overflows;	   /* what meets a full accept queue is counted (TD_MINI_FENTRY) */
	__u8 of_command;   /* owners among the tasks that the reader has marked, and what they fork,
			      only (bpf/command.bpf.h) */
	__u8 casts;	   /* bpf_rdonly_cast() is there (bpf/read.bpf.h) */
	__u8 pad[3];
	__u16 first_port; /* net.ipv4.ip_local_port_range, both inclusive; `surveys` only */
	__u16 last_port;
	__u32 pidns; /* inode number of the reader's pid namespace; 0 = the initial one */
	struct td_cidr local[TD_MAX_CIDRS];
	struct td_cidr remote[TD_MAX_CIDRS];
};

TD_STATIC_ASSERT(sizeof(struct td_cidr) == 32, "td_cidr layout");
TD_STATIC_ASSERT(TD_OFFSETOF(struct td_config, local) == 104, "td_config layout");

/* Of an accept queue as many sockets are told at once as a walk over open files has room for: the
 * kernel hands over PAGE_SIZE * 8 bytes (bpf_seq_read, kernel/bpf/bpf_iter.c). */
#define TD_QUEUED_AT_ONCE 128

/* Ports as bitmaps: bit p % 64 of word p / 64. */
#define TD_PORT_WORDS 1024

/*
 * Counters of one CPU and one kind of program. Of the kind TD_PROGRAM_MINI there are several, and
 * they may interrupt each other on a CPU, where a task makes a time-wait socket with BHs on and a
 * segment comes: so those three are added to atomically. The first two are of kinds of one program,
 * which does not interrupt itself.
 */
struct td_counters {
	__u64 entered;	   /* program runs */
	__u64 handled;	   /* transitions taken */
	__u64 ring_full;   /* lines for which the ring had no room */
	__u64 map_full;	   /* sockets for which no storage could be had */
	__u64 connections; /* connections of which a record was made */
	__u64 unseen;  /* ends of time-wait and request sockets found out later: no program was run
			  for them */
	__u64 address; /* of the socket at hand (bpf/slots.bpf.h) */
};

/* A process's numbers. A record of its own, written by the walk over processes. */
struct td_numbers {
	__u32 pid;    /* in the initial pid namespace */
	__u32 ns_pid; /* in td_config.pidns; 0 where it is not in there */
};

enum td_program {
	TD_PROGRAM_STATE = 0, /* on_state */
	TD_PROGRAM_SPARE = 1, /* on_state_spare */
	TD_PROGRAM_MINI = 2,  /* timers or functions of request and time-wait sockets */
	TD_PROGRAM_SWEEP = 3, /* run from user space */
	/* More spares, where tracepoints run preemptibly (guarded by tracepoint_srcu). */
	TD_PROGRAM_SPARE2 = 4,
	TD_PROGRAM_SPARE3 = 5,
	TD_PROGRAM_SPARE4 = 6,
	TD_PROGRAM_SPARE5 = 7,
	TD_PROGRAMS = 8, /* a power of two */
};

struct td_cpu {
	struct td_counters of[TD_PROGRAMS];
	/* The transition on_state or a spare handled last, so that the spares behind can skip it.
	 */
	__u64 last_sk;
	__u64 last_change;
	__u64 child_jiffies; /* when that was the making of a child, LISTEN to SYN_RECV: then */
};

#endif /* TCPDWELL_CONFIG_H */
