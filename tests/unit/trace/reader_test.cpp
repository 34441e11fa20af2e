// SPDX-License-Identifier: BSD-2-Clause
#include "trace/reader.h"

#include <gtest/gtest.h>
#include <pthread.h>

#include <algorithm>
#include <cstdint>
#include <limits>
#include <random>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "trace/quick.h"
#include "unit/trace/events_for_tests.h"

namespace tcpdwell {
namespace {

/// A transition's line with the value of one field replaced; "" takes the field out.
std::string with(const std::string& name, const std::string& value,
                 const Transition& event = sample_last()) {
  std::string line = json_of(event);
  const std::size_t begin = line.find(",\"" + name + "\":");
  EXPECT_NE(begin, std::string::npos) << name;
  const std::size_t end = line.find_first_of(",}", begin + 1);
  const std::string field = value.empty() ? "" : ",\"" + name + "\":" + value;
  return line.replace(begin, end - begin, field);
}

/// The line is skipped and the reason names the field.
void expect_skipped(const std::string& line, const std::string& reason) {
  const Played played = play_line(line);
  ASSERT_TRUE(played.report) << line;
  EXPECT_EQ(played.report->skipped, 1U) << line;
  EXPECT_EQ(played.report->lines, 1U) << line;
  EXPECT_EQ(played.report->first_skipped_line, 2U);
  EXPECT_NE(played.report->first_skipped_why.find(reason), std::string::npos)
      << played.report->first_skipped_why << " in " << line;
}

TEST(Reader, EveryKindOfEventRoundTrips) {
  const Played played = play(json_of(sample_events()));
  ASSERT_TRUE(played.report);
  EXPECT_EQ(played.events, sample_events());
  EXPECT_EQ(played.report->lines, 6U);
  EXPECT_EQ(played.report->skipped, 0U);
  EXPECT_EQ(played.report->first_skipped_line, 0U);
  EXPECT_TRUE(played.report->has_header);
  EXPECT_TRUE(played.report->complete);
  EXPECT_EQ(played.report->damage, "");
}

/// Keeps the lines of sockets as they would be written again.
struct Sockets : Consumer {
  Status transition(const Transition&) override { return Ok; }
  Status socket(const Listed& one) override {
    append_waiting_json(lines, one);
    return Ok;
  }
  std::string lines;
};

TEST(Reader, WhatWaitsRoundTrips) {
  Listed one;
  one.seed = sample_seed();
  one.seed.live.queues = Live::Queues{5, 64, 0};
  one.seed.live.timer = SocketTimer::Keepalive;
  one.seed.live.timer_ns = 7;
  one.seed.live.drops = 3;
  one.seed.live.peak = 65;
  std::string lines;
  for (const Held held : {Held::Unknown, Held::NotAccepted, Held::Process}) {
    one.holders.held = held;
    one.holders.first.known = held != Held::Unknown;
    if (held == Held::Process) one.holders.first.all = {{4711, Comm("a\"b"), 0}, {4712, Comm(), 0}};
    append_waiting_json(lines, one);
  }
  Sockets sockets;
  const auto input = open_trace_bytes(json_of(sample_header()) + lines);
  const auto report = read_trace(*input, "x.json", sockets);
  ASSERT_TRUE(report);
  EXPECT_EQ(report->skipped, 0U) << report->first_skipped_why;
  EXPECT_EQ(sockets.lines, lines);
}

TEST(Reader, RandomEventsRoundTrip) {
  constexpr std::uint64_t kSeed = 20260102;
  SCOPED_TRACE("seed " + std::to_string(kSeed));
  RandomEvents random(kSeed);
  std::vector<Event> events = {sample_header()};
  for (int i = 0; i < 5000; ++i) {
    events.emplace_back(random.transition());
    events.emplace_back(random.seed());
    events.emplace_back(random.connection());
    events.emplace_back(random.local_ports());
  }
  const Played played = play(json_of(events));
  ASSERT_TRUE(played.report);
  EXPECT_EQ(played.report->skipped, 0U) << played.report->first_skipped_why;
  ASSERT_EQ(played.events.size(), events.size());
  for (std::size_t i = 0; i < events.size(); ++i) {
    ASSERT_EQ(played.events[i], events[i]) << json_of(events[i]);
  }
}

std::string comm_read_back(std::string_view bytes) {
  Transition event = sample_transition();
  event.socket.owner.comm = Comm(bytes);
  const Played played = play_line(json_of(event));
  EXPECT_TRUE(played.report && played.report->skipped == 0) << played.report->first_skipped_why;
  if (played.events.size() != 2) return "no event";
  return std::string(std::get<Transition>(played.events[1]).socket.owner.comm.view());
}

TEST(Reader, HostileComms) {
  for (const char* text : {"a\"b", "a\nb\r\tc", "\x01\x1f\x7f", "\\", "</script>", "\xe2\x80\xa8",
                           "\xc3\xa9", "", " ", "{\"type\":", "\xf0\x9f\x90\xa7"}) {
    EXPECT_EQ(comm_read_back(text), text);
  }
  EXPECT_EQ(comm_read_back("a\xff"
                           "b"),
            "a\xef\xbf\xbd"
            "b");
  EXPECT_EQ(comm_read_back("\xc3"), "\xef\xbf\xbd");
}

TEST(Reader, CommThatGrewIsCutBetweenCharacters) {
  EXPECT_EQ(comm_read_back("a\xff\xff\xff\xff\xff\xff"),
            "a\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd");
}

TEST(Reader, AnyOrderAndFieldsOfALaterVersion) {
  const Played played = play_line(
      R"( { "new_thing":{"deep":[1,{"x":null}]}, "cgroup":4242,"owner":"connect","comm":"curl",)"
      R"("pid":4711,"dwell":"exact","dwell_ns":184000,"new":"ESTABLISHED","old":"SYN_SENT",)"
      R"("rport":443,"raddr":"10.0.0.7","lport":40000,"laddr":"127.0.0.1","family":4,)"
      R"("netns":4026531840,"conn":"1a2b","mono_ns":987654321,"other":1.5e3,)"
      R"("ts":"2026-01-02T03:04:05.123456789Z","type":"transition"} )"
      "\r\n");
  ASSERT_TRUE(played.report);
  ASSERT_EQ(played.events.size(), 2U) << played.report->first_skipped_why;
  EXPECT_EQ(std::get<Transition>(played.events[1]), sample_transition());
}

TEST(Reader, UnknownTypesAreNoConcernOfOurs) {
  const Played played = play_line("{\"type\":\"weather\",\"rain\":true}\n" + json_of(sample_end()));
  ASSERT_TRUE(played.report);
  EXPECT_EQ(played.report->skipped, 0U);
  EXPECT_EQ(played.report->lines, 2U);
  EXPECT_TRUE(played.report->complete);
}

/// visit(field, whether a line may lack it) for each field of a table.
template <class Table, class Visit>
void each_field(const Table& table, const Visit& visit) {
  for_each_entry(table, [&](const auto& entry) {
    using Entry = std::remove_cvref_t<decltype(entry)>;
    if constexpr (IsPart<Entry>) {
      // Without its first field an optional part is not there.
      bool first = Entry::kOptional;
      each_field(entry.fields, [&](const auto& field, bool may_lack) {
        visit(field, may_lack || std::exchange(first, false));
      });
    } else {
      visit(entry, entry.presence == IfKnown || entry.presence == Written);
    }
  });
}

TEST(Reader, MissingFields) {
  const Transition complete = RandomEvents(8).complete();
  int fields = 0;
  each_field(kTransitionFields, [&](const auto& field, bool may_lack) {
    ++fields;
    const std::string name(field.name());
    if (may_lack) {
      EXPECT_EQ(play_line(with(name, "", complete)).report->skipped, 0U) << name;
    } else {
      expect_skipped(with(name, "", complete), "\"" + name + "\" is missing");
    }
  });
  EXPECT_GE(fields, 30);
}

TEST(Reader, WrongTypes) {
  const Transition complete = RandomEvents(9).complete();
  each_field(kTransitionFields, [&](const auto& field, bool) {
    const std::string name(field.name());
    for (const char* value : {"[]", "{}", "[1]", "{\"a\":\"b\"}"}) {
      expect_skipped(with(name, value, complete), name);
    }
  });
  expect_skipped(with("mono_ns", "\"1\""), "mono_ns");
  expect_skipped(with("mono_ns", "null"), "mono_ns");
  expect_skipped(with("comm", "null"), "comm");
  expect_skipped(with("gap", "1"), "gap");
}

TEST(Reader, NumbersOutOfRange) {
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"lport", "65536"},
      {"rport", "65536"},
      {"netns", "4294967296"},
      {"pid", "4294967296"},
      {"pid", "0"},
      {"segs_out", "4294967296"},
      {"family", "5"},
      {"family", "0"},
      {"mono_ns", "18446744073709551616"},
      {"mono_ns", "-1"},
      {"mono_ns", "1.0"},
      {"mono_ns", "1e3"},
      {"mono_ns", "-0"},
      {"life_ns", "1e300"},
      {"srtt_us", "4294967296"},
      {"lport", "-1"},
      {"timer_restarts", "4294967296"}};
  for (const auto& [name, value] : cases) {
    if (value != "-0") expect_skipped(with(name, value), name);
  }
  EXPECT_TRUE(play_line(with("mono_ns", "-0")).report);
  expect_skipped(with("mono_ns", "1e999"), "");
  expect_skipped(with("mono_ns", std::string(30000, '9')), "");
  expect_skipped(with("mono_ns", "0." + std::string(30000, '1') + "e-99999999999999999999"), "");
}

