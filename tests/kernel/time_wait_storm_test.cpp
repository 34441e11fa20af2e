// SPDX-License-Identifier: BSD-2-Clause
/// Fifty thousand time-wait sockets at once: every one is followed to its expiry, a minute later,
/// and none of them is lost on the way.
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <sys/prctl.h>

#include <utility>

#include "support/collect.h"
#include "support/ledger.h"
#include "support/listing.h"
#include "support/netns.h"
#include "support/shadow.h"
#include "support/storm.h"
#include "support/truth.h"

namespace tcpdwell::test {
namespace {

constexpr std::uint64_t kSecond = 1000 * kMillisecond;
constexpr std::uint64_t kShortest = 60 * kSecond, kLongest = 64 * kSecond;

std::string own_comm() {
  char name[16] = {};
  prctl(PR_GET_NAME, name);
  return name;
}

/// Holds every end of a TIME_WAIT against what it must be.
class Expiries : public Consumer {
 public:
  explicit Expiries(std::uint32_t netns) : books({netns}), netns_(netns) {}

  Status transition(const Transition& line) override {
    if (line.socket.netns != netns_) return Ok;
    if (line.from == State::TimeWait) take(line);
    return books.transition(line);
  }

  Ledger books;
  std::uint64_t count = 0, exact = 0;
  std::uint64_t shortest = UINT64_MAX, longest = 0;
  std::uint64_t wrong = 0;    ///< not expired, or somebody else's
  std::uint64_t unknown = 0;  ///< found out after the fact

 private:
  void take(const Transition& line) {
    ++count;
    if (line.dwell.bound == Bound::Unknown) {
      ++unknown;
      return;
    }
    exact += line.dwell.bound == Bound::Exact ? 1 : 0;
    shortest = std::min(shortest, line.dwell.ns);
    longest = std::max(longest, line.dwell.ns);
    const bool right = line.to == State::Close && line.reason == Reason::Expired && line.life_ns &&
                       line.traffic && line.socket.owner.comm.view() == comm_;
    wrong += right ? 0 : 1;
  }
  std::uint32_t netns_;
  std::string comm_ = own_comm();
};

TEST(TimeWaitStorm, FiftyThousandExpireEachWithItsOwner) {
  TD_REQUIRE_KERNEL_TESTS();
  Netns netns;
  netns.set_sysctl("net.ipv4.tcp_tw_reuse", "0");  // connect() would take some of them
  Expiries expiries(netns.inode());
  const auto tracer = start_tracer(netns.inode(), Minisockets::Auto);
  if (tracer->minisockets() == Minisockets::Off) {
    GTEST_SKIP() << "time-wait sockets cannot be followed here: " << tracer->minisockets_note();
  }
  const StormOptions options;
  ASSERT_EQ(options.connections, 50'000U);
  Storm storm(netns, options);
  ASSERT_TRUE(drain_until(
      *tracer, expiries, [&] { return !storm.running(); }, std::chrono::seconds(55)))
      << "too slow a machine: the first sockets would expire before the last are made";
  const StormResult result = storm.result();
  const auto listed = list_sockets(netns);
  fmt::print("{} connections in {:.1f} s; the kernel lists {} in TIME_WAIT\n", result.connections,
             result.seconds, count_in(listed, State::TimeWait));
  EXPECT_EQ(count_in(listed, State::TimeWait), options.connections);
  EXPECT_EQ(expiries.count, 0U);

  drain_until(
      *tracer, expiries, [&] { return expiries.count == options.connections; },
      std::chrono::seconds(75));
  EXPECT_EQ(count_in(list_sockets(netns), State::TimeWait), 0U);
  finish(*tracer, expiries);
  fmt::print("{} expired after {:.3f} s to {:.3f} s, {} of them exact\n", expiries.count,
             static_cast<double>(expiries.shortest) / kSecond,
             static_cast<double>(expiries.longest) / kSecond, expiries.exact);
  // An end that the host hid is found out later, or is still missing.
  const auto events = reckon_with_hidden();
  const std::uint64_t hidden = events.size(), ends = timers_in(events);
  EXPECT_LE(hidden, options.connections / 1000) << "too much is hidden here to tell anything";
  EXPECT_LE(expiries.count, options.connections);
  EXPECT_GE(expiries.count + ends, options.connections);
  EXPECT_LE(expiries.unknown, ends);
  EXPECT_LE(expiries.wrong, hidden);
  EXPECT_GE(expiries.shortest + kMillisecond, kShortest);
  EXPECT_LE(expiries.longest, kLongest);
  EXPECT_LE(expiries.books.wrong(), hidden);
  for (const std::string& complaint : expiries.books.complaints()) fmt::print("{}\n", complaint);
  LossCounts lost = tracer->lost().value();
  EXPECT_LE(std::exchange(lost[static_cast<std::size_t>(LossPlace::Recursion)], 0), ends);
  EXPECT_EQ(lost, LossCounts{});
  EXPECT_EQ(tracer->balance().value().handled, tracer->balance().value().fired);
}

}  // namespace
}  // namespace tcpdwell::test
