/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * What is open, counted and grouped at the reader's request (include/tcpdwell/survey.h). open.bpf.h
 * walks; here is what a walk does with a socket that it finds, in place of a record.
 */
#ifndef TCPDWELL_SURVEY_BPF_H
#define TCPDWELL_SURVEY_BPF_H

#include <tcpdwell/survey.h>

#include "filter.bpf.h"
#include "live.bpf.h"
#include "maps.bpf.h"
#include "ports.bpf.h"
#include "request.bpf.h"
#include "tally.bpf.h"

struct bpf_map;

/* Both are the reader's, and of the walks that it makes. */
volatile __u32 look_for; /* enum td_look_for */
struct td_survey survey;

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, TD_SURVEY_OWNERS); /* here and below: 1 where nothing is surveyed */
	__type(key, char[TD_COMM_LEN]);
	__type(value, struct td_survey_owner);
} survey_owners SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, TD_SURVEY_PORTS);
	__type(key, struct td_survey_destination);
	__type(value, struct td_survey_ports);
} survey_ports SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, TD_SURVEY_PEERS);
	__type(key, struct td_survey_address);
	__type(value, struct td_survey_peer);
} survey_peers SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, TD_SURVEY_CGROUPS);
	__type(key, __u64);
	__type(value, struct td_survey_cgroup);
} survey_cgroups SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, TD_SURVEY_LISTENERS);
	__type(key, struct td_survey_place);
	__type(value, struct td_survey_listener);
} survey_listeners SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, TD_SURVEY_LPORTS);
	__type(key, struct td_survey_lport);
	__type(value, struct td_survey_at_port);
} survey_lports SEC(".maps");

static const struct td_survey_at_port no_at_port = {};
static const struct td_survey_cgroup no_cgroup = {};
static const struct td_survey_listener no_listener = {};
static const struct td_survey_owner no_owner = {};
static const struct td_survey_ports no_ports = {};
static const struct td_survey_peer no_peer = {};

/* A socket as a walk found it. */
struct td_found {
	__u64 since_ns;
	__u64 path;
	__u8 state;
	__u8 dwell; /* enum td_dwell: of its age */
	__u8 owner; /* enum td_owner */
	__u8 bound; /* bind() took its port */
	__u8 pad[4];
};

static __always_inline __u64 age_of(const struct td_found *found)
{
	return found->dwell && survey.began_ns > found->since_ns ? survey.began_ns - found->since_ns
								 : 0;
}

static __always_inline __u32 age_bucket(__u64 ns)
{
	__u32 bit = highest_bit(ns);
	__u32 octave = bit < TD_AGE_SUB_BITS ? 0 : bit - TD_AGE_SUB_BITS;

	return (octave << TD_AGE_SUB_BITS) + (ns >> octave);
}

static __always_inline bool survey_wants(const struct td_found *found)
{
	return survey.states & 1u << (found->state & 15) && found->since_ns <= survey.until_ns;
}

static __always_inline void count_owner(const struct td_found *found, const char *comm)
{
	struct td_survey_owner *owner = bpf_map_lookup_elem(&survey_owners, comm);
	__u32 state = found->state & 15;
	__u64 age = age_of(found);

	if (!owner) {
		bpf_map_update_elem(&survey_owners, comm, &no_owner, BPF_NOEXIST);
		owner = bpf_map_lookup_elem(&survey_owners, comm);
	}
	if (!owner) {
		survey.of_other_owners[state]++;
		return;
	}
	owner->sockets[state]++;
	if (state != TD_CLOSE_WAIT || age < survey.leak_ns)
		return;
	owner->unclosed++;
	if (owner->oldest_unclosed_ns < age)
		owner->oldest_unclosed_ns = age;
}

/* In the range of its network namespace; where that is not known, in the reader's. */
static __always_inline bool is_ephemeral(__u32 netns, __u16 port)
{
	struct td_net *net = bpf_map_lookup_elem(&nets, &netns);

	if (net)
		return port >= net->first_port && port <= net->last_port;
	return port >= cfg.first_port && port <= cfg.last_port;
}

/* Whether it takes a local port that connect() chose, which this host does that opened the
 * connection. Of one older than the tracer nobody saw who did; then a client's port is the one that
 * is in the range. What bind() took is counted by the walk over bound ports. */
