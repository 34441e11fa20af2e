/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Local ports as the kernel counts them. connect() chooses one of the socket's own range or of the
 * network namespace's, passes by those that are reserved and those that any bind() took, whatever
 * its address, and takes one that is free towards its destination (__inet_hash_connect,
 * net/ipv4/inet_hashtables.c). Links and VRFs have tables of their own: buckets are told apart by
 * l3mdev.
 */
#ifndef TCPDWELL_PORTS_BPF_H
#define TCPDWELL_PORTS_BPF_H

#include "context.bpf.h"
#include "filter.bpf.h"
#include "lockless.bpf.h"
#include "maps.bpf.h"

struct bpf_map;

#define TD_PORT_LOOK_NS 100000000ull /* reserved ports are counted no more often */

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, TD_NETS); /* 1 where there are only counts */
	__type(key, __u32);
	__type(value, struct td_net);
} nets SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, TD_IFACES); /* 1 where there are only counts */
	__type(key, struct td_iface);
	__type(value, char[TD_COMM_LEN]); /* IFNAMSIZ is as long */
} ifaces SEC(".maps");

/* Words of a bitmap of ports, for bpf_for_each_map_elem() to count up to; there is nothing in it.
 */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, TD_PORT_WORDS);
	__type(key, __u32);
	__type(value, __u8);
} port_words SEC(".maps");

/* Counts what changed in `nets`: the reader looks there when this has. */
__u32 port_changes;
/* And what found no port: the reader then looks which are bound. */
__u32 ports_ran_out;

/* Written by the reader, then by look_at_bound(). */
volatile __u32 bound_from;
struct td_bound bound[TD_BOUND_AT_ONCE];
__u32 bound_n;

/* struct local_ports has two numbers behind a seqlock, and since Linux 6.8 a word (d9f28735af87
 * "Use READ/WRITE_ONCE() for IP local_port_range"). */
struct local_ports___pair {
	int range[2];
} __attribute__((preserve_access_index));

struct netns_ipv4___pair {
	struct local_ports___pair ip_local_ports;
} __attribute__((preserve_access_index));

struct net___pair {
	struct netns_ipv4___pair ipv4;
} __attribute__((preserve_access_index));

/* From Linux 5.18 to 6.0 a pointer (fbb8295248e1 "tcp: allocate tcp_death_row outside of struct
 * netns_ipv4"). */
struct netns_ipv4___outside {
	struct inet_timewait_death_row *tcp_death_row;
} __attribute__((preserve_access_index));

struct net___outside {
	struct netns_ipv4___outside ipv4;
} __attribute__((preserve_access_index));

/* The sockets of a bucket are in it until Linux 6.7, and since then in buckets by address. */
struct inet_bind_bucket___owners {
	struct hlist_head owners;
} __attribute__((preserve_access_index));

/* IP_LOCAL_PORT_RANGE came with Linux 6.3 as a pair, and is a word since 6.8. */
struct inet_sock___pair {
	struct {
		__u16 lo;
		__u16 hi;
	} local_port_range;
} __attribute__((preserve_access_index));

/* Both inclusive, the first in the lower half; 0 where this kernel keeps it elsewhere. */
static __always_inline __u32 port_range_of(const struct net *net)
{
	const struct net___pair *pair = (const void *)net;

	if (bpf_core_field_exists(net->ipv4.ip_local_ports.range))
		return BPF_CORE_READ(net, ipv4.ip_local_ports.range);
	if (bpf_core_field_exists(pair->ipv4.ip_local_ports.range))
		return (__u16)BPF_CORE_READ(pair, ipv4.ip_local_ports.range[0]) |
		       (__u32)BPF_CORE_READ(pair, ipv4.ip_local_ports.range[1]) << 16;
	return 0;
}

static __always_inline __u64 reserved_ports_of(const struct net *net)
{
	return (__u64)BPF_CORE_READ(net, ipv4.sysctl_local_reserved_ports);
}

struct td_count_ports {
	__u64 bitmap;
	__u32 first, last, count;
	__u32 pad;
};

