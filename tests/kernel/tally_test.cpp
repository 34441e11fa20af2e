// SPDX-License-Identifier: BSD-2-Clause
/// What the kernel side counts is what one gets by counting its transitions.
#include "model/tally.h"

#include <gtest/gtest.h>
#include <netinet/in.h>
#include <netinet/tcp.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <memory>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "aggregate/aggregator.h"
#include "support/collect.h"
#include "support/lab.h"
#include "support/netns.h"
#include "support/shadow.h"
#include "support/storm.h"
#include "support/workload.h"

namespace tcpdwell::test {
namespace {

constexpr std::uint16_t kFirstPort = 42'000, kLastPort = 42'999;
/// Two tracers read the clock one after the other, at the beginning and at the end of a dwell; now
/// and then something interrupts in between.
constexpr std::uint64_t kApart = 100'000, kApartOnce = 20 * kMillisecond;

struct Case {
  const char* name;
  void (*restrict)(Filter& filter, const Workload& workload);
};

void PrintTo(const Case& one, std::ostream* out) { *out << one.name; }

const Case kCases[] = {
    {"host", [](Filter& filter, const Workload&) { filter.netns.reset(); }},
    {"netns", [](Filter&, const Workload&) {}},
    {"local_ports",
     [](Filter& filter, const Workload&) {
       filter.local_ports = {{kFirstPort, kLastPort}};
     }},
    {"remote_ports",
     [](Filter& filter, const Workload&) {
       filter.remote_ports = {{kFirstPort, kLastPort}};
     }},
    {"remote_block",
     [](Filter& filter, const Workload&) { filter.remote = {parse_cidr("127.0.0.0/8").value()}; }},
    {"local_address",
     [](Filter& filter, const Workload&) { filter.local = {parse_cidr("::1").value()}; }},
    {"family", [](Filter& filter, const Workload&) { filter.family = Family::V6; }},
    {"states",
     [](Filter& filter, const Workload&) {
       filter.states = bit(State::CloseWait) | bit(State::TimeWait);
     }},
    {"comm", [](Filter& filter, const Workload&) { filter.comms = {Comm("td-server")}; }},
    {"pid",
     [](Filter& filter, const Workload& workload) {
       filter.pids = {static_cast<std::uint32_t>(workload.client().pid())};
     }},
    {"min_dwell", [](Filter& filter, const Workload&) { filter.min_dwell_ns = 25 * kMillisecond; }},
};

/// Of a whole host, others may lose something.
void expect_none_lost(Tracer& tracer, const Filter& filter) {
  if (filter.netns) {
    EXPECT_EQ(tracer.lost().value(), LossCounts{});
  }
}

/// One tracer, started among the same sockets as the other.
struct Counting {
  Counting(const Filter& filter, Detail detail)
      : filter(filter),
        aggregator(
            {.by = {Key::State}, .states = filter.states, .open_known = filter.min_dwell_ns == 0}) {
    TracerOptions options;
    options.filter = filter;
    options.detail = detail;
    tracer = start_tracer(options);
    EXPECT_TRUE(tracer->seed(aggregator).ok());
  }
  Summary finish() {
    test::finish(*tracer, aggregator);
    EXPECT_TRUE(tracer->tally(aggregator).ok());
    expect_none_lost(*tracer, filter);
    return aggregator.take_summary(0);
  }
  const Filter filter;
  Aggregator aggregator;
  std::unique_ptr<Tracer> tracer;
};

/// Of one tracer: what its events add up to, and what it counted.
class Both : public Consumer {
 public:
  explicit Both(const AggregatorOptions& options) : told(options), counted(options) {}
  Status transition(const Transition& t) override { return told.transition(t); }
  Status seed(const Seed& seed) override { return told.seed(seed); }
  Status tally(const tcpdwell::Tally& tally) override { return counted.tally(tally); }
  Aggregator told, counted;
};

/// Connections of all kinds, in an order that `seed` gives.
void run_mixed(Workload& workload, unsigned seed) {
  std::mt19937 random(seed);
  const auto any = [&](unsigned below) { return static_cast<unsigned>(random() % below); };
  for (int i = 0; i < 24; ++i)
    workload.run({static_cast<Net>(any(3)), static_cast<Side>(any(2)), static_cast<Ending>(any(3)),
                  any(30), any(30)});
}

void expect_near(const char* what, std::optional<std::uint64_t> counted,
                 std::optional<std::uint64_t> told, std::uint64_t apart) {
  ASSERT_EQ(counted.has_value(), told.has_value()) << what;
  if (!told) return;
  EXPECT_LE(*counted > *told ? *counted - *told : *told - *counted, apart)
      << what << ' ' << *counted << " and " << *told;
}

/// What two tracers have to agree on, and one with itself; `more(counted, told)` looks at the
/// lengths. `judged`: of so many dwells in FIN_WAIT2 each tracer may judge for itself whether its
/// FIN came unseen, and they are not exact to one of the two. What is a lower bound to the other
/// may be unknown where there are only counts: they know to the jiffy when a socket was last seen
/// in it.
template <class More>
void expect_rows(const Summary& counted, const Summary& told, const More& more,
                 std::uint64_t judged = 0) {
  ASSERT_EQ(counted.rows.size(), told.rows.size());
  for (std::size_t i = 0; i < told.rows.size(); ++i) {
    const Row& a = counted.rows[i];
    const Row& b = told.rows[i];
    SCOPED_TRACE(b.keys[0]);
    EXPECT_EQ(a.keys, b.keys);
    EXPECT_EQ(a.exact.count() + a.at_least + a.unknown, b.exact.count() + b.at_least + b.unknown);
    if (judged > 0 && b.keys[0] == "FIN_WAIT2") {
      expect_near("exact", a.exact.count(), b.exact.count(), judged);
    } else {
      EXPECT_EQ(a.at_least, b.at_least);
      EXPECT_EQ(a.unknown, b.unknown);
    }
    EXPECT_EQ(a.open, b.open);
    more(a.exact, b.exact);
  }
}

void expect_same(const Summary& counted, const Summary& told) {
  constexpr std::uint64_t kJudged = 2;
  const auto near = [](const Histogram& a, const Histogram& b) {
    expect_near("min", a.min(), b.min(), kApartOnce);
    expect_near("max", a.max(), b.max(), kApartOnce);
    expect_near("total", a.total(), b.total(), b.count() * kApart + kApartOnce);
    const auto median = b.percentile(50);
    if (median) expect_near("p50", a.percentile(50), median, kApart + *median / 64);
  };
  expect_rows(counted, told, near, kJudged);
}

void expect_equal(const Summary& counted, const Summary& told) {
  expect_rows(counted, told, [](const Histogram& a, const Histogram& b) {
    EXPECT_EQ(a.min(), b.min());
    EXPECT_EQ(a.max(), b.max());
    EXPECT_EQ(a.total(), b.total());
    for (const double percent : {1.0, 25.0, 50.0, 90.0, 99.0, 99.9})
      EXPECT_EQ(a.percentile(percent), b.percentile(percent)) << percent;
  });
}

class CountedTable : public testing::TestWithParam<Case> {};
class CountedAlone : public CountedTable {};

struct Made {
  explicit Made(const Case& one) {
    netns.set_sysctl("net.ipv4.ip_local_port_range",
                     std::to_string(kFirstPort) + " " + std::to_string(kLastPort));
    run_mixed(workload, seed);  // leaves listeners and sockets in TIME_WAIT
    filter.netns = netns.inode();
    one.restrict(filter, workload);
  }
  void run_more() {
    run_mixed(workload, seed + 1);
    StormOptions quick;
    quick.connections = 2'000;
    quick.alternating = true;
    quick.lag = 100;
    Storm(netns, quick).result();
    workload.close_listeners();
    // A tracer that stops decides nothing about what ended within a moment (TD_MOMENT_NS) before.
    std::this_thread::sleep_for(std::chrono::milliseconds(60));
  }
  const unsigned seed = std::random_device()();
  Netns netns;
  Workload workload;
  Filter filter;
};

// Two tracers, of which one has nothing but counts: its program is another one.
TEST_P(CountedAlone, IsThatOfTransitions) {
  TD_REQUIRE_KERNEL_TESTS();
  Made made(GetParam());
  SCOPED_TRACE("seed " + std::to_string(made.seed));
  Counting told(made.filter, Detail::Transitions);
  Counting counted(made.filter, Detail::Counts);
  made.run_more();
  const Summary by_counting = counted.finish();
  Summary by_telling = told.finish();
  std::erase_if(by_telling.rows, [](const Row& row) { return row.keys[0] == kNotAccepted; });
  expect_same(by_counting, by_telling);
  EXPECT_FALSE(by_telling.rows.empty());
}

// One tracer does both, so there is nothing to be apart.
TEST_P(CountedTable, EqualsWhatIsTold) {
  TD_REQUIRE_KERNEL_TESTS();
  Made made(GetParam());
  SCOPED_TRACE("seed " + std::to_string(made.seed));
  TracerOptions options;
  options.filter = made.filter;
  options.counted = true;
  const auto tracer = start_tracer(options);
  Both both({.by = {Key::State},
             .states = made.filter.states,
             .open_known = made.filter.min_dwell_ns == 0});
  ASSERT_TRUE(tracer->seed(both).ok());
  made.run_more();
  finish(*tracer, both);
  ASSERT_TRUE(tracer->tally(both).ok());
  const std::uint64_t connections = both.told.connections();
  const Summary told = both.told.take_summary(0);
  expect_equal(both.counted.take_summary(0), told);
  EXPECT_FALSE(told.rows.empty());
  expect_none_lost(*tracer, made.filter);
  if (made.filter.states == 0) {
    EXPECT_EQ(tracer->connections().value(), connections);
  }
}

INSTANTIATE_TEST_SUITE_P(Each, CountedTable, testing::ValuesIn(kCases),
                         [](const auto& info) { return std::string(info.param.name); });
// A filter by owner, one by address, one by line, none.
INSTANTIATE_TEST_SUITE_P(Some, CountedAlone,
                         testing::ValuesIn({kCases[0], kCases[3], kCases[7], kCases[8],
                                            kCases[10]}),
                         [](const auto& info) { return std::string(info.param.name); });

// With nothing but counts no request is remembered: each is timed by what it has of itself.
TEST(CountedRequests, AreThoseOfTransitions) {
  TD_REQUIRE_KERNEL_TESTS();
  Lab lab;
  lab.netns().set_sysctl("net.ipv4.tcp_fastopen", "514");
  lab.listener().socket().set_option(IPPROTO_TCP, TCP_FASTOPEN, 16);
  const auto reset = [](Call& call) {
    call.to(State::Close, call.remote.send(kRst), Reason::ResetByPeer);
  };
  Call& older = lab.rung();
  Call& older_refused = lab.rung(Net::V6);
  Filter host;
  Counting told(host, Detail::Transitions);
  Counting counted(host, Detail::Counts);
  // Not before: those that are older are to outlive the start of two tracers.
  lab.netns().set_sysctl("net.ipv4.tcp_synack_retries", "1");

  Call& repeated = lab.rung();
  std::vector<Call*> given_up = {&lab.rung(), &lab.rung(Net::V6)};
  for (const Net net : {Net::V4, Net::V6, Net::Mapped}) {
    Call& held = lab.rung(net);
    Call& refused = lab.rung(net);
    lab.hold(60);
    reset(refused);
    lab.accept(held);
    reset(held);
  }
  lab.accept(older);
  reset(older);
  reset(older_refused);
  Call& fast =
      lab.new_call(Net::V4, {server_port(Net::V4), lab.fresh_ports().remote}, State::Listen);
  fast.to(State::SynRecv, fast.remote.send(kSyn, "hello"));
  fast.remote.expect(kSyn | kAck);
  fast.local = lab.listener().accept();
  fast.cookie = fast.local.cookie();
  lab.hold(40);
  fast.to(State::Established, fast.remote.send(kAck));
  reset(fast);
  Collector lines;
  drain_for(*counted.tracer, lines, std::chrono::milliseconds(1'300));
  repeated.remote.expect(kSyn | kAck);  // again
  lab.accept(repeated);
  reset(repeated);
  lab.wait_until_gone(given_up, Reason::SynTimeout, std::chrono::seconds(10));
  Call& aborted = lab.rung();
  lab.hold(20);
  aborted.to(State::Close, aborted.destroy(), Reason::Aborted);
  lab.check();
  const Summary by_counting = counted.finish();
  const Summary by_telling = told.finish();
  expect_same(by_counting, by_telling);
}

// Between two tables the counters go on and the extremes begin anew.
TEST(CountedInterval, HasItsOwnDwellsAlone) {
  TD_REQUIRE_KERNEL_TESTS();
  Netns netns;
  Filter filter;
  filter.netns = netns.inode();
  Workload workload;
  Counting counted(filter, Detail::Counts);
  for (const unsigned hold_ms : {500U, 20U, 200U}) {
    const Connection made = workload.run({Net::V4, Side::Client, Ending::Reset, hold_ms, 0});
    std::uint64_t longest = 0;
    for (const Side side : {Side::Client, Side::Server})
      longest = std::max(longest, made.dwell(side, State::Established).value().longest);
    ASSERT_TRUE(counted.tracer->tally(counted.aggregator).ok());
    const Summary table = counted.aggregator.take_summary(0);
    bool seen = false;
    for (const Row& row : table.rows) {
      if (row.keys[0] != "ESTABLISHED") continue;
      seen = true;
      EXPECT_EQ(row.exact.count(), 2U);
      EXPECT_GE(row.exact.min().value(), (hold_ms - 10) * kMillisecond)
          << "the server's begins a little later";
      EXPECT_LE(row.exact.max().value(), longest + 5 * kMillisecond);
    }
    EXPECT_TRUE(seen);
  }
}

/// What lines of connections add up to.
class OfLines : public Consumer {
 public:
  Status transition(const Transition&) override { return Ok; }
  Status connection(const tcpdwell::Connection& c) override {
    gaps += c.gap;
    State before = c.path.first() == State::SynRecv ? State::Listen : State::Close;
    for (const Stay& stay : c.stays) {
      ++moved[at(before)][at(stay.state)];
      before = stay.state;
      if (stay.dwell.bound != Bound::Exact || (c.open() && &stay == &c.stays.back())) continue;
      const auto bound =
          std::lower_bound(kBucketBounds.begin(), kBucketBounds.end(), stay.dwell.ns);
      ++within[at(stay.state)][static_cast<std::size_t>(bound - kBucketBounds.begin())];
    }
    if (c.open()) return Ok;
    ++moved[at(before)][at(State::Close)];
    if (before != State::Listen)
      ++ends[static_cast<std::size_t>(c.reason)]
            [static_cast<std::size_t>(closer_of(c.path, c.reason))];
    return Ok;
  }
  static std::size_t at(State state) { return static_cast<std::size_t>(state); }

  decltype(tcpdwell::Tally::transitions) moved{};
  decltype(tcpdwell::Tally::ends) ends{};
  std::array<std::array<std::uint32_t, kBucketCount + 1>, kStateCount> within{};
  std::uint64_t gaps = 0;
};

class Last : public Consumer {
 public:
  Status transition(const Transition&) override { return Ok; }
  Status tally(const tcpdwell::Tally& now) override {
    tally_ = now;
    return Ok;
  }
  tcpdwell::Tally tally_;
};

/// What one run of connections gave, by its lines and by its sums.
struct Twofold {
  explicit Twofold(unsigned seed) {
    Netns netns;
    TracerOptions options;
    options.filter.netns = netns.inode();
    options.detail = Detail::Connections;
    options.surveys = true;
    const auto tracer = start_tracer(options);
    EXPECT_TRUE(tracer->seed(lines).ok());
    {
      Workload workload;
      run_mixed(workload, seed);
    }
    drain_for(*tracer, lines, std::chrono::milliseconds(300));
    finish(*tracer, lines);
    EXPECT_TRUE(tracer->tally(sums).ok());
    EXPECT_TRUE(tracer->tell_open(lines).ok());
  }
  OfLines lines;
  Last sums;
};

TEST(CountedForServe, EqualsTheLinesOfConnections) {
  TD_REQUIRE_KERNEL_TESTS();
  const unsigned seed = testing::UnitTest::GetInstance()->random_seed() + std::random_device()();
  SCOPED_TRACE("seed " + std::to_string(seed));
  // A line whose connection has a gap says that the host showed the program less than there was:
  // then there is nothing that its stays add up to.
  auto both = std::make_unique<Twofold>(seed);
  for (int again = 0; both->lines.gaps != 0 && again < 3; ++again)
    both = std::make_unique<Twofold>(seed);
  const OfLines& lines = both->lines;
  const tcpdwell::Tally& sums = both->sums.tally_;
  EXPECT_EQ(lines.gaps, 0U);
  EXPECT_EQ(sums.transitions, lines.moved);
  EXPECT_EQ(sums.ends, lines.ends);
  for (std::size_t state = 0; state < kStateCount; ++state)
    EXPECT_EQ(sums.states[state].within, lines.within[state]) << name_of(static_cast<State>(state));
  std::uint64_t ended = 0;
  for (const auto& by_closer : lines.ends)
    for (const std::uint64_t count : by_closer) ended += count;
  EXPECT_GE(ended, 24U) << "the workload's";
}

}  // namespace
}  // namespace tcpdwell::test
