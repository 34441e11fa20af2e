// SPDX-License-Identifier: BSD-2-Clause
#include "model/listing.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>

namespace tcpdwell {
namespace {

Listed socket_of(std::uint64_t cookie, Dwell age) {
  Listed one;
  one.seed.socket.id.cookie = cookie;
  one.seed.age = age;
  return one;
}

std::vector<std::uint64_t> cookies(const std::vector<Listed>& sockets) {
  std::vector<std::uint64_t> list;
  for (const Listed& one : sockets) list.push_back(one.seed.socket.id.cookie);
  return list;
}

TEST(Listing, OldestFirstAndUnknownLast) {
  std::vector<Listed> sockets = {
      socket_of(1, {Bound::Unknown, 99}), socket_of(2, {Bound::Exact, 5}),
      socket_of(3, {Bound::AtLeast, 70}), socket_of(4, {}), socket_of(5, {Bound::Exact, 70})};
  sort_oldest_first(sockets);
  EXPECT_EQ(cookies(sockets), (std::vector<std::uint64_t>{3, 5, 2, 1, 4}));
}

TEST(Listing, AnyOrderComesOutSortedAndWhole) {
  std::mt19937_64 random(7);
  for (std::size_t count = 0; count < 200; ++count) {
    std::vector<Listed> sockets;
    for (std::uint64_t i = 0; i < count; ++i)
      sockets.push_back(socket_of(i, {Bound::Exact, random() % 50}));
    std::shuffle(sockets.begin(), sockets.end(), random);
    sort_oldest_first(sockets);
    EXPECT_TRUE(
        std::is_sorted(sockets.begin(), sockets.end(), [](const Listed& a, const Listed& b) {
          return a.seed.age.ns != b.seed.age.ns ? a.seed.age.ns > b.seed.age.ns
                                                : a.seed.socket.id.cookie < b.seed.socket.id.cookie;
        }));
    auto all = cookies(sockets);
    std::sort(all.begin(), all.end());
    for (std::uint64_t i = 0; i < count; ++i) EXPECT_EQ(all[i], i);
  }
}

}  // namespace
}  // namespace tcpdwell