static long count_word(struct bpf_map *map, __u32 *key, __u8 *value, struct td_count_ports *c)
{
	__u32 at = *key;
	__u64 word = 0;

	if (at < c->first / 64)
		return 0;
	if (at > c->last / 64)
		return 1;
	bpf_probe_read_kernel(&word, sizeof(word), (void *)(c->bitmap + at * 8));
	if (at == c->first / 64)
		word &= ~0ull << (c->first & 63);
	if (at == c->last / 64)
		word &= ~0ull >> (63 - (c->last & 63));
	c->count += __builtin_popcountll(word);
	return 0;
}

/* `bitmap` is the address of one of 65,536 bits; 0 = none is reserved. A loop would be verified
 * round by round, in each program that has it. */
static __noinline int count_reserved(__u64 bitmap, __u32 first, __u32 last)
{
	struct td_count_ports count = {.bitmap = bitmap, .first = first, .last = last};

	if (bitmap)
		bpf_for_each_map_elem(&port_words, count_word, &count, 0);
	return count.count;
}

static __always_inline bool is_reserved(__u64 bitmap, __u16 port)
{
	__u64 word = 0;

	if (bitmap)
		bpf_probe_read_kernel(&word, sizeof(word), (void *)(bitmap + port / 64 * 8));
	return word >> (port % 64) & 1;
}

/* What the namespace gives to connect(), as it is now. Two CPUs at once may count a change twice.
 */
__noinline int note_net(__u64 address)
{
	const struct net *net = (const void *)address;
	__u32 netns = BPF_CORE_READ(net, ns.inum), range = port_range_of(net);
	struct td_net fresh = {.looked_ns = bpf_ktime_get_ns(),
			       .first_port = range & 0xffff,
			       .last_port = range >> 16};
	struct td_net *known;
	bool same;

	if (!netns || !range || (cfg.netns && cfg.netns != netns))
		return 0;
	known = bpf_map_lookup_elem(&nets, &netns);
	same =
	    known && known->first_port == fresh.first_port && known->last_port == fresh.last_port;
	if (same && fresh.looked_ns - known->looked_ns < TD_PORT_LOOK_NS)
		return 0;
	fresh.reserved = count_reserved(reserved_ports_of(net), fresh.first_port, fresh.last_port);
	if (same && known->reserved == fresh.reserved) {
		known->looked_ns = fresh.looked_ns;
		return 0;
	}
	fresh.changes = __sync_fetch_and_add(&port_changes, 1) + 1;
	bpf_map_update_elem(&nets, &netns, &fresh, BPF_ANY);
	return 0;
}

#define TD_DEVICES_IN_BUCKET 64
#define NETDEV_HASHENTRIES 256 /* include/linux/netdevice.h */

/* The name of a device, looked up as the kernel does (dev_get_by_index_rcu). */
__noinline int note_iface(__u64 address, __u32 ifindex)
{
	const struct net *net = (const void *)address;
	struct td_iface key = {.netns = BPF_CORE_READ(net, ns.inum), .ifindex = ifindex};
	__u64 heads = (__u64)BPF_CORE_READ(net, dev_index_head), node = 0;
	char name[TD_COMM_LEN] = {};

	bpf_probe_read_kernel(&node, sizeof(node),
			      (void *)(heads + ifindex % NETDEV_HASHENTRIES * sizeof(node)));
	for (int i = 0; i < TD_DEVICES_IN_BUCKET && node; i++) {
		struct net_device *dev =
		    (void *)(node - bpf_core_field_offset(struct net_device, index_hlist));

		if ((__u32)BPF_CORE_READ(dev, ifindex) == ifindex) {
			bpf_probe_read_kernel(name, sizeof(name) - 1, &dev->name);
			bpf_map_update_elem(&ifaces, &key, name, BPF_ANY);
			return 1;
		}
		bpf_probe_read_kernel(&node, sizeof(node), (void *)node);
	}
	return 0;
}