TEST(Reader, BadWordsAndAddresses) {
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"old", "\"SLEEPING\""},
      {"new", "\"\""},
      {"dwell", "\"roughly\""},
      {"owner", "\"me\""},
      {"reason", "\"boredom\""},
      {"path", "\"CLOSE>NOWHERE\""},
      {"closer", "\"them\""},
      {"conn", "\"xyz\""},
      {"conn", "\"\""},
      {"ts", "\"yesterday\""},
      {"laddr", "\"::1\""},
      {"laddr", "\"1.2.3\""},
      {"raddr", "\"\""},
      {"raddr", "\"1.2.3.4\\u0000\""},
      {"raddr", "\"" + std::string(5000, '1') + "\""}};
  for (const auto& [name, value] : cases) expect_skipped(with(name, value), name);
  Transition v6 = sample_transition();
  v6.socket.family = Family::V6;
  expect_skipped(with("laddr", "\"10.0.0.1\"", v6), "laddr");
}

TEST(Reader, DwellAndItsBoundAgree) {
  expect_skipped(with("dwell_ns", "null"), "\"dwell\" contradicts its number");
  expect_skipped(with("dwell", "\"unknown\""), "\"dwell\" contradicts its number");
}

TEST(Reader, WhatIsNoJsonObject) {
  for (const char* line : {"hello", "", " ", "[]", "1", "null", "\"x\"", "{", "}", "{}",
                           "{\"type\"}", "{\"type\":1}", "{\"a\":1}{\"b\":2}", "{\"type\":\"x\",}",
                           "{\"type\":\"\xff\"}", "{\"type\":\"\\ud800\"}", "{'type':'x'}"}) {
    expect_skipped(std::string(line) + "\n", "");
  }
  expect_skipped(std::string("{\"type\":\"x\"}\0{\n", 14), "NUL");
}

