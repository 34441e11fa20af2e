// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * Every TCP state transition of the host, timed where it happens.
 *
 * The state a socket is in, since when, and who owns it live with the socket; the ring carries
 * finished lines. Losing a line therefore never falsifies the next one.
 */
#include "abort.bpf.h"
#include "accept.bpf.h"
#include "cgroup.bpf.h"
#include "close.bpf.h"
#include "context.bpf.h"
#include "emit.bpf.h"
#include "fentry.bpf.h"
#include "filter.bpf.h"
#include "gone.bpf.h"
#include "kept.bpf.h"
#include "live.bpf.h"
#include "lockless.bpf.h"
#include "maps.bpf.h"
#include "minisocket.bpf.h"
#include "open.bpf.h"
#include "owner.bpf.h"
#include "ports.bpf.h"
#include "reason.bpf.h"
#include "request.bpf.h"
#include "reset.bpf.h"
#include "seed.bpf.h"
#include "slots.bpf.h"
#include "stuck.bpf.h"
#include "sweep.bpf.h"
#include "tally.bpf.h"
#include "timer.bpf.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

/* The last transition of whoever was in the slot was hidden. */
static __always_inline void forget_other(struct td_sock *s)
{
	tally_leave(s->counted);
	if (cfg.only_counts)
		__builtin_memset(s, 0, TD_BRIEF_BYTES);
	else
		__builtin_memset(s, 0, sizeof(*s));
}

/* A passive open. The child's identity is not yet settled (until Linux 6.12 it still carries the
 * listener's cookie here), so the line waits for the next transition. */
static __always_inline void begin_passive(struct td_sock *s, const struct sock *child, __u64 now)
{
	__u64 listener;

	forget_other(s);
	s->use = 1;
	s->path = TD_SYN_RECV;
	s->flags = TD_S_FIRST_DUE | TD_S_PASSIVE;
	s->first_old = TD_LISTEN;
	s->first_new = TD_SYN_RECV;
	s->first_ns = now;
	if (asks_for_owners()) {
		listener = listener_of(child);
		inherit(s, listener);
		if (sockets_kept)
			take_kept_owner((void *)listener, s);
	}
	barrier(); /* the state last: find() */
	s->state = TD_SYN_RECV;
}

/* connect() or listen() on a socket that may have lived before. */
static __always_inline void begin_active(struct td_sock *s, __u64 now)
{
	s->use++;
	s->start_ns = now;
	s->path = 0;
	s->flags = 0;
	if (!sockets_have_cgroups())
		s->in_cgroup = 0;
	if (cfg.of_command)
		s->of_command = 0;
	s->owner = TD_OWNER_NONE;
	if (makes_records())
		s->accept = s->error = s->request = s->restored = s->overflows = 0;
	tally_leave(s->counted); /* its last end went unseen */
	s->counted = 0;
	forget_stays(s);
}

/* A socket older than the tracer, or one whose last transition was not seen. */
static __always_inline void begin_unknown(struct td_sock *s, int old_state)
{
	if (s->use && s->state)
		s->flags |= TD_S_GAP;
	if (!s->use)
		s->use = 1;
	s->start_ns = 0;
	s->path = s->path << 4 | old_state;
	s->since = TD_DWELL_UNKNOWN;
}

static __always_inline bool defer_first(const struct td_who *who, struct td_sock *s,
					const struct td_line *line)
{
	/* connect() chooses the port after the state: a port filter has to wait for it. */
	if (!cfg.filter_lports || who->lport || line->new_state != TD_SYN_SENT)
		return false;
	s->flags |= TD_S_FIRST_DUE;
	s->first_old = line->old_state;
	s->first_new = line->new_state;
	s->first_ns = line->mono_ns;
	return true;
}

static __always_inline void write_first(struct td_counters *count, struct td_sock *s,
					const struct td_who *who, __u64 cookie)
{
	struct td_line first = {
	    .mono_ns = s->first_ns,
	    .cookie = cookie,
	    .old_state = s->first_old,
	    .new_state = s->first_new,
	};

	if (!(s->flags & TD_S_FIRST_DUE))
		return;
	s->flags &= ~TD_S_FIRST_DUE;
	emit(count, &first, who, s, NULL);
}

/* Requests know their listener, and so does a child when it is made. */
static __always_inline void note_listener(struct td_counters *count, const struct sock *sk,
					  struct td_sock *s, int old_state, int new_state)
{
	__u64 key = (__u64)sk;
	struct td_sock *listener;

	if (new_state == TD_LISTEN && bpf_map_update_elem(&listeners, &key, s, BPF_ANY))
		count_one(&count->map_full);
	if (old_state == TD_LISTEN) {
		listener = bpf_map_lookup_elem(&listeners, &key);
		if (listener && makes_records()) {
			s->peak = listener->peak;
			s->drops_before = listener->drops_before;
		}
		bpf_map_delete_elem(&listeners, &key);
	}
}

