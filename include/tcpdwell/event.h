/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * The contract between the kernel program (bpf/) and the user side (user/capture).
 *
 * One record, of the ring or a seed of its iterator, is one `struct td_event`, or one `struct
 * td_connection` that begins with it, complete in itself: a reader needs no earlier one. The file
 * is valid C11 and C++20; every field has a fixed width, padding is explicit, and no field needs
 * more than 8-byte alignment (BPF ring records are 8-aligned).
 *
 * Byte order: integers are host order, addresses are network order.
 * Clock: every *_ns time stamp is CLOCK_MONOTONIC (bpf_ktime_get_ns); durations are nanoseconds.
 */
#ifndef TCPDWELL_EVENT_H
#define TCPDWELL_EVENT_H

#ifndef __VMLINUX_H__
#include <linux/types.h>
#endif

#ifdef __cplusplus
#define TD_STATIC_ASSERT(cond, text) static_assert(cond, text)
#define TD_ALIGNOF(type) alignof(type)
#else
#define TD_STATIC_ASSERT(cond, text) _Static_assert(cond, text)
#define TD_ALIGNOF(type) _Alignof(type)
#endif

/* offsetof of libbpf is no constant expression for every compiler */
#define TD_OFFSETOF(type, member) __builtin_offsetof(type, member)

/* Raised on every change of layout or meaning; both sides are built from this file, so a mismatch
 * means a stale object and the reader refuses it. */
#define TD_EVENT_VERSION 7

#define TD_COMM_LEN 16 /* TASK_COMM_LEN, include/linux/sched.h */

/*
 * States carry the numbers of the kernel's enum (include/net/tcp_states.h, also the BPF_TCP_* of
 * uapi/linux/bpf.h); TCP_NEW_SYN_RECV (12) is reported as TD_SYN_RECV. 0 is "unknown".
 */
enum td_state {
	TD_UNKNOWN = 0,
	TD_ESTABLISHED = 1,
	TD_SYN_SENT = 2,
	TD_SYN_RECV = 3,
	TD_FIN_WAIT1 = 4,
	TD_FIN_WAIT2 = 5,
	TD_TIME_WAIT = 6,
	TD_CLOSE = 7,
	TD_CLOSE_WAIT = 8,
	TD_LAST_ACK = 9,
	TD_LISTEN = 10,
	TD_CLOSING = 11,
	TD_STATE_COUNT = 12,
};

enum td_kind {
	TD_KIND_TRANSITION = 1, /* a socket left `old_state` for `new_state` */
	TD_KIND_SEED = 2, /* a socket that existed before the tracer: `new_state`, age in dwell */
	TD_KIND_CONNECTION = 3, /* a struct td_connection: a connection that ended, or is open */
	TD_KIND_COUNT = 4,
};

/* What `dwell_ns` is. */
enum td_dwell {
	TD_DWELL_UNKNOWN = 0, /* dwell_ns means nothing */
	TD_DWELL_EXACT = 1,
	TD_DWELL_AT_LEAST = 2, /* the state lasted dwell_ns or longer */
	TD_DWELL_COUNT = 3,
};

/* How the owner was learned, the latest and best source wins. */
enum td_owner {
	TD_OWNER_NONE = 0,
	TD_OWNER_CONNECT = 1,
	TD_OWNER_ACCEPT = 2,
	TD_OWNER_LISTEN = 3, /* inherited from the listening socket */
	TD_OWNER_CLOSE = 4,
	TD_OWNER_SEED = 5,
	TD_OWNER_COUNT = 6,
};

/* Why a state or a connection ended. */
enum td_reason {
	TD_REASON_NONE = 0,
	TD_REASON_REFUSED = 1,
	TD_REASON_TIMEOUT = 2,
	TD_REASON_RESET_BY_PEER = 3,
	TD_REASON_RESET_LOCAL = 4,
	TD_REASON_ABORTED = 5,
	TD_REASON_EXPIRED = 6,
	TD_REASON_REUSED = 7,
	TD_REASON_REOPENED = 8,
	TD_REASON_PURGED = 9,
	TD_REASON_OVERFLOW = 10,
	TD_REASON_SYN_TIMEOUT = 11,
	TD_REASON_NO_LOCAL_PORT = 12,
	TD_REASON_UNREACHABLE = 13,
	TD_REASON_REFUSED_BY_ICMP = 14,
	TD_REASON_GIVEN_UP = 15,
	TD_REASON_LISTENER_CLOSED = 16,
	TD_REASON_REPAIRED = 17,
	TD_REASON_RESTORED = 18,
	TD_REASON_COUNT = 19,
};

/* Bits of td_event.flags. */
#define TD_F_GAP 0x01u	 /* a transition of this socket before this one was lost */
#define TD_F_STATS 0x02u /* the record carries `stats` */
#define TD_F_LIVE 0x04u	 /* a seed that carries `live`, or the end of a listening socket */
/* Of a connection that was a request: its last ACK had come and the request waited on, */
#define TD_F_DEFERRED 0x08u    /* for data (TCP_DEFER_ACCEPT), */
#define TD_F_QUEUE_FULL 0x10u  /* or for room in the accept queue */
#define TD_F_BOUND 0x20u       /* bind() took the local port, not connect(): nobody else gets it */
#define TD_F_ACCEPT_WAIT 0x40u /* the record carries `accept_wait_ns` */

