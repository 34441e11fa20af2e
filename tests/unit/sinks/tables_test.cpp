// SPDX-License-Identifier: BSD-2-Clause
#include "sinks/tables.h"

#include <gtest/gtest.h>

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "util/duration.h"

namespace tcpdwell {
namespace {

constexpr std::uint64_t kMs = 1'000'000, kSecond = 1'000 * kMs;

Row row_of(std::vector<std::string> keys, std::vector<std::uint64_t> exact,
           std::optional<std::uint64_t> open) {
  Row row;
  row.numeric.resize(keys.size());
  row.keys = std::move(keys);
  for (std::uint64_t ns : exact) row.exact.add(ns);
  row.open = open;
  return row;
}

Summary summary_of(std::vector<Key> by, std::vector<Row> rows) {
  Summary summary;
  summary.start_wall_ns = *parse_rfc3339("2026-01-02T03:04:05Z");
  summary.end_wall_ns = *parse_rfc3339("2026-01-02T03:04:15Z");
  summary.by = std::move(by);
  summary.rows = std::move(rows);
  return summary;
}

std::string text_of(const Summary& summary, TableOptions options = {}) {
  StringOutput out;
  EXPECT_TRUE(write_table_text(out, summary, options).ok());
  return out.text;
}

std::string json_of(const Summary& summary) {
  StringOutput out;
  EXPECT_TRUE(write_table_json(out, summary).ok());
  return out.text;
}

std::string csv_of(const Summary& summary, bool with_header) {
  StringOutput out;
  EXPECT_TRUE(write_table_csv(out, summary, with_header).ok());
  return out.text;
}

bool has(const std::string& text, std::string_view part) {
  return text.find(part) != std::string::npos;
}

TEST(TableText, AlignsColumns) {
  const Summary summary = summary_of(
      {Key::State}, {row_of({"LISTEN"}, {}, 3), row_of({"ESTABLISHED"}, {2 * kMs}, 1234567)});
  EXPECT_EQ(text_of(summary),
            "2026-01-02 03:04:05 – 03:04:15 UTC (10.0s)\n"
            "state        count       open     min     p50     p90     p99     max   total\n"
            "LISTEN           0          3       -       -       -       -       -       -\n"
            "ESTABLISHED      1  1,234,567  2.00ms  2.00ms  2.00ms  2.00ms  2.00ms  2.00ms\n");
}

TEST(TableText, UnknownIsNeverANumber) {
  Row row = row_of({"SYN_RECV"}, {}, std::nullopt);
  row.unknown = 3;
  row.at_least = 1;
  const std::string text = text_of(summary_of({Key::State}, {row}));
  EXPECT_TRUE(has(text,
                  "state     count  open  min  p50  p90  p99  max  total  at least  unknown\n"
                  "SYN_RECV      4     -    -    -    -    -    -      -         1        3\n"))
      << text;
  EXPECT_TRUE(
      has(text, "3 dwells of unknown length and 1 lower bound are not in the percentiles\n"))
      << text;
}

TEST(TableText, NamesOnlyWhatIsLeftOut) {
  Row row = row_of({"SYN_RECV"}, {}, 0);
  row.unknown = 1;
  Summary summary = summary_of({Key::State}, {row});
  EXPECT_TRUE(has(text_of(summary), "\n1 dwell of unknown length is not in the percentiles\n"));
  summary.rows[0].unknown = 0;
  summary.rows[0].at_least = 1200;
  EXPECT_TRUE(has(text_of(summary), "\n1,200 lower bounds are not in the percentiles\n"));
  EXPECT_FALSE(has(text_of(summary), "unknown"));
  summary.rows_left_out = 17;
  EXPECT_TRUE(has(text_of(summary), "\n17 dwells left out: the table has no room for more rows\n"));
}

TEST(TableText, WideShowsTheColumnsOfZeros) {
  const Summary summary = summary_of({Key::State}, {row_of({"LAST_ACK"}, {5}, 0)});
  EXPECT_FALSE(has(text_of(summary), "at least"));
  EXPECT_TRUE(has(text_of(summary, {.colour = false, .wide = true}), "total  at least  unknown\n"));
}

TEST(TableText, SaysWhatWasLost) {
  Summary summary = summary_of({Key::State}, {});
  summary.lost = {12, 0, 3000, 0};
  EXPECT_EQ(text_of(summary),
            "2026-01-02 03:04:05 – 03:04:15 UTC (10.0s)\n"
            "no transitions seen\n"
            "lost: ring 12, map 3,000\n");
}

TEST(TableText, NamesTheSecondDateWhereItDiffers) {
  Summary summary = summary_of({Key::State}, {});
  summary.end_wall_ns = *parse_rfc3339("2026-01-03T00:00:00.5Z");
  EXPECT_EQ(text_of(summary).rfind("2026-01-02 03:04:05 – 2026-01-03 00:00:00 UTC (", 0), 0U);
  summary.end_wall_ns = summary.start_wall_ns - 1;
  EXPECT_EQ(text_of(summary), "2026-01-02 03:04:05 – 03:04:04 UTC\nno transitions seen\n");
}

TEST(TableText, HostileNamesStayInTheirCell) {
  const Summary summary =
      summary_of({Key::Comm, Key::State},
                 {row_of({"a\x1b[2J\nb", "CLOSE_WAIT"}, {}, 1),
                  row_of({"日本", "CLOSE_WAIT"}, {}, 1), row_of({"", "CLOSE_WAIT"}, {}, 1)});
  const std::string text = text_of(summary);
  EXPECT_TRUE(has(text, "\ncomm           state       count")) << text;
  EXPECT_TRUE(has(text, "\na\\x1b[2J\\x0ab  CLOSE_WAIT")) << text;
  EXPECT_TRUE(has(text, "\n日本           CLOSE_WAIT")) << text;
  EXPECT_TRUE(has(text, "\n-              CLOSE_WAIT")) << text;
}

TEST(TableText, AlignsNumericKeysRight) {
  const Summary summary = summary_of({Key::LocalPort, Key::State}, {row_of({"80", "LISTEN"}, {}, 1),
                                                                    row_of({"", "LISTEN"}, {}, 1)});
  const std::string text = text_of(summary);
  EXPECT_TRUE(has(text, "\n        80  LISTEN ")) << text;
  EXPECT_TRUE(has(text, "\n         -  LISTEN ")) << text;
}

TEST(TableText, ColourOnlyWhenAskedFor) {
  const Summary summary = summary_of({Key::State}, {row_of({"LISTEN"}, {}, 1)});
  EXPECT_FALSE(has(text_of(summary), "\x1b"));
  const std::string text = text_of(summary, {.colour = true, .wide = false});
  EXPECT_TRUE(has(text, "\n\x1b[1mstate\x1b[0m   \x1b[1mcount\x1b[0m")) << text;
  EXPECT_TRUE(has(text, "  \x1b[2m-\x1b[0m")) << text;
}

TEST(TableText, WholeConnectionsHaveLifetimes) {
  Row row = row_of({"refused"}, {}, std::nullopt);
  row.unknown = 2;
  EXPECT_TRUE(has(text_of(summary_of({Key::End}, {row})),
                  "\n2 lifetimes of unknown length are not in the percentiles\n"));
}

TEST(TableJson, OneLineATable) {
  Row row = row_of({"80", "TIME_WAIT"}, {61 * kSecond}, 4);
  row.numeric[0] = 80;
  row.at_least = 2;
  Summary summary = summary_of({Key::LocalPort, Key::State}, {row});
  summary.lost = {1, 2, 3, 4};
  EXPECT_EQ(json_of(summary),
            R"({"type":"summary","start":"2026-01-02T03:04:05.000000000Z",)"
            R"("end":"2026-01-02T03:04:15.000000000Z","by":["local-port","state"],)"
            R"("rows":[{"local_port":80,"state":"TIME_WAIT","count":3,"open":4,"at_least":2,)"
            R"("unknown":0,"min_ns":61000000000,"p50_ns":61000000000,"p90_ns":61000000000,)"
            R"("p99_ns":61000000000,"max_ns":61000000000,"total_ns":61000000000}],)"
            R"("lost":{"ring":1,"recursion":2,"map":3,"output":4}})"
            "\n");
}

TEST(TableJson, UnknownIsNull) {
  Row row = row_of({"", "", "", "SYN_SENT"}, {}, std::nullopt);
  row.unknown = 1;
  const Summary summary = summary_of({Key::Pid, Key::Comm, Key::Remote, Key::State}, {row, row});
  EXPECT_TRUE(has(json_of(summary),
                  R"({"pid":null,"comm":null,"remote":null,"state":"SYN_SENT","count":1,)"
                  R"("open":null,"at_least":0,"unknown":1,"min_ns":null,"p50_ns":null,)"
                  R"("p90_ns":null,"p99_ns":null,"max_ns":null,"total_ns":null},{)"));
}

TEST(TableJson, SaysWhatHadNoRow) {
  Summary summary = summary_of({Key::State}, {});
  EXPECT_TRUE(has(json_of(summary), R"("rows":[],"lost":{)"));
  summary.rows_left_out = 9;
  EXPECT_TRUE(has(json_of(summary), R"("rows":[],"rows_left_out":9,"lost":{)"));
}

TEST(TableJson, SaysWhatWasNotObserved) {
  Summary summary = summary_of({Key::State}, {});
  EXPECT_FALSE(has(json_of(summary), "not_observed"));
  summary.minisockets_off = true;
  EXPECT_TRUE(has(json_of(summary), R"(,"not_observed":["TIME_WAIT","FIN_WAIT2","SYN_RECV"]})"));
}

TEST(TableJson, EscapesNames) {
  const Summary summary = summary_of({Key::Comm}, {row_of({"a\"\n"}, {}, 1)});
  EXPECT_TRUE(has(json_of(summary), R"("comm":"a\"\n")")) << json_of(summary);
}

TEST(TableCsv, ARowARow) {
  Row row = row_of({"4711", "=a,b", "LISTEN"}, {7}, std::nullopt);
  row.numeric[0] = 4711;
  Row unknown = row_of({"", "", "CLOSE_WAIT"}, {}, 2);
  const Summary summary = summary_of({Key::Pid, Key::Comm, Key::State}, {row, unknown});
  const std::string rows =
      "2026-01-02T03:04:05.000000000Z,2026-01-02T03:04:15.000000000Z,"
      "4711,\"'=a,b\",LISTEN,1,,0,0,7,7,7,7,7,7\n"
      "2026-01-02T03:04:05.000000000Z,2026-01-02T03:04:15.000000000Z,"
      ",,CLOSE_WAIT,0,2,0,0,,,,,,\n";
  EXPECT_EQ(csv_of(summary, false), rows);
  EXPECT_EQ(csv_of(summary, true),
            "start,end,pid,comm,state,count,open,at_least,unknown,"
            "min_ns,p50_ns,p90_ns,p99_ns,max_ns,total_ns\n" +
                rows);
}

TEST(TableCsv, KeysAreFieldNames) {
  EXPECT_EQ(csv_of(summary_of({Key::RemotePort, Key::End}, {}), true)
                .rfind("start,end,remote_port,end_cause,count,", 0),
            0U);
}

}  // namespace
}  // namespace tcpdwell