/* Time-wait sockets know who connects. */
static __always_inline void note_connecting(const struct sock *sk, const struct td_who *who)
{
	struct td_connecting *task;

	task = bpf_task_storage_get(&connecting, bpf_get_current_task_btf(), NULL,
				    BPF_LOCAL_STORAGE_GET_F_CREATE);
	if (!task)
		return;
	tuple_of_who(&task->to, who);
	task->sk = (__u64)sk;
}

/* A connection that TCP_REPAIR brings back is in SYN_SENT for an instant, and sends no SYN
 * (tcp_connect, net/ipv4/tcp_output.c): that is no handshake. */
static __always_inline void note_restored(struct td_line *line, struct td_sock *s,
					  const struct sock *sk)
{
	const struct tcp_sock *tp = (const void *)sk;

	if (line->old_state != TD_SYN_SENT || line->new_state != TD_ESTABLISHED ||
	    !BPF_CORE_READ_BITFIELD_PROBED(tp, repair))
		return;
	if (makes_records())
		s->restored = 1;
	line->reason = TD_REASON_RESTORED;
	line->dwell = TD_DWELL_UNKNOWN;
	line->dwell_ns = 0;
}

/* A time-wait socket is known by the cookie, and may come after FIN_WAIT1 and after what ends. */
static __always_inline void know_again(struct td_sock *s, const struct sock *sk,
				       struct td_line *line)
{
	const volatile struct td_line *now = line;

	if (!cfg.only_counts) {
		line->cookie = cookie_of(sk);
		if (s->cookie && s->cookie != line->cookie)
			forget_other(s);
		s->cookie = line->cookie;
	} else if (now->new_state == TD_FIN_WAIT1 || now->new_state == TD_CLOSING ||
		   (now->new_state == TD_CLOSE && now->old_state != TD_LAST_ACK)) {
		line->cookie = cookie_of(sk);
	}
}

/* What the transition ends, and since when that was. */
static __always_inline void begin_line(struct td_sock *s, const struct td_who *who,
				       const struct sock *sk, const struct tcp_sock *tp,
				       struct td_line *line)
{
	const volatile struct td_line *now = line;

	if (now->old_state == TD_CLOSE) {
		begin_active(s, line->mono_ns);
		return;
	}
	if (s->state != now->old_state)
		begin_unknown(s, now->old_state);
	else if (tp && s->flags & TD_S_PASSIVE)
		req_take(s, who, tp);
	line->dwell = s->since;
	if (line->dwell)
		line->dwell_ns = line->mono_ns - s->since_ns;
	if (tp && now->old_state == TD_ESTABLISHED && knows_waits())
		note_wait(sk, tp, s, line);
}

/* Whose it is, and what others will ask of it. */
static __always_inline void learn(struct td_counters *count, const struct sock *sk,
				  struct td_sock *s, const struct td_who *who, struct td_line *line)
{
	const volatile struct td_line *now = line;

	if (asks_for_owners()) {
		note_cgroup(s, sk);
		if (sockets_kept)
			take_kept_owner(sk, s);
		learn_owner(s, sk, now->old_state, now->new_state);
		if (now->old_state == TD_LISTEN || now->new_state == TD_LISTEN)
			note_listener(count, sk, s, now->old_state, now->new_state);
	}
	if (!makes_records())
		return;
	if (now->new_state == TD_SYN_SENT) {
		note_choice(line, s, sk, who);
		if (cfg.minisockets)
			note_connecting(sk, who);
	} else if (who->ifindex && now->new_state == TD_ESTABLISHED) {
		note_iface(as_number(sk->__sk_common.skc_net.net), who->ifindex);
	}
}

static __always_inline void take(struct td_counters *count, const struct sock *sk,
				 struct td_sock *s, int old_state, int new_state)
{
	struct td_line line = {
	    .mono_ns = bpf_ktime_get_ns(), .old_state = old_state, .new_state = new_state};
	/* Read anew each time: else the verifier looks at all that follows once for each state. */
	const volatile struct td_line *now = &line;
	struct td_who who = {};
	struct tcp_sock *tp = NULL;

