// SPDX-License-Identifier: BSD-2-Clause
#include "sinks/text_lines.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <ctime>
#include <string>
#include <string_view>
#include <type_traits>

#include "model/colour.h"
#include "unit/sinks/lines_for_tests.h"
#include "util/escape.h"
#include "util/utf8.h"

namespace tcpdwell {
namespace {

constexpr Dwell kExact{Bound::Exact, 184'000};

template <class Event>
std::string render(const Event& event, TextOptions options = {}) {
  StringOutput out;
  TextLines lines(out, options);
  if constexpr (std::is_same_v<Event, Transition>) {
    EXPECT_TRUE(lines.transition(event).ok());
  } else if constexpr (std::is_same_v<Event, Seed>) {
    EXPECT_TRUE(lines.seed(event).ok());
  } else {
    EXPECT_TRUE(lines.loss(event).ok());
  }
  return out.text;
}

std::string header(TextOptions options = {}) {
  StringOutput out;
  TextLines lines(out, options);
  EXPECT_TRUE(lines.header({}).ok());
  return out.text;
}

bool has(std::string_view text, std::string_view part) {
  return text.find(part) != std::string_view::npos;
}

/// Local time is what -T prints; a test needs a zone of its own.
class Zone {
 public:
  explicit Zone(const char* name) {
    setenv("TZ", name, 1);
    tzset();
  }
  ~Zone() {
    unsetenv("TZ");
    tzset();
  }
};

TEST(TextLines, OneLineWithEverythingInItsColumn) {
  EXPECT_EQ(header(),
            "    PID COMM            LOCAL                 REMOTE                OLD            "
            "NEW            DWELL  NOTE\n");
  EXPECT_EQ(render(transition(State::SynSent, State::Established, kExact)),
            "   4711 curl            10.0.0.5:51234        93.184.216.34:443     SYN_SENT    -> "
            "ESTABLISHED    184us\n");
}

TextOptions on_terminal(std::size_t columns) {
  TextOptions options;
  options.columns = columns;
  return options;
}

TEST(TextLines, ColumnsMoveTogetherOnANarrowTerminal) {
  EXPECT_EQ(header(on_terminal(80)),
            "  PID COMM     LOCAL           REMOTE          OLD -> NEW                  DWELL\n");
  Transition t = transition(State::SynSent, State::Established, kExact);
  t.socket.local = v4({127, 0, 0, 1}, 59798);
  t.socket.remote = v4({127, 0, 0, 1}, 9913);
  EXPECT_EQ(render(t, on_terminal(80)),
            " 4711 curl     127.0.0.1:59798 127.0.0.1:9913  SYN_SENT -> ESTABLISHED     184us\n");
}

TEST(TextLines, ALineFillsTheTerminalAndNoMore) {
  Transition t = transition(State::Established, State::CloseWait, {Bound::Exact, 12'300'000});
  t.socket.local = v4({127, 0, 0, 1}, 59798);
  t.socket.remote = v4({127, 0, 0, 1}, 59799);
  for (std::size_t columns = 80; columns < 140; ++columns) {
    EXPECT_EQ(render(t, on_terminal(columns)).size() - 1, std::min<std::size_t>(columns, 103))
        << columns;
  }
  t = transition(State::Established, State::CloseWait, kExact);
  EXPECT_EQ(render(t, on_terminal(40)), render(t, on_terminal(79))) << "it gets no narrower";
}

TEST(TextLines, WhatNobodyLooksAtAndWideLinesKeepTheirWidth) {
  const Transition t = transition(State::SynSent, State::Established, kExact);
  EXPECT_EQ(render(t, on_terminal(0)), render(t));
  EXPECT_EQ(render(t, on_terminal(103)), render(t));
  EXPECT_NE(render(t, on_terminal(102)), render(t));
  TextOptions wide;
  wide.wide = true;
  const std::string unbounded = render(t, wide);
  wide.columns = 80;
  EXPECT_EQ(render(t, wide), unbounded);
}

TEST(TextLines, TimeTakesItsColumnsFromTheOthers) {
  const Transition t = transition(State::Established, State::CloseWait, {Bound::Exact, 123'000});
  TextOptions options = on_terminal(103);
  options.time = true;
  EXPECT_EQ(render(t, options).size() - 1, 103U);
}

TEST(TextLines, ANarrowSeedKeepsItsColumns) {
  Seed seed;
  seed.socket = client_socket();
  seed.socket.remote = v4({10, 0, 0, 1}, 80);
  seed.state = State::CloseWait;
  seed.age = {Bound::AtLeast, 5'000'000'000};
  EXPECT_EQ(render(seed, on_terminal(80)),
            " 4711 curl     10.0.0.5:51234  10.0.0.1:80     (exists) -> CLOSE_WAIT    >=5.00s\n");
}

TEST(TextLines, HeaderComesOnce) {
  StringOutput out;
  TextLines lines(out, {});
  ASSERT_TRUE(lines.header({}).ok());
  ASSERT_TRUE(lines.header({}).ok());
  EXPECT_EQ(out.text, header());
}

TEST(TextLines, DwellSaysWhatItIsWorth) {
  const auto dwell_of = [](State from, State to, Dwell dwell) {
    const std::string line = render(transition(from, to, dwell));
    return line.substr(line.rfind(' ') + 1);
  };
  EXPECT_EQ(dwell_of(State::SynSent, State::Established, kExact), "184us\n");
  EXPECT_EQ(
      dwell_of(State::CloseWait, State::LastAck, {Bound::AtLeast, 1'200'000'000}).substr(0, 3),
      ">=1");
  EXPECT_EQ(dwell_of(State::SynRecv, State::Established, {Bound::Unknown, 77}), "?\n");
  EXPECT_EQ(dwell_of(State::Close, State::SynSent, {}), "-\n");
  EXPECT_EQ(dwell_of(State::Listen, State::SynRecv, {}), "-\n");
}

TEST(TextLines, ADwellNeverTouchesTheState) {
  Transition t = transition(State::SynRecv, State::Established, {Bound::AtLeast, UINT64_MAX});
  EXPECT_TRUE(has(render(t), "ESTABLISHED >="));
}

TEST(TextLines, DwellIsRightAligned) {
  const std::size_t end = header().find("DWELL") + 5;
  for (const Dwell dwell : {kExact, Dwell{Bound::AtLeast, 90'000'000'000}, Dwell{}}) {
    EXPECT_EQ(render(transition(State::FinWait1, State::FinWait2, dwell)).size(), end + 1);
  }
}

TEST(TextLines, UnknownOwnerAndPortAreNoNumbers) {
  Transition t = transition(State::Close, State::Listen, {});
  t.socket.owner = {};
  t.socket.cgroup_id = 0;
  t.socket.remote = {};
  const std::string line = render(t);
  EXPECT_EQ(line.find("      - -               10.0.0.5:51234"), 0U) << line;
  EXPECT_TRUE(has(line, " 0.0.0.0:* "));
}

TEST(TextLines, LongValuesPushAndAreNeverCut) {
  Transition t = transition(State::SynSent, State::Established, kExact);
  t.socket.family = Family::V6;
  t.socket.local.addr.fill(0xfe);
  t.socket.remote.addr.fill(0xfd);
  EXPECT_TRUE(has(render(t),
                  " [fefe:fefe:fefe:fefe:fefe:fefe:fefe:fefe]:51234 "
                  "[fdfd:fdfd:fdfd:fdfd:fdfd:fdfd:fdfd:fdfd]:443 SYN_SENT "));
}

TEST(TextLines, WideColumnsHoldFullIpv6) {
  Transition t = transition(State::SynSent, State::Established, kExact);
  const std::string short_line = render(t, {.wide = true});
  t.socket.family = Family::V6;
  t.socket.local.addr.fill(0xfe);
  t.socket.remote.addr.fill(0xfd);
  const std::string long_line = render(t, {.wide = true});
  const std::string head = header({.wide = true});
  for (const std::string& line : {short_line, long_line}) {
    EXPECT_EQ(line.find("SYN_SENT"), head.find("OLD")) << line;
    EXPECT_EQ(line.find("1a2b"), head.find("CONN"));
    EXPECT_EQ(line.find("4026531840"), head.find("NETNS"));
    EXPECT_EQ(line.find("6432"), head.find("CGROUP"));
    EXPECT_EQ(line.find("connect"), head.find("OWNER"));
  }
}

TEST(TextLines, WidePrintsDashesForWhatIsNotKnown) {
  Transition t = transition(State::SynRecv, State::Established, kExact);
  t.socket.owner = {};
  t.socket.cgroup_id = 0;
  const std::string line = render(t, {.wide = true});
  const std::string head = header({.wide = true});
  EXPECT_EQ(line.at(head.find("OWNER")), '-');
  EXPECT_EQ(line.at(head.find("CGROUP")), '-');
}

TEST(TextLines, HostileNamesAreHarmlessAndAligned) {
  Transition t = transition(State::SynSent, State::Established, kExact);
  t.socket.owner.comm = Comm("a\x1b[2J\nb");
  const std::string line = render(t);
  EXPECT_EQ(line.find('\x1b'), std::string::npos);
  EXPECT_EQ(line.find('\n'), line.size() - 1);
  EXPECT_TRUE(has(line, printable("a\x1b[2J\nb")));
  t.socket.owner.comm = Comm("\xE6\x97\xA5\xE6\x9C\xAC");  // two characters, four columns
  const std::string wide = render(t);
  EXPECT_EQ(display_width(wide.substr(0, wide.find("SYN_SENT"))), header().find("OLD"));
}

TEST(TextLines, NotesInOrder) {
  Transition t = last_line();
  t.gap = true;
  const std::string line = render(t);
  EXPECT_TRUE(has(line, "61.7s  expired  timer restarted 2x  life 63.2s  gap\n")) << line;
  EXPECT_FALSE(has(line, "sent"));
}

TEST(TextLines, LifeIsForLastLinesOnly) {
  Transition t = transition(State::SynSent, State::Established, kExact);
  t.life_ns = 5;
  EXPECT_FALSE(has(render(t), "life"));
}

TEST(TextLines, WideLastLinesTellTraffic) {
  Transition t = last_line();
  EXPECT_TRUE(has(render(t, {.wide = true}),
                  "  closer local  sent 1,234,567 B  received 89 B  segs 12 out 10 in  retrans 1"
                  "  srtt 184us  min_rtt 120us\n"))
      << render(t, {.wide = true});
  t.traffic = TrafficStats{};
  EXPECT_FALSE(has(render(t, {.wide = true}), "rtt"));
  t.traffic.reset();
  EXPECT_FALSE(has(render(t, {.wide = true}), "sent"));
}

TEST(TextLines, LocalTimeWithMilliseconds) {
  const Zone zone("XST-2");
  StringOutput out;
  TextLines lines(out, {.time = true});
  Transition t = transition(State::SynSent, State::Established, kExact);
  for (const std::int64_t add : {0LL, 999'999'999LL - 6, 1'000'000'000LL, -1'000'000'000LL}) {
    Transition moved = t;
    moved.wall_ns += add;
    ASSERT_TRUE(lines.transition(moved).ok());
  }
  std::string starts;
  for (std::size_t at = 0; at < out.text.size(); at = out.text.find('\n', at) + 1) {
    starts += out.text.substr(at, 13);
  }
  EXPECT_EQ(starts, "05:04:05.000 05:04:05.999 05:04:06.000 05:04:04.000 ");
  EXPECT_EQ(header({.time = true}).find("    PID"), 13U);
}

TEST(TextLines, TimeBeforeTheEpoch) {
  const Zone zone("UTC0");
  Transition t = transition(State::SynSent, State::Established, kExact);
  t.wall_ns = -1'000'000;
  EXPECT_EQ(render(t, {.time = true}).substr(0, 12), "23:59:59.999");
}

TEST(TextLines, SeedShowsTheStateAndItsAge) {
  Seed seed;
  seed.socket = client_socket();
  seed.state = State::CloseWait;
  seed.age = {Bound::AtLeast, 12'000'000'000};
  const std::string line = render(seed);
  EXPECT_EQ(line.find("(exists)    -> CLOSE_WAIT "), header().find("OLD")) << line;
  EXPECT_TRUE(has(line, " >=12"));
  EXPECT_EQ(line.size(), header().find("DWELL") + 6);
  seed.age = {};
  EXPECT_TRUE(has(render(seed), " ?\n"));
}

TEST(TextLines, LossNamesThePlace) {
  EXPECT_EQ(render(Loss{0, LossPlace::Ring, 12}).find("lost 12 events in the ring: "), 0U);
  EXPECT_EQ(render(Loss{0, LossPlace::Recursion, 1}).find("lost 1 event to recursion: "), 0U);
  EXPECT_TRUE(has(render(Loss{0, LossPlace::Map, 2}), "map"));
  EXPECT_TRUE(has(render(Loss{0, LossPlace::Output, 2}), "output"));
}

TEST(TextLines, ColourOnlyWhenAskedAndWidthsStay) {
  const Transition t = transition(State::Established, State::CloseWait, kExact);
  EXPECT_FALSE(has(render(t), "\x1b"));
  std::string coloured = render(t, {.colour = true});
  const std::string red = std::string(sgr_of(State::CloseWait)) + "CLOSE_WAIT\x1b[0m";
  EXPECT_TRUE(has(coloured, red));
  EXPECT_TRUE(has(coloured, std::string(sgr_of(State::Established)) + "ESTABLISHED\x1b[0m"));
  for (std::size_t at; (at = coloured.find('\x1b')) != std::string::npos;) {
    coloured.erase(at, coloured.find('m', at) - at + 1);
  }
  EXPECT_EQ(coloured, render(t));
}

TEST(TextLines, PassesAWriteErrorOn) {
  struct Broken : StringOutput {
    Status write(std::string_view) override { return Error{Fault::Runtime, "pipe", 32}; }
  } broken;
  TextLines lines(broken, {});
  EXPECT_FALSE(lines.header({}).ok());
  EXPECT_EQ(lines.transition(last_line()).error().os_errno, 32);
}

}  // namespace
}  // namespace tcpdwell