/// Runs `body` on a stack that a function call a bracket would soon fill.
void on_small_stack(void* (*body)(void*)) {
  pthread_attr_t attributes;
  ASSERT_EQ(pthread_attr_init(&attributes), 0);
  ASSERT_EQ(pthread_attr_setstacksize(&attributes, 256U << 10), 0);
  pthread_t thread;
  ASSERT_EQ(pthread_create(&thread, &attributes, body, nullptr), 0);
  pthread_join(thread, nullptr);
  pthread_attr_destroy(&attributes);
}

TEST(Reader, DeepNestingDoesNotOverflowTheStack) {
  on_small_stack([](void*) -> void* {
    for (const char* open : {"[", "{\"a\":", "[{\"a\":"}) {
      std::string line;
      while (line.size() + 6 < 60000) line += open;
      expect_skipped(line + "\n", "");
    }
    const std::string deep = std::string(30000, '[') + std::string(30000, ']');
    EXPECT_EQ(play_line("{\"type\":\"x\",\"a\":" + deep + "}\n").report->skipped, 0U);
    Header header = sample_header();
    header.filters_json = "{\"a\":" + deep + "}";
    expect_skipped(json_of(header), "filters");
    return nullptr;
  });
}

TEST(Reader, LongLinesAreSkippedWhole) {
  const std::string good = json_of(sample_transition());
  for (const std::size_t size : {65537U, 131072U, 1000000U}) {
    std::string line = "{\"type\":\"x\",\"a\":\"" + std::string(size, 'a') + "\"}\n";
    const Played played = play_line(line + good);
    ASSERT_TRUE(played.report);
    EXPECT_EQ(played.report->skipped, 1U) << size;
    EXPECT_EQ(played.report->first_skipped_line, 2U);
    EXPECT_EQ(played.events.size(), 2U);
    line.pop_back();
    EXPECT_EQ(play_line(line).report->skipped, 1U) << "no newline, " << size;
  }
  // The longest there may be, with and without a newline.
  std::string longest = "{\"type\":\"x\",\"a\":\"\"}";
  longest.insert(longest.size() - 2, 65536 - longest.size(), 'a');
  EXPECT_EQ(play_line(longest + "\n" + good).report->skipped, 0U);
  EXPECT_EQ(play_line(longest).report->skipped, 0U);
  longest.insert(longest.size() - 2, "a");
  EXPECT_EQ(play_line(longest + "\n" + good).report->skipped, 1U);
}

