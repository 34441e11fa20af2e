// SPDX-License-Identifier: BSD-2-Clause
/// Nothing is made up and nothing gets lost: over random connections of every kind, every line goes
/// on where the one before it ended, dwells add up to lives, what was opened was closed or is open
/// as the kernel lists it, and the kernel's own counters say the same as the lines.
///
/// TCPDWELL_CONSERVATION_SECONDS (60) sets how long; TCPDWELL_SEED repeats the choices of a run.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <random>
#include <set>
#include <thread>
#include <utility>

#include "support/collect.h"
#include "support/counters.h"
#include "support/ledger.h"
#include "support/listing.h"
#include "support/mix.h"
#include "support/routes.h"
#include "support/shadow.h"

namespace tcpdwell::test {
namespace {

using Kind = Ledger::Kind;
using Counters = std::map<std::string, std::uint64_t>;

std::uint64_t from_environment(const char* name, std::uint64_t otherwise) {
  const char* text = std::getenv(name);
  return text == nullptr ? otherwise : std::strtoull(text, nullptr, 10);
}

/// The sockets of a namespace at some moment between two.
struct Snapshot {
  const Netns* netns = nullptr;
  std::uint64_t before = 0, after = 0;
  std::vector<Listed> sockets;
};

/// What the host hid, event by event (Shadow): that much may be missing, and no more. A change of
/// state names its connection; a timer does not, so each stands for one.
struct Hidden {
  std::uint64_t events = 0, timers = 0;
  std::set<std::pair<unsigned, unsigned>> ports;