/* Which timer of a socket runs, as `ss -o` and inet_diag name them. */
enum td_timer {
	TD_TIMER_OFF = 0,
	TD_TIMER_RETRANSMIT =
	    1,			/* also tail loss probe and reordering: ICSK_TIME_* but the probe */
	TD_TIMER_KEEPALIVE = 2, /* of a full socket; of FIN_WAIT2 also its end */
	TD_TIMER_TIMEWAIT = 3,
	TD_TIMER_PERSIST = 4, /* zero window probe */
	TD_TIMER_COUNT = 5,
};

/* Whether a process may have the socket open. */
enum td_held {
	TD_HELD_UNKNOWN = 0,
	TD_HELD_FILE = 1,	  /* it has a struct socket: whose, a walk over files tells */
	TD_HELD_NOT_ACCEPTED = 2, /* it has none yet: accept() has not fetched it */
	TD_HELD_CLOSED = 3,	  /* it has none any more: closed by all, the kernel ends it */
	TD_HELD_KERNEL = 4,	  /* the kernel made it for itself */
	TD_HELD_COUNT = 5,
};

/* Bits of td_live.known. */
#define TD_KNOWN_QUEUES 0x01u
#define TD_KNOWN_TIMER 0x02u

/* Traffic of the connection, on its last record only; from struct tcp_sock at that moment. */
struct td_stats {
	__u64 bytes_sent;     /* payload that left, acknowledged or not, each byte once */
	__u64 bytes_received; /* bytes_received without the peer's FIN: payload received in order */
	__u32 segs_out;
	__u32 segs_in;
	__u32 retrans;	  /* tcp_sock.total_retrans, segments */
	__u32 srtt_us;	  /* smoothed RTT in microseconds; 0 where no sample was taken */
	__u32 min_rtt_us; /* 0 where no sample was taken */
	union {
		__u32 rst; /* why this host sent the RST that ended it: 1 + enum sk_rst_reason of
			    * the kernel; 0 where it sent none, or does not say (before Linux 6.10)
			    */
		__u32 idle_ms; /* of TD_REASON_RESET_BY_PEER: how long nothing had come when the
				* data was sent that a RST answered which knows no such connection;
				* 0 where it was another RST */
	};
};

/* What a socket that exists is busy with, or a listening one was when it was closed. */
struct td_live {
	__u64 timer_ns;	  /* until `timer` expires; 0 where it is overdue or off */
	__u32 recv_queue; /* bytes nobody read yet (tcp_sock.rcv_nxt - copied_seq); LISTEN:
			   * connections nobody accepted yet (sock.sk_ack_backlog) */
	__u32 send_queue; /* bytes not acknowledged or not sent (tcp_sock.write_seq - snd_una);
			   * LISTEN: most that may wait (sock.sk_max_ack_backlog) */
	__u32 retrans;	  /* segments sent again in this socket's life (tcp_sock.total_retrans) */
	__u8 timer;	  /* enum td_timer; with TD_KNOWN_TIMER only */
	__u8 known;	  /* TD_KNOWN_*: queues and retrans of a full socket only */
	__u8 held;	  /* enum td_held */
	__u8 pad;
	__u64 file_cookie; /* with TD_HELD_FILE: of the socket that descriptors name, which is this
			    * one, or MPTCP's that it is a subflow of; 0 where that has none */
	__u32 drops; /* segments that it dropped (sock.sk_drops): of LISTEN, SYNs and ACKs for which
		      * there was no room, above all */
	__u32 peak;  /* LISTEN: the most connections that waited at once; 0 where not known */
};

/*
 * One descriptor of a process that is a TCP socket, or MPTCP's. A record of its own, written by the
 * walk over open files.
 */
struct td_holder {
	__u64 cookie;
	__u32 netns;  /* inode number */
	__u32 pid;    /* thread group id in the initial pid namespace */
	__u32 ns_pid; /* the same in td_config.pidns; 0 where it is not in there */
	__u32 fd;
	char comm[TD_COMM_LEN];
};

