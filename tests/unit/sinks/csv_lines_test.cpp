// SPDX-License-Identifier: BSD-2-Clause
#include "sinks/csv_lines.h"

#include <gtest/gtest.h>

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include "unit/sinks/lines_for_tests.h"

namespace tcpdwell {
namespace {

/// RFC 4180, so that the tests read what a spreadsheet would.
std::vector<std::vector<std::string>> parse(std::string_view csv) {
  std::vector<std::vector<std::string>> rows(1, {""});
  bool quoted = false;
  for (std::size_t i = 0; i < csv.size(); ++i) {
    std::string& field = rows.back().back();
    if (quoted && csv[i] == '"' && i + 1 < csv.size() && csv[i + 1] == '"') {
      field += csv[++i];
    } else if (csv[i] == '"') {
      quoted = !quoted;
    } else if (!quoted && csv[i] == ',') {
      rows.back().emplace_back();
    } else if (!quoted && csv[i] == '\n') {
      rows.push_back({""});
    } else {
      field += csv[i];
    }
  }
  rows.pop_back();
  return rows;
}

using Record = std::map<std::string, std::string>;

/// Writes the header and one event, and gives the event's fields by name.
template <class Event>
Record record_of(const Event& event) {
  StringOutput out;
  CsvLines lines(out);
  EXPECT_TRUE(lines.header({}).ok());
  if constexpr (std::is_same_v<Event, Transition>) {
    EXPECT_TRUE(lines.transition(event).ok());
  } else {
    EXPECT_TRUE(lines.seed(event).ok());
  }
  const auto rows = parse(out.text);
  EXPECT_EQ(rows.size(), 2U);
  EXPECT_EQ(rows[0].size(), rows[1].size());
  Record record;
  for (std::size_t i = 0; i < rows[0].size(); ++i) record[rows[0][i]] = rows[1].at(i);
  EXPECT_EQ(record.size(), rows[0].size()) << "a name comes twice";
  return record;
}

TEST(CsvLines, NoColumnMoves) {
  StringOutput out;
  CsvLines lines(out);
  ASSERT_TRUE(lines.header({}).ok());
  ASSERT_TRUE(lines.header({}).ok());
  const std::string_view first =
      "ts,mono_ns,conn,netns,family,laddr,lport,raddr,rport,old,new,dwell_ns,dwell,pid,comm,"
      "owner,cgroup,gap,reason,life_ns,path,closer,bytes_sent,bytes_received,segs_out,"
      "segs_in,retrans,srtt_us,";
  EXPECT_TRUE(out.text.starts_with(first)) << out.text;
  const std::vector<std::string> columns = parse(out.text).front();
  ASSERT_EQ(parse(out.text).size(), 1U) << "the second call wrote another";
  EXPECT_EQ(columns.at(29), "timer_restarts");
}

TEST(CsvLines, EveryFieldOfALastLine) {
  Transition t = last_line();
  t.gap = true;
  StringOutput out;
  CsvLines lines(out);
  ASSERT_TRUE(lines.transition(t).ok());
  EXPECT_TRUE(out.text.starts_with(
      "2026-01-02T03:04:05.000000006Z,987654321,1a2b,4026531840,4,10.0.0.5,51234,"
      "93.184.216.34,443,TIME_WAIT,CLOSE,61700000000,exact,4711,curl,connect,6432,true,"
      "expired,63200000000,SYN_SENT>ESTABLISHED>FIN_WAIT1>FIN_WAIT2>TIME_WAIT>CLOSE,local,"
      "1234567,89,12,10,1,184,120,2"))
      << out.text;
}

TEST(CsvLines, UnknownIsEmptyAndNeverZero) {
  Transition t = transition(State::Close, State::Listen, {Bound::Unknown, 77});
  t.socket.owner = {};
  t.socket.cgroup_id = 0;
  t.socket.remote = {};
  Record record = record_of(t);
  for (const char* name : {"dwell_ns", "pid", "comm", "cgroup", "rport", "gap", "reason", "life_ns",
                           "path", "closer", "bytes_sent", "bytes_received", "segs_out", "segs_in",
                           "retrans", "srtt_us", "timer_restarts"}) {
    EXPECT_EQ(record[name], "") << name;
  }
  EXPECT_EQ(record["dwell"], "unknown");
  EXPECT_EQ(record["owner"], "none");
  EXPECT_EQ(record["raddr"], "0.0.0.0");
}

TEST(CsvLines, ACountOfZeroIsZero) {
  Transition t = last_line();
  t.traffic->bytes_sent = 0;
  t.traffic->retrans = 0;
  t.traffic->srtt_us.reset();
  Record record = record_of(t);
  EXPECT_EQ(record["bytes_sent"], "0");
  EXPECT_EQ(record["retrans"], "0");
  EXPECT_EQ(record["srtt_us"], "");
}

TEST(CsvLines, PartsOfTheLifeMayBeMissing) {
  Transition t = last_line();
  t.path = {};
  EXPECT_EQ(record_of(t)["closer"], "");
  EXPECT_EQ(record_of(t)["bytes_sent"], "1234567");
  t = last_line();
  t.traffic.reset();
  EXPECT_EQ(record_of(t)["closer"], "local");
  EXPECT_EQ(record_of(t)["timer_restarts"], "2");
  t.to = State::TimeWait;
  EXPECT_EQ(record_of(t)["life_ns"], "");
}

TEST(CsvLines, SeedHasNoOldState) {
  Seed seed;
  seed.wall_ns = 1767323045'500000000;
  seed.socket = client_socket();
  seed.state = State::Listen;
  seed.age = {Bound::AtLeast, 12};
  Record record = record_of(seed);
  EXPECT_EQ(record["ts"], "2026-01-02T03:04:05.500000000Z");
  EXPECT_EQ(record["old"], "");
  EXPECT_EQ(record["new"], "LISTEN");
  EXPECT_EQ(record["dwell_ns"], "12");
  EXPECT_EQ(record["dwell"], "at_least");
  EXPECT_EQ(record["cgroup"], "6432");
  EXPECT_EQ(record["gap"], "");
}

TEST(CsvLines, TimeFollowsEveryRow) {
  StringOutput out;
  CsvLines lines(out);
  Transition t = last_line();
  for (const std::int64_t at : {1767323045'999999999, 1767323046'000000000, 1767323045'000000001,
                                std::int64_t{-1}, std::int64_t{0}}) {
    t.wall_ns = at;
    ASSERT_TRUE(lines.transition(t).ok());
  }
  const auto rows = parse(out.text);
  ASSERT_EQ(rows.size(), 5U);
  EXPECT_EQ(rows[0][0], "2026-01-02T03:04:05.999999999Z");
  EXPECT_EQ(rows[1][0], "2026-01-02T03:04:06.000000000Z");
  EXPECT_EQ(rows[2][0], "2026-01-02T03:04:05.000000001Z");
  EXPECT_EQ(rows[3][0], "1969-12-31T23:59:59.999999999Z");
  EXPECT_EQ(rows[4][0], "1970-01-01T00:00:00.000000000Z");
}

TEST(CsvLines, HostileNamesStayInTheirField) {
  Transition t = last_line();
  t.socket.owner.comm = Comm("a,\"b\"\nc");
  EXPECT_EQ(record_of(t)["comm"], "a,\"b\"\nc");
  t.socket.owner.comm = Comm("=cmd()");
  EXPECT_EQ(record_of(t)["comm"], "'=cmd()");
}

TEST(CsvLines, Ipv6AndReusedSockets) {
  Transition t = last_line();
  t.socket.family = Family::V6;
  t.socket.local.addr = {};
  t.socket.local.addr[15] = 1;
  t.socket.id.use = 3;
  Record record = record_of(t);
  EXPECT_EQ(record["family"], "6");
  EXPECT_EQ(record["laddr"], "::1");
  EXPECT_EQ(record["conn"], "1a2b.3");
}

}  // namespace
}  // namespace tcpdwell