TEST(Reader, OnlyTheFirstReasonIsKept) {
  const Played played =
      play_line(json_of(sample_transition()) + with("lport", "70000") + "nonsense\n");
  EXPECT_EQ(played.report->skipped, 2U);
  EXPECT_EQ(played.report->first_skipped_line, 3U);
  EXPECT_EQ(played.report->first_skipped_why, "\"lport\" is out of range");
}

void expect_usage(const std::string& bytes, const std::string& message) {
  const Played played = play(bytes);
  ASSERT_FALSE(played.report) << bytes.substr(0, 200);
  EXPECT_EQ(played.report.error().fault, Fault::Usage);
  EXPECT_EQ(played.report.error().message.substr(0, message.size()), message);
}

TEST(Reader, WithoutAHeaderItIsNoTrace) {
  const std::string no = "x.json is not a tcpdwell trace: ";
  expect_usage("", no + "it is empty");
  expect_usage(json_of(sample_transition()), no + "it does not begin with a header line");
  expect_usage(json_of(sample_transition()) + json_of(sample_header()), no + "it does not begin");
  expect_usage("<html>\n" + json_of(sample_transition()), no + "line 1 is not JSON");
  expect_usage("{\"type\":\"x\"}\n", no + "it does not begin");
  expect_usage(R"({"type":"header","schema":1,"tool":"tcplife"})", no + "line 1: \"tool\"");
  expect_usage(R"({"type":"header","schema":0,"tool":"tcpdwell"})", no + "line 1: \"schema\"");
  expect_usage(R"({"type":"header","schema":"1","tool":"tcpdwell"})", no + "line 1: \"schema\"");
  std::string junk;
  for (int i = 0; i < 16; ++i) junk += "junk\n";
  expect_usage(junk + json_of(sample_header()), no + "line 1");
  EXPECT_TRUE(play(junk.substr(5) + json_of(sample_header())).report);
}

