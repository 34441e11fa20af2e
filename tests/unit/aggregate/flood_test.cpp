// SPDX-License-Identifier: BSD-2-Clause
/// Each table, given keys that somebody chose to meet in one bucket.
#include "support/flood.h"

#include <gtest/gtest.h>

#include <cstring>
#include <functional>
#include <optional>
#include <random>
#include <string_view>
#include <utility>
#include <vector>

#include "aggregate/findings.h"
#include "aggregate/open_groups.h"
#include "aggregate/open_table.h"
#include "aggregate/port_peaks.h"
#include "aggregate/ports.h"
#include "support/colliding.h"

namespace tcpdwell {
namespace {

using flood::expect_as_random;
using flood::kKeys;

/// Plays keys that met and random ones, both by make(n): n from 1, and 0 for a random one.
template <class Make, class Play>
void flood_table(Make make, Play play) {
  std::vector<decltype(make(1))> colliding, random;
  for (std::uint64_t n = 1; n <= kKeys; ++n) {
    colliding.push_back(make(n));
    random.push_back(make(0));
  }
  expect_as_random(colliding, random, [&](const auto& keys) {
    for (const auto& key : keys) play(key);
    for (const auto& key : keys) play(key);
  });
}

std::uint64_t random_word() {
  static std::mt19937_64 random(1);
  return random();
}

/// As PackedKey has them.
template <class... Values>
std::vector<std::uint64_t> words_of(const Values&... values) {
  std::vector<std::uint64_t> words((sizeof values + ... + 7) / 8);
  std::size_t at = 0;
  const auto put = [&](const auto& value) {
    std::memcpy(reinterpret_cast<char*>(words.data()) + at, &value, sizeof value);
    at += sizeof value;
  };
  (put(values), ...);
  return words;
}

Socket blank() {
  Socket socket;
  socket.netns = 4'026'531'840;
  socket.family = Family::V6;
  socket.local.addr = {0xfd, 1};
  socket.local.port = 40000;
  socket.remote.addr = {0xfd};
  socket.remote.port = 7777;
  return socket;
}

/// With an address that is packed behind `before`, so that its bytes from `offset` on are word
/// `free` of the key.
template <class... Values>
Socket with_remote(std::uint64_t n, std::size_t free, std::size_t offset, const Values&... key) {
  Socket socket = blank();
  const std::uint64_t word = n == 0 ? random_word() : flood::free_word(words_of(key...), free, n);
  std::memcpy(socket.remote.addr.data() + offset, &word, sizeof word);
  return socket;
}

Socket by_remote(std::uint64_t n) {
  return with_remote(n, 1, 7, blank().family, blank().remote.addr);
}

Socket by_destination(std::uint64_t n) {
  return with_remote(n, 1, 7, blank().family, blank().remote.addr, blank().remote.port);
}

TEST(Flood, OpenTable) {
  const auto make = [](std::uint64_t n) {
    const std::uint64_t hash = n << 32 | (n ^ 0x1234);
    return ConnId{
        n == 0 ? random_word() : hash * flood::inverse(flood::kPhi) ^ std::uint64_t{1} << 48, 1};
  };
  OpenTable table;
  flood_table(make, [&](const ConnId& id) { table.add(id).slot = 1; });
}

TEST(Flood, RowTable) {
  RowTable rows({Key::Remote}, 65536);
  flood_table(by_remote, [&](const Socket& socket) { rows.enter({socket, State::Established}); });
}

TEST(Flood, OpenGroups) {
  OpenGroups groups({{Key::Remote}});
  Followed followed;
  followed.state = State::Established;
  flood_table(by_remote, [&](const Socket& socket) {
    followed.socket = socket;
    groups.open(followed, {});
  });
}

TEST(Flood, Ports) {
  const std::uint16_t first_host = 1;
  const auto make = [&](std::uint64_t n) {
    const Socket s = blank();
    return with_remote(n, 3, 1, first_host, s.netns, s.family, s.local.addr, s.remote.addr,
                       s.remote.port, s.iface.bytes);
  };
  Ports ports;
  ports.begin_host("host", std::nullopt);
  flood_table(
      make, [&](const Socket& s) { ports.take_port(s, {}, Role::Active, State::Established, 1); });
}

TEST(Flood, Destinations) {
  Findings findings;
  Followed followed;
  followed.role = Role::Active;
  Transition t;
  t.from = State::Close;
  t.to = State::SynSent;
  flood_table(by_destination, [&](const Socket& socket) {
    t.socket = socket;
    findings.moved(followed, t);
  });
}

/// Of a key of 48 bits the whole hash cannot be chosen; the low bits, for a table of 2,048, can.
TEST(Flood, Services) {
  constexpr std::uint64_t kMask = 8191;
  std::uint64_t tried = 0;
  const auto make = [&](std::uint64_t n) {
    std::uint64_t word = random_word() >> 16;
    if (n != 0)
      while ((flood::step(0, word = tried++) & kMask) != 0) continue;
    Socket socket = blank();
    socket.netns = static_cast<std::uint32_t>(word);
    socket.local.port = static_cast<std::uint16_t>(word >> 32);
    return socket;
  };
  Findings findings;
  Followed followed;
  followed.role = Role::Passive;
  Transition t;
  t.from = State::Listen;
  t.to = State::SynRecv;
  flood_table(make, [&](const Socket& socket) {
    t.socket = socket;
    findings.moved(followed, t);
  });
}

TEST(Flood, PeersThatLetWait) {
  Waiting waiting;
  flood_table(by_remote, [&](const Socket& socket) {
    waiting.held_open(socket, {Bound::Exact, 20'000'000'000});
  });
}

TEST(Flood, ProcessesThatLetWait) {
  const auto make = [](std::uint64_t n) {
    const std::uint64_t words[] = {n == 0 ? random_word() : flood::free_word({0, 0x6d6d6f63}, 0, n),
                                   0x6d6d6f63};
    Socket socket = blank();
    std::memcpy(socket.owner.comm.bytes.data(), words, sizeof words);
    return socket;
  };
  Waiting waiting;
  Followed followed;
  followed.state = State::CloseWait;
  flood_table(make, [&](const Socket& socket) {
    followed.socket = socket;
    waiting.open_at_end(followed, 100'000'000'000, false);
  });
}

TEST(Flood, PortPeaks) {
  const auto make = [](std::uint64_t n) {
    const Socket s = blank();
    return with_remote(n, 3, 3, s.netns, s.family, s.local.addr, s.remote.addr, s.remote.port,
                       s.iface.bytes);
  };
  PortPeaks peaks;
  Survey survey;
  survey.ports.resize(1);
  PortRow& row = survey.ports[0];
  row.live = 1;
  flood_table(make, [&](const Socket& s) {
    row.netns = s.netns;
    row.family = s.family;
    row.local = s.local;
    row.remote = s.remote;
    peaks.add(survey, 1);
  });
}

}  // namespace
}  // namespace tcpdwell