	count->handled++;
	if (old_state == new_state) /* tcp_set_state() reports these too; nothing changed */
		return;
	if (old_state == TD_LISTEN && new_state == TD_SYN_RECV) {
		begin_passive(s, sk, line.mono_ns);
		if (is_without_table())
			expect_gone(count, line.mono_ns);
		return;
	}
	if (!cfg.only_counts || s->flags & TD_S_PASSIVE || now->new_state == TD_CLOSE) {
		tp = bpf_skc_to_tcp_sock((void *)sk);
		if (!tp)
			return;
	}
	if (tp && (asks_for_addresses(now->new_state) ||
		   (looks_for_requests() && s->flags & TD_S_PASSIVE)))
		identify(&who, tp);
	know_again(s, sk, &line);
	begin_line(s, &who, sk, tp, &line);
	s->flags &= ~TD_S_PASSIVE;
	if (now->new_state == TD_CLOSE_WAIT || now->new_state == TD_CLOSING)
		s->flags |= TD_S_FIN_IN;
	learn(count, sk, s, &who, &line);
	write_first(count, s, &who, line.cookie);
	if (now->new_state == TD_CLOSE) {
		if (tp)
			close_full(count, sk, s, &who, tp, &line);
		if (sockets_kept)
			forget_kept((__u64)sk);
	} else {
		s->path = s->path << 4 | now->new_state;
		note_restored(&line, s, sk);
		if (!defer_first(&who, s, &line))
			emit(count, &line, &who, s, NULL);
	}
	s->since_ns = line.mono_ns;
	s->since = TD_DWELL_EXACT;
	barrier(); /* the state last: find() */
	s->state = new_state;
}

static __always_inline void note_handled(struct td_cpu *cpu, const struct sock *sk, __u64 change)
{
	cpu->last_change = change;
	if (!cfg.only_counts && change == change_of(TD_LISTEN, TD_SYN_RECV))
		cpu->child_jiffies = bpf_jiffies64();
	cpu->last_sk = (__u64)sk;
}

/*
 * The kernel runs a program at most once a CPU at a time: a softirq that interrupts it would go
 * unseen. So there is a spare behind it, which handles what the first one missed, and knows it by
 * the socket's stored state; what was just handled it skips at once. Where tracepoints leave
 * preemption on (config.h), tasks preempted inside hold programs too: there are more spares then.
 *
 * `entered` and `handled` are those of one program, which does not interrupt itself: no need for
 * atomic additions. last_sk and last_change are shared by the programs of a CPU, which may
 * interrupt each other. on_state forgets last_sk first and sets it last, so a program in between,
 * or after one in between, finds another socket or another change there, and looks at the socket's
 * stored state. So a slot is left after the last of them.
 */
SEC("tp_btf/inet_sock_set_state")
int BPF_PROG(on_state, const struct sock *sk, const int old_state, const int new_state)
{
	__u32 zero = 0;
	struct td_cpu *cpu = bpf_map_lookup_elem(&cpus, &zero);
	struct td_sock *s;

	if (!cpu || !live)
		return 0;
	cpu->last_sk = 0;
	cpu->of[TD_PROGRAM_STATE].entered++;
	if (sk->sk_protocol != IPPROTO_TCP) {
		cpu->of[TD_PROGRAM_STATE].handled++;
	} else {
		s = entry_of(sk, &cpu->of[TD_PROGRAM_STATE]);
		if (s)
			take(&cpu->of[TD_PROGRAM_STATE], sk, s, old_state, new_state);
	}
	note_handled(cpu, sk, change_of(old_state, new_state));
	return 0;
}

static __always_inline int stand_in(const struct sock *sk, int old_state, int new_state,
				    enum td_program program)
{
	__u32 zero = 0;
	struct td_cpu *cpu = bpf_map_lookup_elem(&cpus, &zero);
	struct td_sock *s;
	bool last = program == cfg.last_spare;

	if (!cpu || !live)
		return 0;
	cpu->of[program].entered++;
	if (cpu->last_sk == (__u64)sk && cpu->last_change == change_of(old_state, new_state)) {
		if (last && new_state == TD_CLOSE)
			be_done(sk, &cpu->of[program]);
		if (last)
			cpu->last_sk = 0;
		return 0;
	}
	if (sk->sk_protocol != IPPROTO_TCP)
		return 0;
	s = entry_of(sk, &cpu->of[program]);
	if (s && s->state != new_state)
		take(&cpu->of[program], sk, s, old_state, new_state);
	if (!last)
		note_handled(cpu, sk, change_of(old_state, new_state));
	else if (new_state == TD_CLOSE)
		be_done(sk, &cpu->of[program]);
	return 0;
}

#define SPARE(name, program)                                                                       \
	SEC("tp_btf/inet_sock_set_state")                                                          \
	int BPF_PROG(name, const struct sock *sk, const int old_state, const int new_state)        \
	{                                                                                          \
		return stand_in(sk, old_state, new_state, program);                                \
	}

SPARE(on_state_spare, TD_PROGRAM_SPARE)
SPARE(on_state_spare2, TD_PROGRAM_SPARE2)
SPARE(on_state_spare3, TD_PROGRAM_SPARE3)
SPARE(on_state_spare4, TD_PROGRAM_SPARE4)
SPARE(on_state_spare5, TD_PROGRAM_SPARE5)