/* The socket's own range within the namespace's, by the rule of inet_sk_get_local_port_range(). */
static __always_inline void read_own_range(struct td_line *line, const struct sock *sk)
{
	const struct inet_sock *inet = (const void *)sk;
	const struct inet_sock___pair *pair = (const void *)sk;
	const struct net *net = sk->__sk_common.skc_net.net;
	__u32 own = 0, range;
	__u16 low, high;

	if (bpf_core_field_exists(inet->local_port_range))
		own = BPF_CORE_READ(inet, local_port_range);
	else if (bpf_core_field_exists(pair->local_port_range.lo))
		own = BPF_CORE_READ(pair, local_port_range.lo) |
		      (__u32)BPF_CORE_READ(pair, local_port_range.hi) << 16;
	range = own ? port_range_of(net) : 0;
	if (!range)
		return;
	low = own & 0xffff;
	high = own >> 16;
	line->first_port = range & 0xffff;
	line->last_port = range >> 16;
	if (line->first_port <= low && low <= line->last_port)
		line->first_port = low;
	if (line->first_port <= high && high <= range >> 16)
		line->last_port = high;
	line->reserved = count_reserved(reserved_ports_of(net), line->first_port, line->last_port);
}

/* inet_bind_bucket.fastreuse and fastreuseport are -1 where connect() alone uses the port. */
static __always_inline bool bind_took(const struct inet_bind_bucket *bucket)
{
	return bucket &&
	       (BPF_CORE_READ(bucket, fastreuse) >= 0 || BPF_CORE_READ(bucket, fastreuseport) >= 0);
}

static __always_inline bool bind_took_port_of(const struct sock *sk)
{
	const struct inet_connection_sock *icsk = (const void *)sk;

	return bind_took(BPF_CORE_READ(icsk, icsk_bind_hash));
}

static __always_inline bool bind_took_port_of_tw(const struct inet_timewait_sock *tw)
{
	return bind_took(BPF_CORE_READ(tw, tw_tb));
}

static __always_inline void note_ports_of(const struct sock *sk, __u32 ifindex)
{
	__u64 net = as_number(sk->__sk_common.skc_net.net);

	note_net(net);
	if (ifindex)
		note_iface(net, ifindex);
}

/* A socket that begins to connect: whether its port has been chosen by bind(), and else from
 * which. */
static __always_inline void note_choice(struct td_line *line, struct td_sock *s,
					const struct sock *sk, const struct td_who *who)
{
	if (sk->__sk_common.skc_num)
		s->flags |= TD_S_BOUND;
	read_own_range(line, sk);
	note_ports_of(sk, who->ifindex);
}

#define TD_OWNERS_AT_MOST 8
#define TD_ADDRESSES_AT_MOST 8

/* Whether all sockets of a list are in no state: 1 if so, 0 if not, or if they are too many. */
__noinline int none_is_in_a_state(__u64 node)
{
	for (int i = 0; i < TD_OWNERS_AT_MOST; i++) {
		struct sock_common *owner;

		if (!node)
			return i > 0;
		owner = (void *)(node - bpf_core_field_offset(struct sock_common, skc_bind_node));
		if (BPF_CORE_READ(owner, skc_state) != TD_CLOSE)
			return 0;
		bpf_probe_read_kernel(&node, sizeof(node), (void *)node);
	}
	return 0;
}

__noinline int is_unconnected(__u64 bucket)
{
	const struct inet_bind_bucket *split = (void *)bucket;
	const struct inet_bind_bucket___owners *whole = (void *)bucket;
	__u64 node;

	if (!bpf_core_field_exists(split->bhash2))
		return none_is_in_a_state((__u64)BPF_CORE_READ(whole, owners.first));
	node = (__u64)BPF_CORE_READ(split, bhash2.first);
	for (int i = 0; i < TD_ADDRESSES_AT_MOST; i++) {
		struct inet_bind2_bucket *of_address;

		if (!node)
			return i > 0;
		of_address =
		    (void *)(node - bpf_core_field_offset(struct inet_bind2_bucket, bhash_node));
		if (!none_is_in_a_state((__u64)BPF_CORE_READ(of_address, owners.first)))
			return 0;
		bpf_probe_read_kernel(&node, sizeof(node), (void *)node);
	}
	return 0;
}

