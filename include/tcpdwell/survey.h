/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * What the kernel program finds open when the reader asks (bpf/survey.bpf.h): numbers and groups
 * instead of sockets, so that a look at a million costs a walk and no memory.
 *
 * One thread walks and reads; the programs of a walk run in it. So nothing here is shared.
 * Byte order and clock are those of event.h.
 */
#ifndef TCPDWELL_SURVEY_H
#define TCPDWELL_SURVEY_H

#include <tcpdwell/event.h>

/* What a walk over open sockets is for. */
enum td_look_for {
	TD_LOOK_TELL = 0,   /* a record of each, its stays once (TD_DETAIL_CONNECTIONS) */
	TD_LOOK_COUNT = 1,  /* numbers and groups */
	TD_LOOK_REFINE = 2, /* `ages` alone, of a narrower range */
	TD_LOOK_LIST = 3,   /* a record of each that is old enough, with all its stays */
};

/* Ages are counted in eight buckets of their power of two: those below 8 ns each in its own; d in
 * [8 * 2^n, 16 * 2^n) in bucket 8 * n + (d >> n), for n from 0 to 60. With TD_LOOK_REFINE in equal
 * ones. */
#define TD_AGE_SUB_BITS 3
#define TD_AGES 512

/* In which groups there is room for, beyond which sockets are counted together. */
#define TD_SURVEY_OWNERS 4096
#define TD_SURVEY_PORTS 16384
#define TD_SURVEY_PEERS 2048
#define TD_SURVEY_CGROUPS 4096
#define TD_SURVEY_LISTENERS 4096
#define TD_SURVEY_LPORTS 4096

struct td_survey {
	/* Written by the reader before each walk. */
	__u64 began_ns;		/* ages are up to this moment */
	__u64 until_ns;		/* what matches is in its state since then or longer */
	__u64 from_age_ns;	/* TD_LOOK_REFINE: bucket 0 begins here */
	__u64 age_width_ns;	/* TD_LOOK_REFINE: of one bucket */
	__u64 leak_ns, held_ns; /* CLOSE_WAIT and FIN_WAIT2 of this age are counted apart */
	__u32 states;		/* what matches is in one of these: bit n = state n */
	__u32 most;		/* TD_LOOK_LIST: no more records than this */
	/* The walk's. */
	__u64 population[16]; /* by enum td_state */
	__u64 oldest_ns[16];
	__u32 oldest_dwell[16]; /* enum td_dwell of it; TD_DWELL_UNKNOWN: there is none */
	__u64 matching;
	__u32 ages[TD_AGES];	    /* of those that match */
	__u64 of_other_owners[16];  /* sockets by state whose owner found no room */
	__u64 ports_left_out;	    /* connections whose destination found no room */
	__u64 of_other_cgroups[16]; /* sockets by state whose cgroup found no room */
	__u64 listeners_left_out;
	__u32 listed;
	__u32 pad;
};

/* Keys are zero where they are not filled. */
struct td_survey_owner {
	__u64 unclosed, oldest_unclosed_ns; /* in CLOSE_WAIT for `leak_ns` or longer */
	__u32 sockets[16];		    /* by enum td_state */
};

struct td_survey_destination {
	__u32 laddr[4], raddr[4]; /* network order; IPv4 in the first, the rest 0 */
	__u32 netns;
	__u16 rport;
	__u16 family;  /* 4 or 6; 4 of an IPv4-mapped IPv6 address */
	__u32 ifindex; /* bound device, or a link-local address's; 0 if none */
};

struct td_survey_ports {
	__u64 live, time_wait; /* local ports that are taken, and those of a TIME_WAIT */
};

/* Of the sockets of a cgroup, by enum td_state. The key is its id. */
struct td_survey_cgroup {
	__u64 oldest_ns[16]; /* of those whose age is known or bounded; 0 where there is none */
	__u32 sockets[16];
};

/* Those that listen at the same address and port. */
struct td_survey_place {
	__u32 laddr[4]; /* network order; IPv4 in the first, the rest 0 */
	__u32 netns;
	__u16 lport;
	__u16 family; /* 4 or 6 */
};

struct td_survey_listener {
	__u64 waiting; /* connections that nobody has accepted (sk_ack_backlog) */
	__u64 most;    /* that may wait (sk_max_ack_backlog) */
	__u64 drops;   /* since they were made (sk_drops) */
	__u64 sockets;
	__u64 overflows; /* what found the queue full, since they were first seen; see td_config */
};

/* Sockets by local port, but for those that connect() chose. */
struct td_survey_lport {
	__u32 netns;
	__u16 lport;
	__u16 pad;
};

struct td_survey_at_port {
	__u32 sockets[16]; /* by enum td_state */
};

struct td_survey_address {
	__u32 addr[4];
	__u32 family;
};

struct td_survey_peer {
	__u64 held, longest_ns; /* in FIN_WAIT2 for `held_ns` or longer */
};

TD_STATIC_ASSERT(sizeof(struct td_survey_owner) == 80, "td_survey_owner layout");
TD_STATIC_ASSERT(sizeof(struct td_survey_cgroup) == 192, "td_survey_cgroup layout");
TD_STATIC_ASSERT(sizeof(struct td_survey_place) == 24, "td_survey_place layout");
TD_STATIC_ASSERT(sizeof(struct td_survey_destination) == 44, "td_survey_destination layout");
TD_STATIC_ASSERT(sizeof(struct td_survey) % 8 == 0, "td_survey layout");

#endif /* TCPDWELL_SURVEY_H */
