/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Made by vmlinux/regenerate: do not edit. The kernel types that bpf/ uses, reduced to the fields it
 * uses; preserve_access_index makes every access relocatable (CO-RE).
 */
#ifndef __VMLINUX_H__
#define __VMLINUX_H__

#include <linux/bpf.h>
#include <linux/types.h>
#include <stdbool.h>
#ifndef NULL
#define NULL ((void *)0)
#endif

#ifndef BPF_NO_PRESERVE_ACCESS_INDEX
#pragma clang attribute push (__attribute__((preserve_access_index)), apply_to = record)
#endif

typedef unsigned char __u8;

typedef short unsigned int __u16;

typedef unsigned int __u32;

typedef long long int __s64;

typedef long long unsigned int __u64;

typedef __u8 u8;

typedef __u16 u16;

typedef __u32 u32;

typedef __s64 s64;

typedef __u64 u64;

typedef int __kernel_pid_t;

typedef __u16 __be16;

typedef __u32 __be32;

typedef short unsigned int umode_t;

typedef __kernel_pid_t pid_t;

typedef struct {
	int counter;
} atomic_t;

typedef struct {
	s64 counter;
} atomic64_t;

struct hlist_node;

struct hlist_head {
	struct hlist_node *first;
};

struct hlist_node {
	struct hlist_node **pprev;
};

struct pid;

struct files_struct;

struct nsproxy;

struct css_set;

struct task_struct {
	unsigned int flags;
	unsigned int in_execve: 1;
	pid_t tgid;
	struct task_struct *group_leader;
	struct pid *thread_pid;
	char comm[16];
	struct files_struct *files;
	struct nsproxy *nsproxy;
	struct css_set *cgroups;
};

struct pt_regs {
	long unsigned int orig_ax;
};

struct refcount_struct {
	atomic_t refs;
};

typedef struct refcount_struct refcount_t;

struct ns_common {
	unsigned int inum;
	refcount_t __ns_ref;
};

struct pid_namespace {
	struct ns_common ns;
};

struct timer_list {
	struct hlist_node entry;
	long unsigned int expires;
	void *function;
};

struct upid {
	int nr;
	struct pid_namespace *ns;
};

struct pid {
	unsigned int level;
	struct upid numbers[0];
};

struct net;

struct nsproxy {
	struct net *net_ns;
};

struct cgroup;

struct css_set {
	struct cgroup *dfl_cgrp;
};

typedef struct {
	atomic64_t refcnt;
} file_ref_t;

struct inode;

struct file {
	void *private_data;
	struct inode *f_inode;
	file_ref_t f_ref;
};

struct sk_buff {
	char cb[48];
	union {
		struct {
			__be16 protocol;
			__u16 transport_header;
		};
	};
	unsigned char *head;
};

struct inode {
	umode_t i_mode;
};

struct kernfs_node;

struct cgroup {
	int level;
	struct kernfs_node *kn;
	struct cgroup *ancestors[0];
};

struct kernfs_node {
	u64 id;
};

struct inet_hashinfo;

struct inet_timewait_death_row {
	refcount_t tw_refcount;
	struct inet_hashinfo *hashinfo;
	int sysctl_max_tw_buckets;
};

struct local_ports {
	u32 range;
};

struct netns_ipv4 {
	struct inet_timewait_death_row tcp_death_row;
	struct local_ports ip_local_ports;
	long unsigned int *sysctl_local_reserved_ports;
};

struct net {
	struct ns_common ns;
	struct hlist_head *dev_index_head;
	struct netns_ipv4 ipv4;
};

struct in6_addr {
	union {
		__be32 u6_addr32[4];
	} in6_u;
};

typedef struct {
	struct net *net;
} possible_net_t;

struct proto;

struct sock;

struct sock_common {
	union {
		struct {
			__be32 skc_daddr;
			__be32 skc_rcv_saddr;
		};
	};
	union {
		struct {
			__be16 skc_dport;
			__u16 skc_num;
		};
	};
	short unsigned int skc_family;
	volatile unsigned char skc_state;
	int skc_bound_dev_if;
	union {
		struct hlist_node skc_bind_node;
	};
	struct proto *skc_prot;
	possible_net_t skc_net;
	struct in6_addr skc_v6_daddr;
	struct in6_addr skc_v6_rcv_saddr;
	atomic64_t skc_cookie;
	union {
		long unsigned int skc_flags;
		struct sock *skc_listener;
	};
};

struct sk_buff_head {
	union {
		struct {
			struct sk_buff *prev;
		};
	};
};

typedef struct {
	int owned;
} socket_lock_t;

struct sock_cgroup_data {
	struct cgroup *cgroup;
};

struct socket;

struct sock {
	struct sock_common __sk_common;
	atomic_t sk_drops;
	struct sk_buff_head sk_error_queue;
	u8 sk_userlocks;
	int sk_err;
	struct socket *sk_socket;
	socket_lock_t sk_lock;
	int sk_err_soft;
	struct timer_list sk_timer;
	u16 sk_protocol;
	u8 sk_kern_sock: 1;
	u8 sk_shutdown;
	u32 sk_ack_backlog;
	u32 sk_max_ack_backlog;
	struct sock_cgroup_data sk_cgrp_data;
};

