// SPDX-License-Identifier: BSD-2-Clause
#include "views/top.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "util/escape.h"

namespace tcpdwell {
namespace {

using Kind = TopKey::Kind;
using Answer = Top::Answer;
constexpr std::int64_t kSecond = 1'000'000'000;

TopOptions options() {
  TopOptions options;
  options.look = {true, true};
  options.host = "host";
  options.cgroup_name = [](std::uint64_t id) {
    return id == 7 ? std::string("nginx.service") : std::string();
  };
  return options;
}

Row row(State state, std::uint64_t open) {
  Row row;
  row.keys = {std::string(name_of(state))};
  row.open = open;
  row.exact.add(1'500'000, 4);
  return row;
}

Summary states(std::int64_t end_s) {
  Summary summary;
  summary.start_wall_ns = (end_s - 1) * kSecond;
  summary.end_wall_ns = end_s * kSecond;
  summary.by = {Key::State};
  summary.rows = {row(State::Established, 12), row(State::TimeWait, 340)};
  return summary;
}

Group group(std::vector<std::string> keys, std::uint64_t established,
            std::uint64_t close_wait = 0) {
  Group group;
  group.keys = std::move(keys);
  group.open[static_cast<std::size_t>(State::Established)] = established;
  group.open[static_cast<std::size_t>(State::CloseWait)] = close_wait;
  if (close_wait != 0) {
    group.stuck_state = State::CloseWait;
    group.stuck = {Bound::AtLeast, 90 * static_cast<std::uint64_t>(kSecond)};
  }
  return group;
}

ConnectionRow connection(std::uint64_t cookie, std::string_view comm = "curl") {
  ConnectionRow row;
  row.socket.id.cookie = cookie;
  row.socket.owner.pid = 4711;
  row.socket.owner.comm = Comm(comm);
  row.socket.cgroup_id = 7;
  row.socket.owner.source = OwnerSource::Connect;
  row.socket.local.addr = {10, 0, 0, 1};
  row.socket.local.port = 40000;
  row.socket.remote.addr = {10, 0, 0, 2};
  row.socket.remote.port = 443;
  row.role = Role::Active;
  row.open = true;
  row.state = State::CloseWait;
  row.in_state = {Bound::Exact, 3 * static_cast<std::uint64_t>(kSecond)};
  row.segments = {{State::SynSent, {Bound::Exact, 100'000'000}},
                  {State::Established, {Bound::Unknown, 0}},
                  {State::CloseWait, row.in_state}};
  return row;
}

TopData data() {
  TopData data;
  data.wall_ns = 100 * kSecond;
  data.open = 352;
  data.counted_s = 2;
  data.groups = {group({"1", "alpha"}, 5), group({"2", "beta"}, 9), group({"3", "gamma"}, 2, 50)};
  data.groups[0].began = 8;
  data.groups[0].ended = 3;
  data.connections = {connection(1), connection(2, "wget"), connection(3, "nginx")};
  data.matching = 3;
  data.findings = {{"close_wait_leak", Severity::Critical, "3/gamma", 50,
                    "gamma (3) does not close 50 connections."}};
  return data;
}

/// A screen with something on it.
Top screen(TopOptions with = options()) {
  Top top(std::move(with));
  top.add(states(100), {0, 0, 1, 0});
  top.add(states(101), {5000, 25'000'000, static_cast<std::uint64_t>(kSecond) + 1, 0});
  top.show(data());
  return top;
}

std::string text_of(const Canvas& canvas) {
  std::string text;
  for (const Line& line : canvas.lines) text += line.text() + "\n";
  return text;
}

std::string drawn(Top& top, std::size_t rows = 30, std::size_t columns = 120) {
  return text_of(top.draw(rows, columns));
}

bool says(Top& top, std::string_view words, std::size_t rows = 30, std::size_t columns = 120) {
  return drawn(top, rows, columns).find(words) != std::string::npos;
}

Answer type(Top& top, std::string_view keys) {
  Answer answer = Answer::Nothing;
  for (const char key : keys) answer = top.press({Kind::Text, std::string(1, key)});
  return answer;
}

Answer press(Top& top, Kind kind) { return top.press({kind, ""}); }

TEST(Top, TellsWhatItKnows) {
  Top top = screen();
  const std::string text = drawn(top);
  for (const char* words :
       {"lost 0", "352 open", "5,000 transitions/s", "cpu 2.5%", "up 1.00s", "host", "TIME_WAIT",
        "340", "1.50ms", "1 Owners", "5 Findings(1)", "2/beta"})
    EXPECT_NE(text.find(words), std::string::npos) << words << "\n" << text;
}

TEST(Top, FitsEverySize) {
  for (const bool filter : {false, true}) {
    for (int page = 0; page < 4; ++page) {
      Top top = screen();
      if (page == 1) type(top, "?");
      if (page == 2) {
        type(top, "6");
        top.show(data());
        press(top, Kind::Enter);
      }
      if (page == 3) {
        type(top, "5");
        top.show(data());
        press(top, Kind::Enter);
      }
      if (filter) type(top, "/beta and something long, longer than a screen may be wide");
      for (const std::size_t rows : {1, 2, 3, 5, 7, 8, 11, 12, 19, 20, 24, 50, 150})
        for (const std::size_t columns : {1, 5, 10, 20, 40, 60, 79, 80, 100, 200, 400}) {
          const Canvas canvas = top.draw(rows, columns);
          ASSERT_EQ(canvas.lines.size(), rows) << page << " " << columns;
          for (const Line& line : canvas.lines)
            ASSERT_LE(line.width(), columns) << page << " " << rows << ": " << line.text();
          if (canvas.cursor) {
            EXPECT_LT(canvas.cursor->first, rows);
            EXPECT_LT(canvas.cursor->second, columns);
          }
        }
    }
  }
}

TEST(Top, ATinyScreenTellsTheMost) {
  Top top = screen();
  const Canvas canvas = top.draw(5, 20);
  EXPECT_EQ(canvas.lines[0].text().substr(0, 6), "lost 0");
  EXPECT_EQ(canvas.lines[1].text(), "TIME_WAIT 340");
  EXPECT_NE(canvas.lines[3].text().find("gamma"), std::string::npos) << text_of(canvas);
}

TEST(Top, SixtyColumnsAreReadable) {
  Top top = screen();
  const std::string text = drawn(top, 24, 60);
  for (const char* words : {"STATE", "NOW", "IN/s", "P99", "LAST MINUTE", "OWNER", "OPEN", "STUCK",
                            "CLOSE_WAIT", "? help", "q quit"})
    EXPECT_NE(text.find(words), std::string::npos) << words << "\n" << text;
  for (const char* words : {"NOT EXACT", "LISTEN  "}) {
    const auto head = text.find("OWNER");
    EXPECT_EQ(text.find(words, head), std::string::npos) << words;
  }
}

TEST(Top, SortsByEachColumnAndTheOtherWay) {
  Top top = screen();
  const auto order = [&] {
    const std::string text = drawn(top);
    std::string names;
    for (const char* name : {"alpha", "beta", "gamma"})
      EXPECT_NE(text.find(name), std::string::npos);
    std::vector<std::pair<std::size_t, char>> at = {
        {text.find("/alpha"), 'a'}, {text.find("/beta"), 'b'}, {text.find("/gamma"), 'g'}};
    std::sort(at.begin(), at.end());
    for (const auto& one : at) names += one.second;
    return names;
  };
  EXPECT_EQ(order(), "gba") << "open, the most first";
  type(top, "r");
  EXPECT_EQ(order(), "abg");
  type(top, "<");
  EXPECT_EQ(order(), "abg") << "by name";
  type(top, "r");
  EXPECT_EQ(order(), "gba");
  type(top, ">>>>");
  EXPECT_EQ(order()[0], 'a') << "new ones a second";
  EXPECT_TRUE(says(top, "▾NEW/s"));
  EXPECT_TRUE(says(top, "4.0")) << "8 in 2 s";
}

TEST(Top, FiltersWhatIsTyped) {
  Top top = screen();
  EXPECT_EQ(type(top, "/"), Answer::Draw);
  EXPECT_TRUE(top.draw(30, 120).cursor.has_value());
  type(top, "BET");
  EXPECT_TRUE(says(top, "Filter: BET"));
  EXPECT_TRUE(says(top, "2/beta"));
  EXPECT_FALSE(says(top, "1/alpha"));
  press(top, Kind::Backspace);
  type(top, "q");
  EXPECT_TRUE(says(top, "nothing matches")) << "a letter is a letter, not a key";
  press(top, Kind::Backspace);
  press(top, Kind::Enter);
  EXPECT_TRUE(says(top, "matching BE"));
  press(top, Kind::Escape);
  EXPECT_TRUE(says(top, "1/alpha"));
}

TEST(Top, AHostileNameIsShownSafely) {
  for (const bool utf8 : {true, false}) {
    TopOptions with = options();
    with.look.utf8 = utf8;
    Top top = screen(with);
    TopData hostile = data();
    hostile.groups = {group({"9", "\x1b[2J\xc2\x9b\xff\u202e"}, 1),
                      group({"10", "e\u0301\u0301日本語"}, 1)};
    top.show(hostile);
    for (const std::size_t columns : {20U, 60U, 120U})
      for (const Line& line : top.draw(30, columns).lines) {
        EXPECT_LE(line.width(), columns);
        for (const char c : line.text()) {
          EXPECT_TRUE(static_cast<unsigned char>(c) >= 0x20 && c != 0x7f);
          EXPECT_TRUE(utf8 || static_cast<unsigned char>(c) < 0x80) << line.text();
        }
        EXPECT_EQ(line.text().find("\u202e"), std::string::npos);
      }
  }
}

TEST(Top, PausedItShowsWhatItShowed) {
  Top top = screen();
  EXPECT_EQ(type(top, " "), Answer::Draw);
  EXPECT_TRUE(top.paused());
  const std::string before = drawn(top);
  EXPECT_NE(before.find("PAUSED"), std::string::npos);
  Summary more = states(102);
  more.rows[0].open = 9999;
  top.add(more, {9000, 50'000'000, 2 * static_cast<std::uint64_t>(kSecond) + 1, 0});
  EXPECT_EQ(drawn(top), before);
  EXPECT_EQ(type(top, " "), Answer::Gather);
  EXPECT_TRUE(says(top, "9,999"));
  EXPECT_FALSE(says(top, "PAUSED"));
}

TEST(Top, ALossIsTold) {
  Top top = screen();
  Summary lossy = states(102);
  lossy.lost[static_cast<std::size_t>(LossPlace::Ring)] = 1234;
  top.add(lossy, {1, 1, 3 * static_cast<std::uint64_t>(kSecond), 0});
  const Canvas canvas = top.draw(5, 30);
  EXPECT_EQ(canvas.lines[0].spans()[0].text, "lost 1,234 (ring)");
  EXPECT_EQ(canvas.lines[0].spans()[0].style, Style::Alarm);
}

TEST(Top, AsksForWhatItShows) {
  Top top = screen();
  EXPECT_EQ(top.request().grouping, (Grouping{{Key::Pid, Key::Comm}}));
  EXPECT_FALSE(top.request().connections);
  EXPECT_EQ(press(top, Kind::Tab), Answer::Gather);
  EXPECT_EQ(top.request().grouping, (Grouping{{Key::Remote}}));
  type(top, "3");
  EXPECT_EQ(top.request().grouping, Grouping{});
  type(top, "4");
  EXPECT_EQ(top.request().grouping, (Grouping{{Key::Cgroup}}));
  type(top, "5");
  EXPECT_TRUE(top.request().findings);
  EXPECT_FALSE(top.request().grouping);
  type(top, "6");
  EXPECT_TRUE(top.request().connections);
  EXPECT_EQ(top.request().order, OpenOrder::Age);
  EXPECT_EQ(type(top, ">"), Answer::Gather);
  EXPECT_EQ(top.request().order, OpenOrder::Owner);
  EXPECT_EQ(press(top, Kind::BackTab), Answer::Gather);
  EXPECT_TRUE(top.request().findings);
  EXPECT_EQ(type(top, "7"), Answer::Nothing) << "there is no such table";
}

TEST(Top, ATableOfOnesOwn) {
  TopOptions with = options();
  with.by = {Key::Netns, Key::Cgroup};
  Top top(with);
  EXPECT_EQ(top.request().grouping, (Grouping{{Key::Netns, Key::Cgroup}}));
  TopData own = data();
  own.groups = {group({"4026531840", "7"}, 1), group({"4026531840", ""}, 1), group({"1", "8"}, 1)};
  top.show(own);
  EXPECT_TRUE(says(top, "7 By netns,cgroup"));
  EXPECT_TRUE(says(top, "4026531840 nginx.service"));
  EXPECT_TRUE(says(top, "1 cgroup 8"));
}

TEST(Top, TheChosenRowIsFollowedWhereItGoes) {
  Top top = screen();
  press(top, Kind::Down);  // beta
  TopData moved = data();
  moved.groups[1].open[static_cast<std::size_t>(State::Established)] = 1;
  top.show(moved);
  for (const Line& line : top.draw(30, 120).lines)
    for (const Span& span : line.spans())
      EXPECT_TRUE(span.text.find("/beta") == std::string::npos || span.style == Style::Chosen)
          << line.text();
  press(top, Kind::Home);
  press(top, Kind::Up);
  press(top, Kind::End);
  press(top, Kind::PageUp);
  press(top, Kind::PageDown);
  EXPECT_TRUE(says(top, "/beta"));
}

TEST(Top, ARowOpensItsConnectionsAndAConnectionItsPath) {
  Top top = screen();
  EXPECT_EQ(press(top, Kind::Enter), Answer::Gather);
  ASSERT_TRUE(top.request().within.has_value());
  EXPECT_EQ(top.request().within->keys, (std::vector<std::string>{"3", "gamma"}));
  top.show(data());
  EXPECT_TRUE(says(top, "of 3/gamma"));
  press(top, Kind::Down);
  EXPECT_EQ(press(top, Kind::Enter), Answer::Draw);
  EXPECT_EQ(top.request().path_of->cookie, 2U);
  for (const char* words :
       {"connection 2", "CLOSE_WAIT for 3.00s", "4711/wget (by connect)", "10.0.0.1:40000",
        "10.0.0.2:443", "nginx.service", "this host", "W CLOSE_WAIT", "s SYN_SENT", "100ms", "█"})
    EXPECT_TRUE(says(top, words)) << words << "\n" << drawn(top);
  TopData later = data();
  later.path = connection(2);
  later.path->in_state.ns += 1'000'000'000;
  top.show(later);
  EXPECT_TRUE(says(top, "for 4.00s"));
  top.show(data());
  EXPECT_TRUE(says(top, "closed since"));
  press(top, Kind::Escape);
  EXPECT_TRUE(says(top, "of 3/gamma"));
  EXPECT_EQ(press(top, Kind::Escape), Answer::Gather);
  EXPECT_EQ(top.request().grouping, (Grouping{{Key::Pid, Key::Comm}}));
}

TEST(Top, WithoutColourAPathIsToldByLetters) {
  TopOptions with = options();
  with.look.colour = false;
  Top top = screen(with);
  type(top, "6");
  top.show(data());
  press(top, Kind::Enter);
  const std::string text = drawn(top);
  EXPECT_NE(text.find("WWWWWWWWWW"), std::string::npos);
  EXPECT_NE(text.find("sssE"), std::string::npos) << "one column at least for what is not known\n"
                                                  << text;
}

TEST(Top, AFindingAndHelpAreReadInFull) {
  Top top = screen();
  type(top, "5");
  top.show(data());
  EXPECT_TRUE(says(top, "critical"));
  press(top, Kind::Enter);
  EXPECT_TRUE(says(top, "does not close"));
  press(top, Kind::Escape);
  type(top, "?");
  std::string all;
  for (int i = 0; i < 60; ++i) {
    all += drawn(top, 10, 60);
    press(top, Kind::Down);
  }
  for (const char* words : {"pause", "quit", "NOT EXACT", "of one processor"})
    EXPECT_NE(all.find(words), std::string::npos) << words;
  EXPECT_EQ(type(top, "q"), Answer::Draw) << "q leaves a page first";
  EXPECT_EQ(type(top, "q"), Answer::Quit);
}

TEST(Top, AFilterFindsAConnectionByWhatIsShownOfIt) {
  const ConnectionRow row = connection(1);
  for (const char* word : {"", "close_w", "4711", "CURL", "10.0.0.2:443", ":40000", "nginx"})
    EXPECT_TRUE(matches(word, row.socket, row.state, "nginx.service")) << word;
  for (const char* word : {"TIME_WAIT", "4712", "10.0.0.3", "1/curl4"})
    EXPECT_FALSE(matches(word, row.socket, row.state, "nginx.service")) << word;
}

}  // namespace
}  // namespace tcpdwell