TEST(Reader, BadHeaderFields) {
  const std::vector<std::pair<std::string, std::string>> cases = {
      {R"("start":"2026)", R"("start":"x2026)"}, {R"("monotonic")", R"("sundial")"},
      {R"("minisockets":"timer")", R"("a":1)"},  {R"("timer")", R"("magic")"},
      {R"("host":"web-1")", R"("host":7)"},      {R"("filters":{)", R"("filters":1,"x":{)"}};
  for (const auto& [from, to] : cases) {
    std::string line = json_of(sample_header());
    line.replace(line.find(from), from.size(), to);
    expect_usage(line, "x.json is not a tcpdwell trace: line 1: \"");
  }
}

TEST(Reader, NewerSchema) {
  Header header = sample_header();
  header.schema = 2;
  const std::string message = "x.json was written by a newer tcpdwell (schema 2); ";
  expect_usage(json_of(header), message);
  expect_usage(json_of(sample_header()) + json_of(header), message);
  expect_usage(R"({"type":"header","tool":"tcpdwell","schema":2})", message);
}

TEST(Reader, ConcatenatedTraces) {
  const std::string text = json_of(sample_events());
  const Played twice = play(text + text);
  EXPECT_EQ(twice.events.size(), 12U);
  EXPECT_EQ(twice.events[6], Event(sample_header()));
  EXPECT_TRUE(twice.report->complete);
  EXPECT_FALSE(play(text + json_of(sample_header())).report->complete);
}

TEST(Reader, SuspensionsAddUpToNoMoreThanTheRange) {
  TraceEnd end;
  end.suspended_ns = UINT64_MAX - 1;
  const std::string text = json_of(sample_header()) + json_of(end);
  EXPECT_EQ(play(text + text).report->suspended_ns, UINT64_MAX);
}

TEST(Reader, FiltersComeAsCompactJson) {
  Header header = sample_header();
  header.filters_json = "{ \"comm\" : [ \"a\\n\\u00e9\" , 1.5 ] }";
  const Played played = play(json_of(header));
  ASSERT_EQ(played.events.size(), 1U);
  EXPECT_EQ(std::get<Header>(played.events[0]).filters_json, "{\"comm\":[\"a\\n\xc3\xa9\",1.5]}");
  header.filters_json = R"({"comm":["\udc00"]})";
  expect_skipped(json_of(header), "filters");
}

TEST(Reader, EndWithoutATimeIsDatedFromTheStart) {
  const Played played = play_line(
      R"({"type":"end","transitions":1,"lost":{"ring":3,"moon":"x"},"duration_ns":5,"connections":1})");
  ASSERT_EQ(played.events.size(), 2U) << played.report->first_skipped_why;
  const auto& end = std::get<TraceEnd>(played.events[1]);
  EXPECT_EQ(end.wall_ns, sample_header().start_wall_ns + 5);
  EXPECT_EQ(end.lost, (LossCounts{3, 0, 0, 0}));
  expect_skipped(
      R"({"type":"end","transitions":1,"lost":{"ring":"x"},"duration_ns":5,"connections":1})",
      "lost");
  expect_skipped(R"({"type":"end","transitions":1,"lost":{},"duration_ns":18446744073709551615,)"
                 R"("connections":1})",
                 "duration_ns");
}