struct net_device {
	int ifindex;
	char name[16];
	struct hlist_node index_hlist;
};

struct socket {
	struct file *file;
	struct sock *sk;
};

struct proto {
	int *per_cpu_fw_alloc;
};

struct request_sock_ops {
	int family;
};

struct request_sock {
	struct sock_common __req_common;
	struct request_sock *dl_next;
	u8 num_retrans;
	u8 num_timeout: 7;
	struct timer_list rsk_timer;
	const struct request_sock_ops *rsk_ops;
	struct sock *sk;
};

struct bpf_array {
	union {
		struct {
			void *pptrs[0];
		};
	};
};

struct fdtable;

struct files_struct {
	struct fdtable *fdt;
};

struct fdtable {
	unsigned int max_fds;
	struct file **fd;
	long unsigned int *open_fds;
};

struct bpf_iter_meta {
	union {
		void *seq;
	};
	u64 seq_num;
};

struct bpf_iter__task {
	union {
		struct bpf_iter_meta *meta;
	};
	union {
		struct task_struct *task;
	};
};

struct bpf_iter__task_file {
	union {
		struct bpf_iter_meta *meta;
	};
	union {
		struct task_struct *task;
	};
	u32 fd;
	union {
		struct file *file;
	};
};

struct inet_bind_hashbucket;

struct inet_hashinfo {
	struct inet_bind_hashbucket *bhash;
	unsigned int bhash_size;
};

struct inet_bind_hashbucket {
	struct hlist_head chain;
};

struct inet_sock {
	struct sock sk;
	__be16 inet_sport;
	u32 local_port_range;
};

struct tcphdr {
	__be16 source;
};

struct sock_extended_err {
	__u32 ee_errno;
};

struct sock_exterr_skb {
	struct sock_extended_err ee;
};

struct request_sock_queue {
	u8 rskq_defer_accept;
	struct request_sock *rskq_accept_head;
};

struct minmax_sample {
	u32 v;
};

struct minmax {
	struct minmax_sample s[3];
};

struct inet_bind_bucket;

struct inet_connection_sock {
	struct inet_sock icsk_inet;
	struct request_sock_queue icsk_accept_queue;
	struct inet_bind_bucket *icsk_bind_hash;
	struct timer_list icsk_retransmit_timer;
	void *icsk_ulp_data;
	__u8 icsk_retransmits;
	__u8 icsk_pending;
};

struct inet_bind_bucket {
	possible_net_t ib_net;
	int l3mdev;
	short unsigned int port;
	signed char fastreuse;
	signed char fastreuseport;
	struct hlist_node node;
	struct hlist_head bhash2;
};

struct inet_bind2_bucket {
	struct hlist_node bhash_node;
	struct hlist_head owners;
};

struct tcp_options_received {
	u16 saw_tstamp: 1;
	u16 tstamp_ok: 1;
};

struct tcp_sock {
	struct inet_connection_sock inet_conn;
	u8 repair: 1;
	u32 copied_seq;
	struct minmax rtt_min;
	u32 segs_out;
	u64 bytes_sent;
	u32 write_seq;
	u32 lsndtime;
	u32 rcv_nxt;
	u32 snd_nxt;
	u32 snd_una;
	u32 srtt_us;
	u32 rcv_tstamp;
	struct tcp_options_received rx_opt;
	u64 bytes_received;
	u32 segs_in;
	u64 bytes_acked;
	u8 fastopen_connect: 1;
	u8 syn_data_acked: 1;
	u64 bytes_retrans;
	u32 total_retrans;
	int linger2;
	bool is_mptcp;
};

struct inet_request_sock {
	struct request_sock req;
	u16 acked: 1;
};

struct tcp_request_sock {
	struct inet_request_sock req;
	u64 snt_synack;
};

struct inet_timewait_sock {
	struct sock_common __tw_common;
	unsigned char tw_substate;
	u32 tw_entry_stamp;
	struct timer_list tw_timer;
	struct inet_bind_bucket *tw_tb;
};

struct tcp_timewait_sock {
	struct inet_timewait_sock tw_sk;
	int tw_ts_recent_stamp;
};

struct bpf_iter__bpf_sk_storage_map {
	union {
		struct bpf_iter_meta *meta;
	};
	union {
		struct sock *sk;
	};
	union {
		void *value;
	};
};

struct bpf_iter__tcp {
	union {
		struct bpf_iter_meta *meta;
	};
	union {
		struct sock_common *sk_common;
	};
};

struct mptcp_subflow_context {
	struct sock *conn;
};

#ifndef BPF_NO_PRESERVE_ACCESS_INDEX
#pragma clang attribute pop
#endif

#endif /* __VMLINUX_H__ */