struct td_event {
	__u32 size;	/* bytes of this record; without STATS and LIVE it ends before `stats` */
	__u16 version;	/* TD_EVENT_VERSION */
	__u8 kind;	/* enum td_kind */
	__u8 flags;	/* TD_F_* */
	__u64 mono_ns;	/* when the transition happened */
	__u64 cookie;	/* socket cookie (sock_gen_cookie); shared by request, full and time-wait
			 * socket. Of a request that had none a counted number with bit 63 set and bit
			 * 62 not (TD_OWN_ID) */
	__u64 dwell_ns; /* time spent in old_state (seed: age in new_state); see `dwell` */
	__u64 start_ns; /* when the connection began (SYN sent or received); 0 where unknown */
	__u64 path;	/* states so far, 4 bits each, the newest in the lowest bits; 0 = none */
	__u64
	    cgroup_id; /* cgroup v2 id of the socket, which is that of the task that made it or its
			* listener; of the owner where the kernel keeps none. 0 if not known */
	__u64 owner_cgroup_id; /* of the owner when it was learned, where it is another; else 0 */
	__u32 use;	       /* 1, or the n-th use of a socket that connected again */
	__u32 netns;	       /* inode number of the network namespace */
	__u32 pid;	/* owner, thread group id in the initial pid namespace; 0 where unknown */
	__u16 lport;	/* host order; 0 where not yet known */
	__u16 rport;	/* host order; 0 where not yet known */
	__u8 family;	/* 4 or 6 */
	__u8 old_state; /* enum td_state */
	__u8 new_state; /* enum td_state */
	__u8 dwell;	/* enum td_dwell */
	__u8 owner;	/* enum td_owner */
	__u8 reason;	/* enum td_reason */
	__u8 restarts;	/* times the time-wait timer was restarted, saturating at 255 */
	__u8 error;	/* errno of the socket, where that is why it ended; 0 where not */
	__u8 laddr[16]; /* network order; IPv4 in the first 4 bytes, the rest 0 */
	__u8 raddr[16];
	char comm[TD_COMM_LEN]; /* owner's process name, NUL-terminated; empty where unknown */
	__u32 ifindex;		/* bound device, or a link-local address's; 0 if none (td_iface) */
	__u16 first_port; /* IP_LOCAL_PORT_RANGE as connect() applies it, inclusive; on the line to
			   * SYN_SENT and on seeds; 0 if none was set */
	__u16 last_port;
	union {
		__u16 reserved;	      /* of these in net.ipv4.ip_local_reserved_ports */
		__u64 accept_wait_ns; /* with TD_F_ACCEPT_WAIT: how long it was ESTABLISHED before
				       * accept() fetched it; all of it where nobody had */
	};
	union {
		struct td_stats stats; /* meaningful with TD_F_STATS only */
		struct td_live live;   /* meaningful with TD_F_LIVE only */
	};
};

/* TCP has no way through more states: SYN_SENT, SYN_RECV, ESTABLISHED, FIN_WAIT1, FIN_WAIT2,
 * TIME_WAIT. */
#define TD_STAYS 6

/* A finished stay in a word: the state in 4 bits, what its length is worth (enum td_dwell) in 2,
 * its nanoseconds in 58, which are nine years. */
#define TD_STAY_DWELL_SHIFT 4
#define TD_STAY_NS_SHIFT 6
#define TD_STAY_MOST_NS ((1ull << 58) - 1)

/*
 * `last` is as the record of its last transition; where new_state is not CLOSE the connection is
 * open, and old_state and dwell are of the state it is in. `stays` are what it went through, those
 * from `told` on for the first time: an earlier record had the others.
 */
struct td_connection {
	struct td_event last; /* without STATS its `stats` mean nothing */
	__u8 told;
	__u8 n_stays;
	__u8 stays_left_out; /* for which there was no room, saturating at 255 */
	__u8 pad[5];
	__u64 stays[TD_STAYS];
};

TD_STATIC_ASSERT(sizeof(struct td_stats) == 40, "td_stats layout");
TD_STATIC_ASSERT(sizeof(struct td_live) == 40, "td_live layout");
TD_STATIC_ASSERT(TD_OFFSETOF(struct td_live, file_cookie) == 24, "td_live layout");
TD_STATIC_ASSERT(sizeof(struct td_holder) == 40, "td_holder layout");
TD_STATIC_ASSERT(sizeof(struct td_event) == 192, "td_event layout");
TD_STATIC_ASSERT(TD_OFFSETOF(struct td_event, mono_ns) == 8, "td_event layout");
TD_STATIC_ASSERT(TD_OFFSETOF(struct td_event, owner_cgroup_id) == 56, "td_event layout");
TD_STATIC_ASSERT(TD_OFFSETOF(struct td_event, use) == 64, "td_event layout");
TD_STATIC_ASSERT(TD_OFFSETOF(struct td_event, family) == 80, "td_event layout");
TD_STATIC_ASSERT(TD_OFFSETOF(struct td_event, laddr) == 88, "td_event layout");
TD_STATIC_ASSERT(TD_OFFSETOF(struct td_event, comm) == 120, "td_event layout");
TD_STATIC_ASSERT(TD_OFFSETOF(struct td_event, ifindex) == 136, "td_event layout");
TD_STATIC_ASSERT(TD_OFFSETOF(struct td_event, accept_wait_ns) == 144, "td_event layout");
TD_STATIC_ASSERT(TD_OFFSETOF(struct td_event, stats) == 152, "td_event layout");
TD_STATIC_ASSERT(sizeof(struct td_connection) == 248, "td_connection layout");
TD_STATIC_ASSERT(TD_OFFSETOF(struct td_connection, stays) == 200, "td_connection layout");
TD_STATIC_ASSERT(TD_ALIGNOF(struct td_event) <= 8, "BPF ring records are 8-aligned");

#endif /* TCPDWELL_EVENT_H */