static __always_inline bool takes_port(const struct td_found *found, const struct td_who *who)
{
	__u32 first = found->path ? found->path >> (highest_bit(found->path) & ~3u) : 0;

	if (found->state == TD_LISTEN || !who->rport || found->bound)
		return false;
	if (first == TD_SYN_SENT)
		return true;
	if (!is_ephemeral(who->netns, who->lport))
		return false;
	if (first == TD_SYN_RECV || found->owner == TD_OWNER_ACCEPT ||
	    found->owner == TD_OWNER_LISTEN)
		return false;
	return found->owner == TD_OWNER_CONNECT || !is_ephemeral(who->netns, who->rport);
}

/* The kernel has the ports of IPv4 and of IPv4-mapped IPv6 in one. */
static __always_inline void unmap_destination(struct td_survey_destination *to)
{
	if (to->family != 6 || to->raddr[0] || to->raddr[1] || to->raddr[2] != bpf_htonl(0xffff))
		return;
	to->family = 4;
	to->laddr[0] = to->laddr[3];
	to->raddr[0] = to->raddr[3];
	for (int i = 1; i < 4; i++)
		to->laddr[i] = to->raddr[i] = 0;
}

static __always_inline void count_port(const struct td_found *found, const struct td_who *who)
{
	struct td_survey_destination to = {.netns = who->netns,
					   .rport = who->rport,
					   .family = who->family,
					   .ifindex = who->ifindex};
	struct td_survey_ports *ports;

	__builtin_memcpy(to.laddr, who->laddr, sizeof(to.laddr));
	__builtin_memcpy(to.raddr, who->raddr, sizeof(to.raddr));
	unmap_destination(&to);
	ports = bpf_map_lookup_elem(&survey_ports, &to);
	if (!ports) {
		bpf_map_update_elem(&survey_ports, &to, &no_ports, BPF_NOEXIST);
		ports = bpf_map_lookup_elem(&survey_ports, &to);
	}
	if (!ports)
		survey.ports_left_out++;
	else if (found->state == TD_TIME_WAIT)
		ports->time_wait++;
	else
		ports->live++;
}

static __always_inline void count_lport(const struct td_found *found, const struct td_who *who)
{
	struct td_survey_lport port = {.netns = who->netns, .lport = who->lport};
	struct td_survey_at_port *at = bpf_map_lookup_elem(&survey_lports, &port);

	if (!at) {
		bpf_map_update_elem(&survey_lports, &port, &no_at_port, BPF_NOEXIST);
		at = bpf_map_lookup_elem(&survey_lports, &port);
	}
	if (at)
		at->sockets[found->state & 15]++;
}

static __always_inline void count_peer(const struct td_found *found, const struct td_who *who)
{
	struct td_survey_address peer = {.family = who->family};
	struct td_survey_peer *held;
	__u64 age = age_of(found);

	if (found->state != TD_FIN_WAIT2 || age < survey.held_ns)
		return;
	__builtin_memcpy(peer.addr, who->raddr, sizeof(peer.addr));
	held = bpf_map_lookup_elem(&survey_peers, &peer);
	if (!held) {
		bpf_map_update_elem(&survey_peers, &peer, &no_peer, BPF_NOEXIST);
		held = bpf_map_lookup_elem(&survey_peers, &peer);
	}
	if (!held)
		return;
	held->held++;
	if (held->longest_ns < age)
		held->longest_ns = age;
}

static __always_inline void count_cgroup(const struct td_found *found, __u64 id)
{
	struct td_survey_cgroup *group;
	__u32 state = found->state & 15;
	__u64 age = age_of(found);

	if (!id)
		return;
	group = bpf_map_lookup_elem(&survey_cgroups, &id);
	if (!group) {
		bpf_map_update_elem(&survey_cgroups, &id, &no_cgroup, BPF_NOEXIST);
		group = bpf_map_lookup_elem(&survey_cgroups, &id);
	}
	if (!group) {
		survey.of_other_cgroups[state]++;
		return;
	}
	group->sockets[state]++;
	if (group->oldest_ns[state] < age)
		group->oldest_ns[state] = age;
}

