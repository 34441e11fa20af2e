// SPDX-License-Identifier: BSD-2-Clause
#include "aggregate/lives.h"

#include <gtest/gtest.h>

#include <utility>
#include <vector>

namespace tcpdwell {
namespace {

constexpr std::uint64_t kMs = 1'000'000;

/// A connection's lines, 10 ms apart, its last with the life that the kernel side tells.
std::vector<Transition> chain(const std::vector<State>& states, std::uint64_t cookie = 1) {
  std::vector<Transition> lines;
  for (std::size_t i = 1; i < states.size(); ++i) {
    Transition t;
    t.socket.id = {cookie, 1};
    t.from = states[i - 1];
    t.to = states[i];
    t.mono_ns = i * 10 * kMs;
    lines.push_back(t);
  }
  if (lines.back().last()) lines.back().life_ns = (states.size() - 2) * 10 * kMs;
  return lines;
}

/// What is told, and with which line.
std::vector<std::pair<std::size_t, Dwell>> told(Lives& lives,
                                                const std::vector<Transition>& lines) {
  std::vector<std::pair<std::size_t, Dwell>> all;
  for (std::size_t i = 0; i < lines.size(); ++i)
    if (const auto life = lives.over(lines[i])) all.emplace_back(i, *life);
  return all;
}

const std::vector<State> kClosesFirst = {State::Close,    State::SynSent,  State::Established,
                                         State::FinWait1, State::FinWait2, State::TimeWait,
                                         State::Close};
const std::vector<State> kClosesSecond = {State::Listen,    State::SynRecv, State::Established,
                                          State::CloseWait, State::LastAck, State::Close};

TEST(Lives, TimeWaitIsNoPartOfIt) {
  Lives lives(false);
  const auto all = told(lives, chain(kClosesFirst));
  ASSERT_EQ(all.size(), 1U);
  EXPECT_EQ(all[0].first, 4U) << "told when TIME_WAIT begins";
  EXPECT_EQ(all[0].second, (Dwell{Bound::Exact, 40 * kMs}));
}

TEST(Lives, WithTheEndItIsTheSame) {
  Lives lives(true);
  const auto all = told(lives, chain(kClosesFirst));
  ASSERT_EQ(all.size(), 1U);
  EXPECT_EQ(all[0].first, 5U);
  EXPECT_EQ(all[0].second, (Dwell{Bound::Exact, 40 * kMs}));
}

TEST(Lives, WhoClosesSecondHasNoTimeWait) {
  for (const bool at_end : {false, true}) {
    Lives lives(at_end);
    const auto all = told(lives, chain(kClosesSecond));
    ASSERT_EQ(all.size(), 1U);
    EXPECT_EQ(all[0].second, (Dwell{Bound::Exact, 40 * kMs}));
  }
}

TEST(Lives, AnUnseenBeginningIsUnknown) {
  for (const bool at_end : {false, true}) {
    Lives lives(at_end);
    auto lines = chain(kClosesFirst);
    lines.erase(lines.begin(), lines.begin() + 2);
    lines.back().life_ns.reset();
    const auto all = told(lives, lines);
    ASSERT_EQ(all.size(), 1U);
    EXPECT_EQ(all[0].second.bound, Bound::Unknown);
  }
}

TEST(Lives, NoneOfAListenerNorOfWhatWasInTimeWaitBefore) {
  Lives lives(false);
  EXPECT_TRUE(told(lives, chain({State::Close, State::Listen, State::Close})).empty());
  EXPECT_TRUE(told(lives, chain({State::TimeWait, State::Close})).empty());
}

Connection line(std::vector<Stay> stays, bool open) {
  Connection c;
  c.socket.id = {7, 1};
  c.start_wall_ns = 1'000 * static_cast<std::int64_t>(kMs);
  std::uint64_t life = 0;
  for (const Stay& stay : stays) {
    c.stays.push(stay);
    life += stay.dwell.ns;
  }
  const std::int64_t now = *c.start_wall_ns + static_cast<std::int64_t>(life);
  c.state = open ? stays.back().state : State::Close;
  (open ? c.seen_wall_ns : c.end_wall_ns) = now;
  if (!open) c.life_ns = life;
  return c;
}

Stay stay(State state, std::uint64_t ms) { return {state, {Bound::Exact, ms * kMs}}; }

TEST(Lives, OfLinesOfConnections) {
  const Lives lives(false);
  const Dwell thirty{Bound::Exact, 30 * kMs};
  EXPECT_EQ(lives.over(line({stay(State::SynSent, 10), stay(State::Established, 20)}, false)),
            thirty);
  const auto waits = {stay(State::SynSent, 10), stay(State::Established, 20),
                      stay(State::TimeWait, 5)};
  EXPECT_EQ(lives.over(line(waits, false)), thirty);
  EXPECT_EQ(lives.over(line(waits, true)), thirty);
  EXPECT_EQ(lives.over(line({stay(State::TimeWait, 60)}, false)), std::nullopt) << "told before";
  EXPECT_EQ(lives.over(line({stay(State::Established, 60)}, true)), std::nullopt) << "goes on";
  EXPECT_EQ(lives.over(line({stay(State::Listen, 60)}, false)), std::nullopt);
}

}  // namespace
}  // namespace tcpdwell
