// SPDX-License-Identifier: BSD-2-Clause
/// From bytes of the ring to events: what is right is taken whole, what is not is refused.
#include "capture/decode.h"

#include <gtest/gtest.h>
#include <tcpdwell/event.h>

#include <cstdint>
#include <cstring>
#include <random>
#include <string>
#include <vector>

namespace tcpdwell {
namespace {

constexpr std::size_t kShort = TD_OFFSETOF(td_event, stats);

/// The last line of a connection, with everything a record can carry.
td_event full_record() {
  td_event e{};
  e.size = sizeof e;
  e.version = TD_EVENT_VERSION;
  e.kind = TD_KIND_TRANSITION;
  e.flags = TD_F_STATS;
  e.mono_ns = 5'000'000'000;
  e.cookie = 0x1a2b;
  e.dwell_ns = 184'000;
  e.start_ns = 3'000'000'000;
  e.path = 0x2147;  // SYN_SENT > ESTABLISHED > FIN_WAIT1 > CLOSE
  e.cgroup_id = 42;
  e.owner_cgroup_id = 43;
  e.use = 2;
  e.netns = 4026531840;
  e.pid = 4711;
  e.lport = 51234;
  e.rport = 443;
  e.family = 4;
  e.old_state = TD_FIN_WAIT1;
  e.new_state = TD_CLOSE;
  e.dwell = TD_DWELL_EXACT;
  e.owner = TD_OWNER_CONNECT;
  e.reason = TD_REASON_RESET_BY_PEER;
  e.restarts = 3;
  for (unsigned i = 0; i < 16; ++i) {
    e.laddr[i] = static_cast<std::uint8_t>(i + 1);
    e.raddr[i] = static_cast<std::uint8_t>(i + 101);
  }
  std::memcpy(e.comm, "curl", 5);
  e.stats = {10, 20, 30, 40, 50, 60, 70, 0};
  return e;
}

/// A record without traffic, as all but the last of a connection are.
td_event short_record() {
  td_event e = full_record();
  e.size = kShort;
  e.flags = 0;
  e.old_state = TD_SYN_SENT;
  e.new_state = TD_ESTABLISHED;
  return e;
}

Result<DecodedEvent> decode(const td_event& e) { return decode_event(&e, e.size); }

Transition transition(const td_event& e) {
  auto decoded = decode(e);
  if (!decoded) {
    ADD_FAILURE() << decoded.error().message;
    return {};
  }
  return std::get<Transition>(*decoded);
}

/// Refused, with a reason that says so.
void expect_refused(const void* data, std::size_t size, std::string_view why) {
  const auto decoded = decode_event(data, size);
  ASSERT_FALSE(decoded.ok()) << why;
  EXPECT_EQ(decoded.error().fault, Fault::Runtime);
  EXPECT_EQ(decoded.error().message, "malformed event: " + std::string(why));
}

void expect_refused(const td_event& e, std::string_view why) { expect_refused(&e, e.size, why); }

TEST(Decode, TakesEveryFieldOfATransition) {
  const Transition t = transition(full_record());
  EXPECT_EQ(t.mono_ns, 5'000'000'000U);
  EXPECT_EQ(t.wall_ns, 0) << "the caller's to set";
  EXPECT_EQ(t.socket.id, (ConnId{0x1a2b, 2}));
  EXPECT_EQ(t.socket.netns, 4026531840U);
  EXPECT_EQ(t.socket.family, Family::V4);
  EXPECT_EQ(address_text(Family::V4, t.socket.local), "1.2.3.4");
  EXPECT_EQ(address_text(Family::V4, t.socket.remote), "101.102.103.104");
  EXPECT_EQ(t.socket.local.addr[4], 0) << "an IPv4 address has four bytes";
  EXPECT_EQ(t.socket.local.port, 51234);
  EXPECT_EQ(t.socket.remote.port, 443);
  EXPECT_EQ(t.socket.owner, (Owner{4711, Comm("curl"), OwnerSource::Connect}));
  EXPECT_EQ(t.socket.cgroup_id, 42U);
  EXPECT_EQ(t.socket.owner_cgroup_id, 43U);
  EXPECT_EQ(t.from, State::FinWait1);
  EXPECT_EQ(t.to, State::Close);
  EXPECT_EQ(t.dwell, (Dwell{Bound::Exact, 184'000}));
  EXPECT_FALSE(t.gap);
  EXPECT_EQ(t.reason, Reason::ResetByPeer);
  EXPECT_EQ(t.timer_restarts, 3U);
  EXPECT_EQ(t.life_ns, 2'000'000'000U);
  EXPECT_EQ(t.path.to_string(), "SYN_SENT>ESTABLISHED>FIN_WAIT1>CLOSE");
  EXPECT_EQ(t.traffic, (TrafficStats{10, 20, 30, 40, 50, 60, 70}));
}

TEST(Decode, TakesWhyAResetWasSentInTheKernelsWords) {
  td_event e = full_record();
  const ResetNames names = {*parse_kernel_word("NOT_SPECIFIED"), *parse_kernel_word("NO_SOCKET")};
  const auto rst_of = [&] {
    return std::string(
        name_of(std::get<Transition>(*decode_event(&e, sizeof e, names)).traffic->rst));
  };
  e.reason = TD_REASON_RESET_LOCAL;
  EXPECT_EQ(rst_of(), "");
  e.stats.rst = 2;
  EXPECT_EQ(rst_of(), "NO_SOCKET");
  e.stats.rst = 3;
  EXPECT_EQ(rst_of(), "") << "it has no name";
  e.reason = TD_REASON_RESET_BY_PEER;
  e.stats.idle_ms = 2;
  EXPECT_EQ(rst_of(), "");
  EXPECT_EQ(transition(e).traffic->idle_ms, 2U);
}

TEST(Decode, TakesTheQueueOfAListenerThatIsClosed) {
  td_event e = full_record();
  e.flags = TD_F_LIVE;
  e.old_state = TD_LISTEN;
  e.live = {};
  e.live.recv_queue = 1;
  e.live.send_queue = 2;
  e.live.drops = 3;
  e.live.peak = 4;
  EXPECT_EQ(transition(e).accept_queue, (AcceptQueue{1, 2, 4, 3}));
  EXPECT_FALSE(transition(e).traffic);
  e.old_state = TD_ESTABLISHED;
  expect_refused(e, "queues of a transition");
  e.old_state = TD_LISTEN;
  e.flags |= TD_F_STATS;
  expect_refused(e, "both queues and traffic");
}

TEST(Decode, TakesWhatARequestWaitedFor) {
  td_event e = short_record();
  e.old_state = TD_SYN_RECV;
  for (const unsigned flag : {0U, TD_F_DEFERRED, TD_F_QUEUE_FULL}) {
    e.flags = static_cast<__u8>(flag);
    EXPECT_EQ(transition(e).deferred, flag == TD_F_DEFERRED);
    EXPECT_EQ(transition(e).queue_full, flag == TD_F_QUEUE_FULL);
  }
  e.old_state = TD_SYN_SENT;
  EXPECT_FALSE(transition(e).queue_full) << "on the line that leaves SYN_RECV alone";
}

TEST(Decode, TakesAWaitForAccept) {
  td_event e = short_record();
  e.old_state = TD_ESTABLISHED;
  e.new_state = TD_CLOSE_WAIT;
  e.accept_wait_ns = 77;
  EXPECT_FALSE(transition(e).accept_wait_ns) << "without the flag it means nothing";
  e.flags = TD_F_ACCEPT_WAIT;
  EXPECT_EQ(transition(e).accept_wait_ns, 77U);
  e.accept_wait_ns = 0;
  EXPECT_EQ(transition(e).accept_wait_ns, 0U);
  e.first_port = e.last_port = 5;  // it stands where that of connect() stands
  expect_refused(e, "a wait for accept() where there is none");
  e.first_port = e.last_port = 0;
  e.kind = TD_KIND_SEED;
  expect_refused(e, "a wait for accept() where there is none");
}

TEST(Decode, TakesASeed) {
  td_event e = short_record();
  e.kind = TD_KIND_SEED;
  e.family = 6;
  e.old_state = TD_UNKNOWN;
  e.dwell = TD_DWELL_AT_LEAST;
  e.owner = TD_OWNER_SEED;
  const auto decoded = decode(e);
  ASSERT_TRUE(decoded.ok()) << decoded.error().message;
  const Seed& seed = std::get<Seed>(*decoded);
  EXPECT_EQ(seed.mono_ns, 5'000'000'000U);
  EXPECT_EQ(seed.state, State::Established);
  EXPECT_EQ(seed.age, (Dwell{Bound::AtLeast, 184'000}));
  EXPECT_EQ(seed.socket.owner.source, OwnerSource::Seed);
  EXPECT_EQ(address_text(Family::V6, seed.socket.local), "102:304:506:708:90a:b0c:d0e:f10");
}

TEST(Decode, HowItCameToItsPort) {
  td_event e = short_record();
  EXPECT_EQ(transition(e).port, PortChoice{});
  e.flags = TD_F_BOUND;
  EXPECT_TRUE(transition(e).port.bound);
  e.first_port = 40000;
  expect_refused(e, "no range of ports");
  e.last_port = 40009;
  e.reserved = 8;
  EXPECT_EQ(transition(e).port.own, (PortChoice::Range{40000, 40009, 8}));
}

TEST(Decode, WhatIsNotKnownIsAbsent) {
  td_event e = full_record();
  e.pid = 0;
  e.comm[0] = '\0';
  e.dwell = TD_DWELL_UNKNOWN;
  e.start_ns = 0;
  e.stats = {};
  const Transition t = transition(e);
  EXPECT_FALSE(t.socket.owner.pid);
  EXPECT_TRUE(t.socket.owner.comm.view().empty());
  EXPECT_EQ(t.dwell, Dwell{}) << "the number of an unknown dwell means nothing";
  EXPECT_FALSE(t.life_ns);
  EXPECT_EQ(t.traffic, TrafficStats{}) << "0 bytes are a number, no round trip is none";
}

TEST(Decode, ALifeThatBeginsAfterItsEndIsNotKnown) {
  td_event e = full_record();
  e.start_ns = e.mono_ns;
  EXPECT_EQ(transition(e).life_ns, 0U);
  e.start_ns = e.mono_ns + 1;
  EXPECT_FALSE(transition(e).life_ns);
}

TEST(Decode, OnlyTheLastLineTellsOfTheWhole) {
  const Transition t = transition(short_record());
  EXPECT_FALSE(t.life_ns);
  EXPECT_TRUE(t.path.empty());
  EXPECT_FALSE(t.traffic);
}

TEST(Decode, AFlagSaysThatATransitionWasLostBefore) {
  td_event e = short_record();
  e.flags = TD_F_GAP;
  EXPECT_TRUE(transition(e).gap);
}

TEST(Decode, ANameWithoutItsNulIsCut) {
  td_event e = short_record();
  std::memset(e.comm, 'x', sizeof e.comm);
  EXPECT_EQ(transition(e).socket.owner.comm.view(), std::string(15, 'x'));
}

TEST(Decode, EveryOtherLengthIsRefused) {
  // Bytes beyond the record must not be needed: each length has a buffer of its own.
  for (std::size_t size = 0; size <= sizeof(td_event) + 8; ++size) {
    for (const td_event& e : {short_record(), full_record()}) {
      std::vector<std::uint8_t> bytes(size);
      if (size != 0) std::memcpy(bytes.data(), &e, std::min(size, sizeof e));
      EXPECT_EQ(decode_event(bytes.data(), size).ok(), size == e.size) << size << " of " << e.size;
    }
  }
}

TEST(Decode, LengthAndFlagsMustAgree) {
  td_event e = full_record();
  expect_refused(&e, kShort, "size field differs from its length");
  e.flags = 0;
  expect_refused(e, "length does not fit its flags");
  e = short_record();
  e.flags = TD_F_STATS;
  expect_refused(e, "length does not fit its flags");
  e = full_record();
  e.size = 0;
  expect_refused(&e, sizeof e, "size field differs from its length");
  expect_refused(&e, 0, "too short");
  expect_refused(&e, kShort - 1, "too short");
}

TEST(Decode, AnotherVersionIsRefused) {
  for (const unsigned version : {0U, TD_EVENT_VERSION + 1U, 65535U}) {
    td_event e = full_record();
    e.version = static_cast<std::uint16_t>(version);
    expect_refused(e, "unknown version");
  }
}

/// The values that the byte `field` may have are first to last; all 256 are tried.
void expect_range(std::uint8_t td_event::*field, unsigned first, unsigned last,
                  std::string_view why) {
  for (unsigned value = 0; value < 256; ++value) {
    td_event e = short_record();
    e.*field = static_cast<std::uint8_t>(value);
    if (value >= first && value <= last) {
      EXPECT_TRUE(decode(e).ok()) << why << ' ' << value;
    } else {
      expect_refused(e, why);
    }
  }
}

TEST(Decode, EveryRangeIsChecked) {
  for (const unsigned kind : {0U, unsigned{TD_KIND_COUNT}, 255U}) {
    td_event e = short_record();
    e.kind = static_cast<std::uint8_t>(kind);
    expect_refused(e, "unknown kind");
  }
  expect_range(&td_event::old_state, 0, TD_CLOSING, "unknown state");
  expect_range(&td_event::new_state, 0, TD_CLOSING, "unknown state");
  expect_range(&td_event::dwell, 0, TD_DWELL_AT_LEAST, "unknown kind of dwell");
  expect_range(&td_event::owner, 0, TD_OWNER_SEED, "unknown owner source");
  expect_range(&td_event::reason, 0, TD_REASON_RESTORED, "unknown reason");
}

TEST(Decode, AFamilyIsFourOrSix) {
  for (unsigned family = 0; family < 256; ++family) {
    td_event e = short_record();
    e.family = static_cast<std::uint8_t>(family);
    if (family == 4 || family == 6) {
      EXPECT_TRUE(decode(e).ok());
    } else {
      expect_refused(e, "unknown address family");
    }
  }
}

TEST(Decode, FlagsNobodyKnowsAreRefused) {
  for (unsigned bit = 0x80; bit < 0x100; bit <<= 1) {
    td_event e = short_record();
    e.flags = static_cast<std::uint8_t>(bit);
    expect_refused(e, "unknown flag");
  }
}

TEST(Decode, AUseThatNeverWasIsRefused) {
  td_event e = short_record();
  e.use = 0;
  expect_refused(e, "use 0");
}

TEST(Decode, AStateInThePathIsOneThereIs) {
  td_event e = full_record();
  for (std::uint64_t state = TD_STATE_COUNT; state < 16; ++state) {
    for (unsigned place = 0; place < 16; ++place) {
      e.path = state << (4 * place);
      expect_refused(e, "unknown state in the path");
    }
  }
  e.path = 0xb;  // CLOSING alone
  EXPECT_EQ(transition(e).path.to_string(), "CLOSING");
}

// Whatever the bytes, the result is an error or an event that everything downstream can print.
TEST(Decode, RandomBytesNeverMakeAnEventThatCannotBeShown) {
  std::mt19937_64 random(1);
  unsigned taken = 0;
  for (int i = 0; i < 200'000; ++i) {
    td_event e = random() % 2 ? full_record() : short_record();
    auto* bytes = reinterpret_cast<std::uint8_t*>(&e);
    for (std::uint64_t changes = random() % 4; changes > 0; --changes)
      bytes[random() % sizeof e] = static_cast<std::uint8_t>(random());
    const auto decoded =
        decode_event(&e, random() % 8 ? e.size % (sizeof e + 1) : random() % (sizeof e + 1));
    if (!decoded) continue;
    ++taken;
    const auto* t = std::get_if<Transition>(&*decoded);
    const Socket& socket = t ? t->socket : std::get<Seed>(*decoded).socket;
    EXPECT_LT(socket.owner.comm.view().size(), 16U);
    EXPECT_FALSE(address_text(socket.family, socket.local).empty());
    if (!t) continue;
    EXPECT_FALSE(name_of(t->from).empty() || name_of(t->to).empty());
    EXPECT_TRUE(Path::parse(t->path.to_string())) << t->path.packed();
  }
  EXPECT_GT(taken, 10'000U);
}

std::uint64_t packed(State state, Bound bound, std::uint64_t ns) {
  return static_cast<std::uint64_t>(state) |
         static_cast<std::uint64_t>(bound) << TD_STAY_DWELL_SHIFT | ns << TD_STAY_NS_SHIFT;
}

td_connection connection_record() {
  td_connection c{};
  c.last = full_record();
  c.last.size = sizeof c;
  c.last.kind = TD_KIND_CONNECTION;
  c.n_stays = 3;
  c.stays_left_out = 4;
  c.stays[0] = packed(State::SynSent, Bound::Exact, 70);
  c.stays[1] = packed(State::Established, Bound::AtLeast, TD_STAY_MOST_NS);
  c.stays[2] = packed(State::FinWait1, Bound::Unknown, 9);
  return c;
}

TEST(Decode, TakesAConnection) {
  const td_connection c = connection_record();
  const auto decoded = decode_event(&c, sizeof c);
  ASSERT_TRUE(decoded.ok()) << decoded.error().message;
  const Connection& got = std::get<Connection>(*decoded);
  EXPECT_EQ(got.start_wall_ns, 3'000'000'000) << "the caller adds what the wall clock is ahead";
  EXPECT_EQ(got.end_wall_ns, 5'000'000'000);
  EXPECT_FALSE(got.seen_wall_ns);
  EXPECT_EQ(got.state, State::Close);
  ASSERT_EQ(got.stays.size(), 3U);
  EXPECT_EQ(got.stays.begin()[0], (Stay{State::SynSent, {Bound::Exact, 70}}));
  EXPECT_EQ(got.stays.begin()[1], (Stay{State::Established, {Bound::AtLeast, TD_STAY_MOST_NS}}));
  EXPECT_EQ(got.stays.begin()[2], (Stay{State::FinWait1, {}}));
  EXPECT_EQ(got.stays_left_out, 4U);
  EXPECT_EQ(got.life_ns, 2'000'000'000U);
  EXPECT_EQ(got.reason, Reason::ResetByPeer);
  EXPECT_EQ(got.traffic, (TrafficStats{10, 20, 30, 40, 50, 60, 70}));
  EXPECT_FALSE(got.accept_wait_ns);
}

TEST(Decode, AConnectionTellsItsWaitForAccept) {
  td_connection c = connection_record();
  c.last.flags |= TD_F_ACCEPT_WAIT;
  c.last.accept_wait_ns = 9;
  const auto decoded = decode_event(&c, sizeof c);
  ASSERT_TRUE(decoded.ok()) << decoded.error().message;
  EXPECT_EQ(std::get<Connection>(*decoded).accept_wait_ns, 9U);
}

TEST(Decode, AnOpenConnectionHasTheStateItIsInLast) {
  td_connection c = connection_record();
  c.last.new_state = c.last.old_state = TD_FIN_WAIT2;
  c.told = 2;
  const auto decoded = decode_event(&c, sizeof c);
  ASSERT_TRUE(decoded.ok()) << decoded.error().message;
  const Connection& got = std::get<Connection>(*decoded);
  EXPECT_TRUE(got.open());
  EXPECT_EQ(got.seen_wall_ns, 5'000'000'000);
  ASSERT_EQ(got.stays.size(), 2U) << "an earlier record had the others";
  EXPECT_EQ(got.stays.begin()[0], (Stay{State::FinWait1, {}}));
  EXPECT_EQ(got.stays.back(), (Stay{State::FinWait2, {Bound::Exact, 184'000}}));
  EXPECT_FALSE(got.life_ns);
  EXPECT_FALSE(got.traffic);
}

TEST(Decode, RefusesStaysThatCannotBe) {
  const auto with = [](auto change) {
    td_connection c = connection_record();
    change(c);
    return c;
  };
  const auto refused = [](const td_connection& c, std::string_view why) {
    expect_refused(&c, c.last.size, why);
  };
  refused(with([](auto& c) { c.n_stays = TD_STAYS + 1; }), "too many stays");
  refused(with([](auto& c) { c.told = 4; }), "too many stays");
  refused(with([](auto& c) { c.stays[1] |= 15; }), "unknown state of a stay");
  refused(with([](auto& c) { c.stays[1] |= 3U << TD_STAY_DWELL_SHIFT; }),
          "unknown kind of dwell of a stay");
  refused(with([](auto& c) { c.last.size = sizeof c.last; }), "length does not fit its flags");
}

}  // namespace
}  // namespace tcpdwell