static __noinline int count_listener(const struct sock *sk, const struct td_who *who)
{
	struct td_survey_place place = {
	    .netns = who->netns, .lport = who->lport, .family = who->family};
	struct td_survey_listener *listener;
	__u64 key = (__u64)sk;
	struct td_sock *s = bpf_map_lookup_elem(&listeners, &key);

	__builtin_memcpy(place.laddr, who->laddr, sizeof(place.laddr));
	listener = bpf_map_lookup_elem(&survey_listeners, &place);
	if (!listener) {
		bpf_map_update_elem(&survey_listeners, &place, &no_listener, BPF_NOEXIST);
		listener = bpf_map_lookup_elem(&survey_listeners, &place);
	}
	if (!listener) {
		survey.listeners_left_out++;
		return 0;
	}
	listener->waiting += BPF_CORE_READ(sk, sk_ack_backlog);
	listener->most += BPF_CORE_READ(sk, sk_max_ack_backlog);
	listener->drops += drops_of(sk);
	listener->overflows += s ? s->overflows : 0;
	listener->sockets++;
	return 0;
}

static __always_inline void count_age(const struct td_found *found)
{
	__u64 age = age_of(found);

	if (!survey_wants(found))
		return;
	survey.matching++;
	survey.ages[age_bucket(age) & (TD_AGES - 1)]++;
}

static __always_inline void refine_age(const struct td_found *found)
{
	__u64 age = age_of(found), bucket;

	if (!survey_wants(found) || age < survey.from_age_ns || !survey.age_width_ns)
		return;
	bucket = (age - survey.from_age_ns) / survey.age_width_ns;
	if (bucket < TD_AGES)
		survey.ages[bucket & (TD_AGES - 1)]++;
}

static __noinline int count_found(const struct td_found *found, const struct td_who *who,
				  const struct td_sock *s)
{
	__u32 state = found->state & 15;
	__u64 age = age_of(found);

	survey.population[state]++;
	if (found->dwell && (!survey.oldest_dwell[state] || survey.oldest_ns[state] < age)) {
		survey.oldest_ns[state] = age;
		survey.oldest_dwell[state] = found->dwell;
	}
	count_owner(found, s->comm);
	count_cgroup(found, s->socket_cgroup_id ?: s->cgroup_id);
	if (takes_port(found, who))
		count_port(found, who);
	else
		count_lport(found, who);
	count_peer(found, who);
	count_age(found);
	return 0;
}

static long forget_owner(struct bpf_map *map, char *key, void *value, void *ctx)
{
	char comm[TD_COMM_LEN];

	__builtin_memcpy(comm, key, sizeof(comm));
	bpf_map_delete_elem(&survey_owners, comm);
	return 0;
}

static long forget_ports(struct bpf_map *map, struct td_survey_destination *key, void *value,
			 void *ctx)
{
	struct td_survey_destination to = *key;

	bpf_map_delete_elem(&survey_ports, &to);
	return 0;
}

static long forget_peer(struct bpf_map *map, struct td_survey_address *key, void *value, void *ctx)
{
	struct td_survey_address peer = *key;

	bpf_map_delete_elem(&survey_peers, &peer);
	return 0;
}

static long forget_cgroup(struct bpf_map *map, __u64 *key, void *value, void *ctx)
{
	__u64 id = *key;

	bpf_map_delete_elem(&survey_cgroups, &id);
	return 0;
}

static long forget_listener(struct bpf_map *map, struct td_survey_place *key, void *value,
			    void *ctx)
{
	struct td_survey_place place = *key;

	bpf_map_delete_elem(&survey_listeners, &place);
	return 0;
}

static long forget_lport(struct bpf_map *map, struct td_survey_lport *key, void *value, void *ctx)
{
	struct td_survey_lport port = *key;

	bpf_map_delete_elem(&survey_lports, &port);
	return 0;
}

/* Nothing is counted any more. The reader, which may write to no map, does the same with `survey`
 * itself. */
SEC("syscall")
int forget_survey(void *ctx)
{
	bpf_for_each_map_elem(&survey_owners, forget_owner, NULL, 0);
	bpf_for_each_map_elem(&survey_ports, forget_ports, NULL, 0);
	bpf_for_each_map_elem(&survey_peers, forget_peer, NULL, 0);
	bpf_for_each_map_elem(&survey_cgroups, forget_cgroup, NULL, 0);
	bpf_for_each_map_elem(&survey_listeners, forget_listener, NULL, 0);
	bpf_for_each_map_elem(&survey_lports, forget_lport, NULL, 0);
	return 0;
}

#endif
