// SPDX-License-Identifier: BSD-2-Clause
#include "model/event.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace tcpdwell {
namespace {

TEST(Comm, HoldsFifteenBytes) {
  EXPECT_EQ(Comm("").view(), "");
  EXPECT_EQ(Comm("nginx").view(), "nginx");
  EXPECT_EQ(Comm("123456789012345").view(), "123456789012345");
  EXPECT_EQ(Comm("1234567890123456789").view(), "123456789012345");
}

TEST(Comm, EndsAtANul) {
  EXPECT_EQ(Comm(std::string_view("ab\0cd", 5)).view(), "ab");
  EXPECT_EQ(Comm(std::string_view("ab\0cd", 5)), Comm("ab"));
  EXPECT_EQ(Comm(std::string_view("\0", 1)).view(), "");
}

TEST(Comm, IsBytesNotText) {
  EXPECT_EQ(Comm("\xff\x1b\n").view(), "\xff\x1b\n");
  EXPECT_EQ(Comm("aaaaaaaaaaaaa€").view(), "aaaaaaaaaaaaa\xe2\x82") << "cut inside a character";
}

TEST(Comm, ViewStaysInsideWithoutANul) {
  Comm comm;
  comm.bytes.fill('x');
  EXPECT_EQ(comm.view().size(), 16U);
}

TEST(ConnId, PrintsAsSsDoes) {
  EXPECT_EQ(to_string(ConnId{0x1a2b, 1}), "1a2b");
  EXPECT_EQ(to_string(ConnId{0x1a2b, 2}), "1a2b.2");
  EXPECT_EQ(to_string(ConnId{0, 1}), "0");
  EXPECT_EQ(to_string(ConnId{UINT64_MAX, UINT32_MAX}), "ffffffffffffffff.4294967295");
}

TEST(ConnId, RoundTrips) {
  for (const ConnId id : {ConnId{1, 1}, ConnId{1, 2}, ConnId{0xdead, 10}, ConnId{UINT64_MAX, 1},
                          ConnId{UINT64_MAX, UINT32_MAX}}) {
    EXPECT_EQ(parse_conn_id(to_string(id)), id) << to_string(id);
  }
}

TEST(ConnId, RejectsJunk) {
  for (const auto text : {"", ".", ".2", "1.", "1.0", "1.1", "1.2.3", "1.x", "x", "0x1", "-1", "+1",
                          " 1", "1 ", "1.-2", "10000000000000000", "1.4294967296", "1.a"}) {
    EXPECT_EQ(parse_conn_id(text), std::nullopt) << text;
  }
  EXPECT_EQ(parse_conn_id(std::string_view("1\0", 2)), std::nullopt);
}

Endpoint endpoint(int af, const char* text) {
  Endpoint end;
  EXPECT_EQ(::inet_pton(af, text, end.addr.data()), 1) << text;
  return end;
}

TEST(Address, IsNumeric) {
  EXPECT_EQ(address_text(Family::V4, endpoint(AF_INET, "10.0.0.1")), "10.0.0.1");
  EXPECT_EQ(address_text(Family::V4, endpoint(AF_INET, "255.255.255.255")), "255.255.255.255");
  EXPECT_EQ(address_text(Family::V4, Endpoint{}), "0.0.0.0");
  EXPECT_EQ(address_text(Family::V6, Endpoint{}), "::");
  EXPECT_EQ(address_text(Family::V6, endpoint(AF_INET6, "2001:db8::1")), "2001:db8::1");
}

TEST(Address, ShowsAMappedOneAsMapped) {
  EXPECT_EQ(address_text(Family::V6, endpoint(AF_INET6, "::ffff:10.0.0.1")), "::ffff:10.0.0.1");
}

TEST(Address, HoldsTheLongest) {
  const std::string longest = "1111:2222:3333:4444:5555:6666:7777:8888";
  EXPECT_EQ(address_text(Family::V6, endpoint(AF_INET6, longest.c_str())), longest);
}

TEST(Endpoint, HasItsPortBehindIt) {
  Endpoint v4 = endpoint(AF_INET, "10.0.0.1"), v6 = endpoint(AF_INET6, "::1");
  EXPECT_EQ(endpoint_text(Family::V4, v4), "10.0.0.1:*") << "not known";
  v4.port = v6.port = 443;
  EXPECT_EQ(endpoint_text(Family::V4, v4), "10.0.0.1:443");
  EXPECT_EQ(endpoint_text(Family::V6, v6), "[::1]:443");
}

TEST(Words, SayWhatADwellIsWorthAndWhoOwnsASocket) {
  EXPECT_EQ(dwell_text({Bound::Exact, 1'200'000'000}), "1.20s");
  EXPECT_EQ(dwell_text({Bound::AtLeast, 1'200'000'000}), ">=1.20s");
  EXPECT_EQ(dwell_text({}), "?");
  EXPECT_EQ(dwell_text({}, "-"), "-");
  Owner owner;
  EXPECT_EQ(owner_text(owner), "?");
  owner.comm = Comm("a\nb");
  EXPECT_EQ(owner_text(owner), "a\\x0ab");
  owner.pid = 7;
  EXPECT_EQ(owner_text(owner), "7/a\\x0ab");
}

Transition between(State from, State to) {
  Transition transition;
  transition.from = from;
  transition.to = to;
  return transition;
}

TEST(Transition, BeginningsEndNoDwell) {
  EXPECT_FALSE(between(State::Close, State::SynSent).ends_a_dwell());
  EXPECT_FALSE(between(State::Close, State::Listen).ends_a_dwell());
  EXPECT_FALSE(between(State::Close, State::Established).ends_a_dwell());
  EXPECT_FALSE(between(State::Listen, State::SynRecv).ends_a_dwell());
}

TEST(Transition, EverythingElseEndsOne) {
  EXPECT_TRUE(between(State::Listen, State::Close).ends_a_dwell());
  EXPECT_TRUE(between(State::SynSent, State::SynRecv).ends_a_dwell());
  EXPECT_TRUE(between(State::SynRecv, State::Established).ends_a_dwell());
  EXPECT_TRUE(between(State::TimeWait, State::Close).ends_a_dwell());
  EXPECT_TRUE(between(State::TimeWait, State::SynRecv).ends_a_dwell());
  EXPECT_TRUE(between(State::Unknown, State::Close).ends_a_dwell());
}

TEST(Transition, CloseIsTheLast) {
  EXPECT_TRUE(between(State::TimeWait, State::Close).last());
  EXPECT_FALSE(between(State::FinWait2, State::TimeWait).last());
}

}  // namespace
}  // namespace tcpdwell