  void note(const std::vector<HiddenEvent>& all) {
    for (const HiddenEvent& event : all)
      if (event.timer.empty()) ports.emplace(event.local_port, event.remote_port);
    events = all.size();
    timers = timers_in(all);
  }
  bool some_of(const Account& account) const {
    return ports.count({account.local_port, account.remote_port}) != 0;
  }
};

struct World {
  explicit World(std::uint64_t seed) : routes(seed), books(inodes()) {}
  std::vector<std::uint32_t> inodes() const {
    std::vector<std::uint32_t> all;
    for (const Netns* netns : routes.namespaces()) all.push_back(netns->inode());
    return all;
  }
  Routes routes;
  Ledger books;
  std::unique_ptr<Tracer> tracer;
  MixResult mix;
  Hidden hidden;
};

/// The same, but for what the host hid and what the test itself does not know.
void expect_equal(const World& world, std::uint64_t kernel, std::uint64_t lines, const char* what,
                  std::uint64_t doubtful = 0) {
  EXPECT_LE(kernel > lines ? kernel - lines : lines - kernel, world.hidden.events + doubtful)
      << what << ": " << kernel << ", by the lines " << lines;
}

std::unique_ptr<Tracer> start_wide_tracer() {
  TracerOptions options;
  options.ring_bytes = 128U << 20;
  auto tracer = Tracer::start(options);
  if (!tracer) throw std::runtime_error("Tracer::start: " + tracer.error().message);
  return std::move(tracer).value();
}

/// States that end by themselves within seconds.
bool on_the_move(State state) {
  return state == State::SynSent || state == State::SynRecv || state == State::FinWait1 ||
         state == State::Closing || state == State::LastAck;
}

bool settled(const World& world) {
  for (const Netns* netns : world.routes.namespaces()) {
    const auto sockets = list_sockets(*netns);
    if (std::any_of(sockets.begin(), sockets.end(),
                    [](const Listed& socket) { return on_the_move(socket.state); })) {
      return false;
    }
  }
  return true;
}

Snapshot snapshot_of(const Netns& netns) {
  Snapshot snapshot;
  snapshot.netns = &netns;
  snapshot.before = monotonic_ns();
  snapshot.sockets = list_sockets(netns);
  snapshot.after = monotonic_ns();
  return snapshot;
}

/// Lines and list agree about every single socket.
void expect_same_sockets(const World& world, const Snapshot& snapshot) {
  constexpr std::uint64_t kSlack = kMillisecond;
  const std::uint64_t from = snapshot.before - kSlack, to = snapshot.after + kSlack;
  std::multimap<std::uint64_t, State> listed;
  for (const Listed& socket : snapshot.sockets) listed.emplace(socket.cookie, socket.state);
  std::map<State, std::uint64_t> told;
  std::uint64_t differ = 0, closed = 0, opened = 0;
  for (const auto& [id, account] : world.books.accounts()) {
    if (account.netns != snapshot.netns->inode()) continue;
    ++opened;
    const auto [first, last] = listed.equal_range(id.cookie);
    const auto match = std::find_if(first, last, [&account = account, from, to](const auto& one) {
      return account.may_have_been(one.second, from, to);
    });
    if (match != last) {
      ++told[match->second];
      listed.erase(match);
    } else if (account.may_have_been(State::Close, from, to)) {
      ++closed;
    } else if (!world.hidden.some_of(account) && ++differ > world.hidden.timers) {
      ADD_FAILURE() << to_string(id) << ", ports " << account.local_port << " and "
                    << account.remote_port << ", is open after " << account.moments.size()
                    << " lines, in " << name_of(account.moments.back().state)
                    << ", and not listed so";
    }
  }
  EXPECT_LE(listed.size(), world.hidden.events)
      << "listed, but not told so; the first is in "
      << name_of(listed.empty() ? State::Unknown : listed.begin()->second);
  fmt::print("  {} opened = {} closed", opened, closed);
  for (const auto& [state, count] : told) fmt::print(" + {} {}", count, name_of(state));
  fmt::print("\n");
}

struct Agreement {
  const char* counter;
  std::uint64_t lines;
  std::uint64_t doubtful = 0;  ///< lines that may or may not be of what is counted
};

/// It came no further than FIN_WAIT2, so far: in a time-wait socket, or in a full one? The lines
/// say the same of both; the processes know which of them they had open.
bool was_orphan(const World& world, const ConnId& id, const Account& account) {
  if (world.mix.held.count(id.cookie) != 0 || account.end == Reason::Overflow) return false;
  if (account.end != Reason::ResetLocal) return true;
  return world.mix.orphaned.count(id.cookie) != 0 && account.last_dwell() > kMillisecond;
}

/// If the FIN's acknowledgment got lost or was late, the late data carried it, or came right after.
bool may_be_orphan(const World& world, const ConnId& id, const Account& account) {
  return account.end == Reason::ResetLocal && world.mix.orphaned.count(id.cookie) != 0 &&
         !was_orphan(world, id, account);
}

using Judgement = bool (*)(const World&, const ConnId&, const Account&);

/// Time-wait sockets that came no further than FIN_WAIT2.
std::uint64_t orphans_left(const World& world, std::uint32_t netns, Judgement is) {
  std::uint64_t count = 0;
  for (const auto& [id, account] : world.books.accounts()) {
    if (account.netns != netns || account.last_open() != State::FinWait2) continue;
    count += is(world, id, account) ? 1 : 0;
  }
  return count;
}

/// What each counter counts is written where the kernel counts it; the file is named.
std::vector<Agreement> agreements(const World& world, std::uint32_t netns) {
  const Ledger& books = world.books;
  const auto lines = [&](State from, State to) { return books.count(netns, from, to); };
  const auto kinds = [&](const std::function<bool(const Kind&)>& which) {
    return books.count(netns, which);
  };
  const auto sent = world.mix.never_sent.find(netns);
  const std::uint64_t never_sent = sent == world.mix.never_sent.end() ? 0 : sent->second;
  const std::uint64_t requests = kinds([](const Kind& kind) { return kind.request; });
  const auto reason = [&](Reason wanted) {
    return kinds([&](const Kind& kind) { return kind.reason == wanted && !kind.request; });
  };
  const std::uint64_t embryonic = kinds([](const Kind& kind) {
    return kind.request &&
           (kind.reason == Reason::ResetByPeer || kind.reason == Reason::ResetLocal);
  });
  return {
      // tcp_connect() once it has sent the SYN, tcp_output.c
      {"TcpActiveOpens", lines(State::Close, State::SynSent) - never_sent},
      // tcp_create_openreq_child(), tcp_minisocks.c
      {"TcpPassiveOpens", lines(State::Listen, State::SynRecv) - requests},
      // tcp_done() in SYN_SENT and SYN_RECV, tcp.c: not when the process gives up, which sets no
      // error; and a RST for a request, tcp_check_req(), tcp_minisocks.c
      {"TcpAttemptFails", embryonic + kinds([](const Kind& kind) {
                            return (kind.from == State::SynSent || kind.from == State::SynRecv) &&
                                   kind.to == State::Close && !kind.request &&
                                   kind.reason != Reason::None &&
                                   kind.reason != Reason::ResetLocal &&
                                   kind.reason != Reason::GivenUp &&
                                   kind.reason != Reason::NoLocalPort;
                          })},
      // tcp_set_state(), tcp.c
      {"TcpEstabResets",
       lines(State::Established, State::Close) + lines(State::CloseWait, State::Close)},
      // tcp_check_req(), tcp_minisocks.c
      {"EmbryonicRsts", embryonic},
      // __inet_twsk_schedule(), inet_timewait_sock.c; those for less than four seconds "killed"
      {"TW + TWKilled",
       lines(State::FinWait2, State::TimeWait) + lines(State::Closing, State::TimeWait) +
           orphans_left(world, netns, was_orphan),
       orphans_left(world, netns, may_be_orphan)},
      // __inet_check_established(), inet_hashtables.c
      {"TWRecycled", reason(Reason::Reused)},
      // tcp_time_wait(), tcp_minisocks.c
      {"TCPTimeWaitOverflow", reason(Reason::Overflow)},
      // tcp_write_err(), tcp_timer.c
      {"TCPAbortOnTimeout", reason(Reason::Timeout)},
  };
}

void expect_counters(const World& world, const Netns& netns, Counters counters) {
  counters["TW + TWKilled"] = counters["TW"] + counters["TWKilled"];
  EXPECT_EQ(counters["SyncookiesSent"], 0U);
  for (const Agreement& one : agreements(world, netns.inode())) {
    ASSERT_EQ(counters.count(one.counter), 1U) << one.counter;
    fmt::print("  {:<20} {:>7}  by the lines {:>7}\n", one.counter, counters[one.counter],
               one.lines);
    expect_equal(world, counters[one.counter], one.lines, one.counter, one.doubtful);
  }
}

/// What the processes opened and what the lines begin with, socket by socket.
void expect_all_opened(const World& world) {
  std::map<std::uint64_t, std::uint32_t> active, passive;
  for (const auto& [id, account] : world.books.accounts()) {
    ++(account.begin == State::Close ? active : passive)[id.cookie];
  }
  expect_equal(world, world.mix.opened.size(), active.size(), "sockets opened");
  std::uint64_t wrong = 0;
  for (const auto& [cookie, times] : world.mix.opened) {
    const auto found = active.find(cookie);
    if (found == active.end() || found->second != times) ++wrong;
  }
  for (const std::uint64_t cookie : world.mix.accepted) wrong += passive.count(cookie) == 1 ? 0 : 1;
  EXPECT_LE(wrong, world.hidden.events) << "sockets opened as often as nobody did";
}

void expect_nothing_wrong(const World& world) {
  const auto& accounts = world.books.accounts();
  const auto excused = static_cast<std::uint64_t>(std::count_if(
      accounts.begin(), accounts.end(),
      [&](const auto& entry) { return entry.second.wrong && world.hidden.some_of(entry.second); }));
  const std::uint64_t wrong = world.books.wrong() - excused;
  EXPECT_LE(wrong, world.hidden.timers) << "connections";
  if (wrong <= world.hidden.timers) return;
  for (const std::string& complaint : world.books.complaints()) ADD_FAILURE() << complaint;
}

/// But for ends that the host hid and the tracer found out later.
void expect_nothing_lost(const World& world) {
  LossCounts lost = world.tracer->lost().value();
  EXPECT_LE(std::exchange(lost[static_cast<std::size_t>(LossPlace::Recursion)], 0),
            world.hidden.timers);
  EXPECT_EQ(lost, LossCounts{});
  const auto [handled, fired] = world.tracer->balance().value();
  EXPECT_EQ(handled, fired);
  fmt::print("handled {} of {} fired\n", handled, fired);
}

void play(World& world, const MixOptions& options) {
  world.tracer = start_wide_tracer();
  Mix mix(world.routes, options);
  drain_until(
      *world.tracer, world.books, [&] { return !mix.running(); },
      options.time + std::chrono::seconds(30));
  world.mix = mix.result();
  EXPECT_TRUE(drain_until(
      *world.tracer, world.books, [&] { return settled(world); }, std::chrono::seconds(30)))
      << "connections that neither open nor close";
}

TEST(Conservation, RandomConnectionsAddUp) {
  TD_REQUIRE_KERNEL_TESTS();
  MixOptions options;
  options.seed = from_environment("TCPDWELL_SEED", std::random_device()());
  options.time = std::chrono::seconds(from_environment("TCPDWELL_CONSERVATION_SECONDS", 60));
  fmt::print("TCPDWELL_SEED={}\n", options.seed);
  World world(options.seed);
  play(world, options);

  std::vector<Snapshot> snapshots;
  std::vector<Counters> counters;
  for (const Netns* netns : world.routes.namespaces()) {
    counters.push_back(read_counters(*netns));
    snapshots.push_back(snapshot_of(*netns));
  }
  // What was sampled before may be told a little later: the tracer looks for it now and then.
  drain_for(*world.tracer, world.books, std::chrono::milliseconds(500));
  finish(*world.tracer, world.books);

  world.hidden.note(reckon_with_hidden());
  EXPECT_LE(world.hidden.events, world.books.lines() / 1000)
      << "too much is hidden here to tell anything";

  for (const auto& [kind, times] : world.mix.kinds) fmt::print("{:<32}{:>6}\n", kind, times);
  fmt::print("{} lines of {} connections\n", world.books.lines(), world.books.accounts().size());
  for (std::size_t i = 0; i < snapshots.size(); ++i) {
    const Netns& netns = *snapshots[i].netns;
    SCOPED_TRACE(world.routes.name(netns));
    fmt::print("namespace {}\n", world.routes.name(netns));
    expect_same_sockets(world, snapshots[i]);
    expect_counters(world, netns, counters[i]);
    if (HasFailure()) fmt::print("{}", world.books.kinds_text(netns.inode()));
  }
  expect_all_opened(world);
  expect_nothing_wrong(world);
  expect_nothing_lost(world);
}

}  // namespace
}  // namespace tcpdwell::test
