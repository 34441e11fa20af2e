// SPDX-License-Identifier: BSD-2-Clause
#include "aggregate/open_groups.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "aggregate/first_open.h"

namespace tcpdwell {
namespace {

Followed followed(std::uint64_t cookie, State state, std::uint32_t pid = 1,
                  Role role = Role::Active) {
  Followed one;
  one.socket.id.cookie = cookie;
  one.socket.owner.pid = pid;
  one.socket.owner.comm = Comm("c" + std::to_string(pid));
  one.socket.local.port = static_cast<std::uint16_t>(40000 + cookie);
  one.socket.remote.addr = {10, 0, 0, static_cast<std::uint8_t>(cookie)};
  one.socket.remote.port = 443;
  one.role = role;
  one.state = state;
  return one;
}

Transition move(const Socket& socket, State from, State to) {
  Transition t;
  t.socket = socket;
  t.from = from;
  t.to = to;
  return t;
}

const Group* find(const std::vector<Group>& groups, const std::vector<std::string>& keys) {
  const auto found = std::find_if(groups.begin(), groups.end(),
                                  [&](const Group& group) { return group.keys == keys; });
  return found == groups.end() ? nullptr : &*found;
}

constexpr Dwell exact(std::uint64_t ns) { return {Bound::Exact, ns}; }

TEST(OpenGroups, CountsWhatIsOpenAndFindsTheLongestStuck) {
  OpenGroups groups({{Key::Pid, Key::Comm}});
  groups.open(followed(1, State::Established, 7), exact(1000));
  groups.open(followed(2, State::CloseWait, 7), exact(20));
  groups.open(followed(3, State::FinWait2, 7), {Bound::AtLeast, 30});
  groups.open(followed(4, State::TimeWait, 7), {Bound::Unknown, 0});
  groups.open(followed(5, State::Listen, 8), exact(5000));
  const auto taken = groups.take();
  ASSERT_EQ(taken.size(), 2U);
  const Group* const seven = find(taken, {"7", "c7"});
  ASSERT_NE(seven, nullptr);
  EXPECT_EQ(seven->connections(), 4U);
  EXPECT_EQ(seven->stuck_state, State::FinWait2);
  EXPECT_EQ(seven->stuck, (Dwell{Bound::AtLeast, 30}));
  const Group* const eight = find(taken, {"8", "c8"});
  ASSERT_NE(eight, nullptr);
  EXPECT_EQ(eight->connections(), 0U) << "a listener is no connection";
  EXPECT_EQ(eight->open[static_cast<std::size_t>(State::Listen)], 1U);
  EXPECT_EQ(eight->stuck_state, State::Unknown) << "it may listen as long as it likes";
  EXPECT_TRUE(groups.take().empty());
}

TEST(OpenGroups, CountsWhatBeginsAndEndsAndNothingBetween) {
  OpenGroups groups({{Key::Remote}});
  const Socket socket = followed(9, State::SynSent).socket;
  for (const auto& [from, to] : {std::pair(State::Close, State::SynSent),
                                 {State::SynSent, State::Established},
                                 {State::Established, State::CloseWait},
                                 {State::CloseWait, State::LastAck},
                                 {State::LastAck, State::Close}})
    ASSERT_TRUE(groups.transition(move(socket, from, to)));
  ASSERT_TRUE(groups.transition(move(socket, State::Close, State::Listen)));
  ASSERT_TRUE(groups.transition(move(socket, State::Listen, State::Close)));
  const auto taken = groups.take();
  ASSERT_EQ(taken.size(), 1U);
  EXPECT_EQ(taken[0].keys, (std::vector<std::string>{"10.0.0.9"}));
  EXPECT_EQ(taken[0].began, 1U);
  EXPECT_EQ(taken[0].ended, 1U);
}

TEST(OpenGroups, AServiceIsThePortThatWasConnectedTo) {
  OpenGroups groups({});
  groups.open(followed(1, State::Established), exact(1));  // called 443
  Followed served = followed(2, State::Established, 1, Role::Passive);
  served.socket.local.port = 80;
  served.socket.remote.port = 50000;
  groups.open(served, exact(1));
  Followed older = served;  // nobody saw who opened it
  older.role = Role::Unknown;
  groups.open(older, exact(1));
  Transition end = move(followed(1, State::TimeWait).socket, State::TimeWait, State::Close);
  for (const State state : {State::SynSent, State::Established, State::Close}) end.path.push(state);
  ASSERT_TRUE(groups.transition(end));
  const auto taken = groups.take();
  ASSERT_EQ(taken.size(), 2U);
  const Group* const called = find(taken, {"443", "called"});
  ASSERT_NE(called, nullptr);
  EXPECT_EQ(called->connections(), 1U);
  EXPECT_EQ(called->ended, 1U);
  const Group* const here = find(taken, {"80", "served"});
  ASSERT_NE(here, nullptr);
  EXPECT_EQ(here->connections(), 2U);
  EXPECT_TRUE(in_group({}, {"80", "served"}, older));
  EXPECT_FALSE(in_group({}, {"80", "called"}, older));
}

TEST(FirstOpen, KeepsTheFirstInEachOrder) {
  std::vector<Followed> all;
  for (const std::uint64_t cookie : {3, 1, 4, 2, 5})
    all.push_back(followed(cookie, cookie % 2 == 0 ? State::CloseWait : State::Established,
                           static_cast<std::uint32_t>(9 - cookie)));
  all[0].begin_wall_ns = 5;  // cookie 3
  const auto first = [&](OpenOrder order, bool reversed, std::size_t most = 2) {
    FirstOpen rows(order, reversed, most);
    for (const Followed& one : all)
      rows.add(one, {one.socket.id.cookie == 5 ? Bound::Unknown : Bound::Exact,
                     one.socket.id.cookie * 10});
    EXPECT_EQ(rows.seen(), all.size());
    std::vector<std::uint64_t> cookies;
    for (const ConnectionRow& row : rows.take(100)) cookies.push_back(row.socket.id.cookie);
    return cookies;
  };
  using Cookies = std::vector<std::uint64_t>;
  EXPECT_EQ(first(OpenOrder::Age, false), (Cookies{4, 3})) << "the longest first, unknown last";
  EXPECT_EQ(first(OpenOrder::Age, true), (Cookies{5, 1}));
  EXPECT_EQ(first(OpenOrder::State, false), (Cookies{3, 1}))
      << "ESTABLISHED before CLOSE_WAIT, then by age";
  EXPECT_EQ(first(OpenOrder::Owner, false), (Cookies{5, 4})) << "c4, c5";
  EXPECT_EQ(first(OpenOrder::Local, false), (Cookies{1, 2}));
  EXPECT_EQ(first(OpenOrder::Remote, true), (Cookies{5, 4}));
  EXPECT_EQ(first(OpenOrder::Life, true), (Cookies{3, 5}))
      << "the only one that is not older than the trace";
  EXPECT_EQ(first(OpenOrder::Local, false, 100), (Cookies{1, 2, 3, 4, 5}));
  EXPECT_EQ(first(OpenOrder::Local, false, 0), Cookies{});
}

}  // namespace
}  // namespace tcpdwell