TEST(Reader, CutAtEveryByteKeepsWholeLines) {
  const std::string text = json_of(sample_events());
  const std::size_t first = text.find('\n');
  for (std::size_t size = 0; size <= text.size(); ++size) {
    const std::string_view cut = std::string_view(text).substr(0, size);
    // A line is whole with its newline, or without it at the end.
    std::size_t whole = 0;
    for (std::size_t at = text.find('\n'); at != std::string::npos; at = text.find('\n', at + 1)) {
      whole += at <= size;
    }
    const Played played = play(cut);
    ASSERT_EQ(played.report.ok(), size >= first) << size;
    ASSERT_EQ(played.events.size(), whole) << size;
    if (played.report) {
      const bool partial = text[size - 1] != '\n' && text[size] != '\n' && size != text.size();
      ASSERT_EQ(played.report->skipped, partial ? 1U : 0U) << size;
      ASSERT_EQ(played.report->complete, whole == sample_events().size());
    }
  }
}

TEST(Reader, ChangedBytesNeverCrash) {
  constexpr std::uint64_t kSeed = 42;
  SCOPED_TRACE("seed " + std::to_string(kSeed));
  std::mt19937_64 random(kSeed);
  const std::string text = json_of(sample_events());
  for (int round = 0; round < 5000; ++round) {
    std::string changed = text;
    for (std::uint64_t i = 0; i <= random() % 4; ++i) {
      changed[random() % changed.size()] = static_cast<char>(random());
    }
    const Played played = play(changed);
    if (played.report) {
      EXPECT_LE(played.report->lines, 6U);
    }
  }
}

TEST(Reader, ConsumersErrorEndsIt) {
  class Pipe : public Consumer {
   public:
    Status transition(const Transition&) override {
      ++calls;
      return Error{Fault::Runtime, "closed", 32};
    }
    int calls = 0;
  } consumer;
  const std::string text = json_of(sample_events());
  const auto input = open_trace_bytes(text);
  const Result<ReadReport> report = read_trace(*input, "x", consumer);
  ASSERT_FALSE(report);
  EXPECT_EQ(report.error().os_errno, 32);
  EXPECT_EQ(consumer.calls, 1);
}

/// Gives a few bytes a time, as a pipe may.
TEST(Reader, SmallReads) {
  class Drops : public Input {
   public:
    explicit Drops(std::string_view bytes) : bytes_(bytes) {}
    Result<std::size_t> read(char* data, std::size_t size) override {
      const std::size_t got = bytes_.copy(data, std::min<std::size_t>(size, 7));
      bytes_.remove_prefix(got);
      return got;
    }
    std::uint64_t file_offset() const override { return 0; }

   private:
    std::string_view bytes_;
  };
  const std::string text = json_of(sample_events());
  Drops drops(text);
  Kept kept;
  ASSERT_TRUE(read_trace(drops, "x", kept));
  EXPECT_EQ(kept.events, sample_events());
}

TEST(Reader, TheQuickWayReadsWhatTheParserReads) {
  RandomEvents random(6);
  std::mt19937_64 dice(6);
  QuickReader quick;
  int taken = 0;
  for (int i = 0; i < 20000; ++i) {
    std::string line = json_of(random.transition());
    // Most lines have one byte that is another one than it was.
    if (dice() % 4 != 0) line[dice() % (line.size() - 2)] = "0123456789\"\\,:{}ax-. "[dice() % 22];
    line.pop_back();
    Transition event;
    if (!quick.transition(line, event)) continue;
    ++taken;
    const Played played = play(json_of(sample_header()) + "{ " + line.substr(1));
    ASSERT_TRUE(played.report);
    ASSERT_EQ(played.events.size(), 2U) << line << played.report->first_skipped_why;
    ASSERT_EQ(std::get<Transition>(played.events[1]), event) << line;
  }
  EXPECT_GT(taken, 250);
}