/* Zero where there is no room. */
static __always_inline bool tell_bound(__u64 address, __u32 netns)
{
	const struct inet_bind_bucket *bucket = (void *)address;
	const struct net *net = BPF_CORE_READ(bucket, ib_net.net);
	struct td_net *known = bpf_map_lookup_elem(&nets, &netns);
	__u16 port = BPF_CORE_READ(bucket, port);
	struct td_bound *told;
	__u32 at = bound_n;

	if (!known || port < known->first_port || port > known->last_port ||
	    is_reserved(reserved_ports_of(net), port))
		return true;
	if (at >= TD_BOUND_AT_ONCE)
		return false;
	told = &bound[at & (TD_BOUND_AT_ONCE - 1)];
	told->netns = netns;
	told->l3mdev = BPF_CORE_READ(bucket, l3mdev);
	told->port = port;
	told->unconnected = is_unconnected(address);
	told->pad = 0;
	if (told->l3mdev)
		note_iface((__u64)net, told->l3mdev);
	bound_n = at + 1;
	return true;
}

#define TD_BUCKETS_IN_CHAIN 128

/*
 * One chain of the table, without its lock. A bucket may be freed, and be another's, while it is
 * looked at: it is in the chain as long as its back pointer says so, which is looked at before and
 * after. Where it is not, the rest of this chain is passed by. 1 when there is no room.
 */
__noinline int look_at_chain(__u64 head)
{
	__u64 from = head, node = 0, pprev = 0;

	bpf_probe_read_kernel(&node, sizeof(node), (void *)head);
	for (int i = 0; i < TD_BUCKETS_IN_CHAIN && node; i++) {
		struct inet_bind_bucket *bucket =
		    (void *)(node - bpf_core_field_offset(struct inet_bind_bucket, node));
		const struct net *net = BPF_CORE_READ(bucket, ib_net.net);
		__u32 netns = BPF_CORE_READ(net, ns.inum);
		bool took = bind_took(bucket);

		bpf_probe_read_kernel(&pprev, sizeof(pprev), (void *)(node + sizeof(node)));
		if (pprev != from)
			return 0;
		note_net((__u64)net);
		if (took && !tell_bound((__u64)bucket, netns))
			return 1;
		from = node;
		bpf_probe_read_kernel(&node, sizeof(node), (void *)node);
	}
	return 0;
}

static __always_inline struct inet_hashinfo *bound_table(void)
{
	struct task_struct *task = (void *)bpf_get_current_task();
	struct net *net = BPF_CORE_READ(task, nsproxy, net_ns);
	struct net___outside *outside = (void *)net;

	if (bpf_core_field_exists(net->ipv4.tcp_death_row.hashinfo))
		return BPF_CORE_READ(net, ipv4.tcp_death_row.hashinfo);
	return BPF_CORE_READ(outside, ipv4.tcp_death_row, hashinfo);
}

#define TD_CHAINS_AT_ONCE 1024

/*
 * Some of the kernel's table of bound ports (inet_hashinfo.bhash), from chain `bound_from` on. How
 * many it was through with; 0 at the end, and where there is no such table.
 */
SEC("syscall")
int look_at_bound(void *ctx)
{
	struct inet_hashinfo *table = bound_table();
	__u64 heads = (__u64)BPF_CORE_READ(table, bhash);
	__u32 size = BPF_CORE_READ(table, bhash_size), i, before;

	bound_n = 0;
	if (!heads)
		return 0;
	for (i = 0; i < TD_CHAINS_AT_ONCE; i++) {
		__u64 at = bound_from + i;

		if (at >= size)
			break;
		before = bound_n;
		if (look_at_chain(heads + at * bpf_core_type_size(struct inet_bind_hashbucket) +
				  bpf_core_field_offset(struct inet_bind_hashbucket, chain))) {
			bound_n = before;
			break;
		}
	}
	return i;
}

#endif
