/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* What the kernel program remembers of a full socket, and where. */
#ifndef TCPDWELL_SOCK_BPF_H
#define TCPDWELL_SOCK_BPF_H

#include "kernel.bpf.h"
#include <tcpdwell/config.h>

/* Bits of td_sock.flags. */
#define TD_S_GAP 0x01	    /* a line of this connection was lost */
#define TD_S_FIRST_DUE 0x02 /* the connection's first line is still to be written */
#define TD_S_PASSIVE 0x10   /* SYN_RECV after LISTEN: its past is with the request socket */
#define TD_S_FIN_IN 0x20    /* the peer's FIN was received */
#define TD_S_RST_IN 0x40    /* a RST of the peer's was received: it ends */
#define TD_S_TOLD 0x04	    /* a record of it was made */
#define TD_S_SHOWN 0x08	    /* the owner passed the filter once: shown to the end */
#define TD_S_BOUND 0x80	    /* bind() took its port */

/*
 * What is known of one connection, in a slot or in socket storage (bpf/slots.bpf.h).
 *
 * Transitions of one socket come one after the other, under its lock, and the walk over sockets
 * takes that lock too. But accept() and the walk over open files learn the owner without it, while
 * the other CPU may have the socket's next transition. So in_cgroup and of_command are bytes of
 * their own, for a flag that is set there could undo one that is set here. A line written at that
 * very moment may have the owner's old name with the new number; the next one has both.
 */
struct td_sock {
	/* These alone where there are only counts (TD_BRIEF_BYTES). */
	__u64 since_ns; /* when `state` was entered */
	__u64 start_ns; /* when the connection began; 0 = unknown */
	__u64 path;
	__u64 first_ns; /* with TD_S_FIRST_DUE: of the first line */
	__u32 use;
	__u32 pid;
	__u8 state;
	__u8 since; /* enum td_dwell: what now - since_ns will be worth */
	__u8 owner;
	__u8 flags;
	__u8 first_old; /* with TD_S_FIRST_DUE: the first line is first_old -> first_new */
	__u8 first_new;
	__u8 in_cgroup; /* it is inside cfg.cgroup_id (bpf/cgroup.bpf.h) */
	__u8 counted;	/* state as which it is counted among the open ones (tally.bpf.h); 0 = none
			 */
	/* From here on for those who ask for owners, */
	__u64 cookie; /* whose it is; 0 of a child until its next transition, and of nobody yet */
	__u64 cgroup_id;	/* the owner's */
	__u64 socket_cgroup_id; /* its own; 0 where the kernel keeps none */
	char comm[TD_COMM_LEN];
	/* and with TD_DETAIL_CONNECTIONS only: the stays that are over, as struct td_connection has
	 * them. */
	__u64 stays[TD_STAYS];
	__u32 told; /* how many of them a record has had, or TD_TOLD_LAST (bpf/stays.bpf.h) */
	__u16 look; /* the last one that it was told in (bpf/open.bpf.h) */
	__u8 stays_left_out;
	__u8 n_stays;
	__u8 error;	 /* the last that the stack reported to whoever has it open */
	__u8 request;	 /* TD_F_DEFERRED or TD_F_QUEUE_FULL of the request it was */
	__u8 of_command; /* the owner is of the command asked for (bpf/command.bpf.h) */
	__u8 restored;	 /* TCP_REPAIR brought it back: it sent no SYN */
	/* Of a listener, in `listeners`: */
	__u32 overflows; /* as td_survey_listener.overflows */
	union {
		struct {
			__u32 peak;	    /* as td_live.peak */
			__u32 drops_before; /* what it had dropped when it was first seen */
		};
		/* Of a child, with TD_MINI_FENTRY: 0 until accept() fetches it, then when it did,
		 * and since it left ESTABLISHED how long it waited there (TD_WAIT_OVER). */
		__u64 accept;
	};
};

#define TD_WAIT_OVER (1ull << 63)
#define TD_WAIT_UNACCEPTED (1ull << 62) /* nobody had fetched it by then */
#define TD_WAIT_NS (TD_WAIT_UNACCEPTED - 1)
#define TD_WAIT_UNKNOWN ~0ull

/* The path of a server's connection that is ESTABLISHED and whose beginning was seen. */
#define TD_PATH_PASSIVE (TD_SYN_RECV << 4 | TD_ESTABLISHED)

/* Who a line is about: addresses and ports as in struct td_event. */
struct td_who {
	__u32 laddr[4], raddr[4];
	__u16 lport, rport;
	__u32 netns;
	__u32 family;  /* 4 or 6; a word, so that the struct has no holes */
	__u32 ifindex; /* bound device, or a link-local address's; 0 if none */
};

/* One line about to be written or counted. */
struct td_line {
	__u64 mono_ns, dwell_ns, cookie;
	__u8 old_state, new_state, dwell, reason;
	__u8 restarts;
	__u8 error;
	__u8 waits; /* for what may yet say another reason (bpf/abort.bpf.h) */
	__u8 pad;
	__u16 first_port, last_port, reserved; /* as in struct td_event */
	__u16 pad2;
};

#define TD_BRIEF_BYTES TD_OFFSETOF(struct td_sock, cookie)

struct {
	__uint(type, BPF_MAP_TYPE_SK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct td_sock);
} socks SEC(".maps");

/*
 * Socket storage is the dearest part of a connection: two allocations when its socket appears, and
 * as many to free. So what comes and goes while all is traced has a slot, which is found and left
 * without an allocation or a lock. A socket that finds its places taken has socket storage, as have
 * those that are older than the tracer and those that a process keeps after a connection has ended.
 *
 * A socket's transitions come one after the other, and its slot is left after the last one. If the
 * host hides that one, the slot is the next socket's that has the address, which begins anew in it.
 * Until then whoever walks over slots finds that the socket has another cookie or another state.
 */
#define TD_SLOT_PLACES 4 /* where a socket may be: in one line of the cache of slot_sks */
#define TD_SLOT_BITS 15
#define TD_BRIEF_SLOT_BITS 16 /* where there are only counts */

/* Addresses of the sockets whose slots these are; 0 = free. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1 << TD_SLOT_BITS); /* 1 << TD_BRIEF_SLOT_BITS of brief ones */
	__type(key, __u32);
	__type(value, __u64);
} slot_sks SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1 << TD_SLOT_BITS); /* as of slot_sks */
	__uint(key_size, sizeof(__u32));
	__uint(value_size, sizeof(struct td_sock)); /* TD_BRIEF_BYTES of brief ones */
} slots SEC(".maps");

#endif