TEST(Reader, TheQuickWayTakesUsualLines) {
  QuickReader quick;
  Transition event;
  Transition last = sample_last();
  last.traffic->bytes_sent = 517;
  for (const Transition& usual : {sample_transition(), last}) {
    std::string line = json_of(usual);
    line.pop_back();
    EXPECT_TRUE(quick.transition(line, event)) << line;
    EXPECT_EQ(event, usual);
  }
}

TEST(Reader, SeveralThreadsPlayTheSameInTheSameOrder) {
  RandomEvents random(7);
  std::vector<Event> events = {sample_header()};
  for (int i = 0; i < 20000; ++i) events.emplace_back(random.transition());
  std::string text;
  for (const Event& event : events) text += json_of(event) + (text.size() % 7 == 0 ? "{\n" : "");
  const auto input_one = open_trace_bytes(text), input_four = open_trace_bytes(text);
  Kept one, four;
  std::uint64_t told = 0;
  const auto alone = read_trace(*input_one, "x", one);
  const auto crew = read_trace(*input_four, "x", four, {4, [&](std::uint64_t at) { told = at; }});
  ASSERT_TRUE(alone && crew);
  EXPECT_EQ(one.events, events);
  EXPECT_EQ(four.events, events);
  EXPECT_GT(alone->skipped, 0U);
  EXPECT_EQ(alone->skipped, crew->skipped);
  EXPECT_EQ(alone->first_skipped_line, crew->first_skipped_line);
  EXPECT_EQ(told, text.size());
}

TEST(Reader, TheQuickWayReadsAConnectionAsTheParserDoes) {
  RandomEvents random(8);
  std::mt19937_64 dice(8);
  QuickReader quick;
  int taken = 0;
  for (int i = 0; i < 20000; ++i) {
    std::string line = json_of(random.connection());
    if (dice() % 4 != 0) line[dice() % (line.size() - 2)] = "0123456789\"\\,:{}ax-. "[dice() % 22];
    line.pop_back();
    Connection read;
    if (!quick.connection(line, read)) continue;
    ++taken;
    // A blank in front is not what the quick way takes.
    const Played played = play_line(" " + line + "\n");
    ASSERT_EQ(played.events.size(), 2U) << line << played.report->first_skipped_why;
    ASSERT_EQ(std::get<Connection>(played.events[1]), read) << line;
  }
  EXPECT_GT(taken, 200) << "most have some number or name that it leaves to the parser";
}

TEST(Reader, AConnectionIsCheckedFieldByField) {
  const std::string line = json_of(sample_connection());
  const auto changed = [&line](const std::string& from, const std::string& to) {
    std::string other = line;
    const std::size_t at = other.find(from);
    EXPECT_NE(at, std::string::npos) << from;
    return other.replace(at, from.size(), to);
  };
  ASSERT_EQ(std::get<Connection>(play_line(line).events.at(1)), sample_connection());
  const std::string stay = R"({"state":"SYN_SENT","dwell_ns":184000,"dwell":"exact"})";
  for (const auto& [bad, why] : std::vector<std::pair<std::string, std::string>>{
           {changed(R"("end")", R"("eend")"), R"("end" is missing)"},
           {changed(R"("stays":)", R"("tays":)"), R"("stays" is missing)"},
           {changed(stay, "7"), R"("stays" holds something that is no object)"},
           {changed(stay, "{}"), R"("stays" holds something that is no stay)"},
           {changed("184000", "null"), R"("stays" holds something that is no stay)"},
           {changed(stay, stay + "," + stay + "," + stay + "," + stay + "," + stay + "," + stay +
                              "," + stay),
            R"("stays" holds too many)"},
           {changed(R"("state":"CLOSE")", R"("state":"OPEN")"), R"("state" is not understood)"}}) {
    const Played played = play_line(bad);
    EXPECT_EQ(played.report->skipped, 1U) << bad;
    EXPECT_EQ(played.report->first_skipped_why, why);
  }
}

}  // namespace
}  // namespace tcpdwell
