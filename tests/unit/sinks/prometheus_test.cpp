// SPDX-License-Identifier: BSD-2-Clause
#include "sinks/prometheus.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <set>
#include <sstream>
#include <string>

namespace tcpdwell {
namespace {

ProcessFigures process() {
  return {1'500'000'000, 4096, 2'000'000'000, "1.2.3", "6.1", "x86_64", "timer"};
}

std::string text_of(const LiveState& state, MetricsFormat format = MetricsFormat::Prometheus) {
  return metrics_text(state, process(), format);
}

bool has_line(const std::string& text, const std::string& line) {
  return ("\n" + text).find("\n" + line + "\n") != std::string::npos;
}

TEST(Prometheus, BucketsAreCumulativeInSeconds) {
  LiveState state;
  DwellTotals& dwells = state.totals.dwells[static_cast<std::size_t>(State::TimeWait)];
  Tally::OfState since;
  since.exact.add(61'500'000'000);
  since.exact.add(1'000'000);
  for (const std::uint64_t bound : {std::uint64_t{70'000'000'000}, std::uint64_t{1'000'000}})
    ++since.within[static_cast<std::size_t>(
        std::find(kBucketBounds.begin(), kBucketBounds.end(), bound) - kBucketBounds.begin())];
  since.at_least = 1;
  dwells.add(since);
  const std::string text = text_of(state);
  EXPECT_TRUE(has_line(text, R"(tcpdwell_dwell_seconds_bucket{state="TIME_WAIT",le="0.0005"} 0)"));
  EXPECT_TRUE(has_line(text, R"(tcpdwell_dwell_seconds_bucket{state="TIME_WAIT",le="0.001"} 1)"));
  EXPECT_TRUE(has_line(text, R"(tcpdwell_dwell_seconds_bucket{state="TIME_WAIT",le="60.0"} 1)"));
  EXPECT_TRUE(has_line(text, R"(tcpdwell_dwell_seconds_bucket{state="TIME_WAIT",le="70.0"} 2)"));
  EXPECT_TRUE(has_line(text, R"(tcpdwell_dwell_seconds_bucket{state="TIME_WAIT",le="+Inf"} 2)"));
  EXPECT_TRUE(has_line(text, R"(tcpdwell_dwell_seconds_sum{state="TIME_WAIT"} 61.501)"));
  EXPECT_TRUE(has_line(text, R"(tcpdwell_dwell_seconds_count{state="TIME_WAIT"} 2)"));
  EXPECT_TRUE(
      has_line(text, R"(tcpdwell_dwells_inexact_total{state="TIME_WAIT",bound="at_least"} 1)"));
  EXPECT_TRUE(has_line(text, "process_cpu_seconds_total 1.5"));
}

TEST(Prometheus, WhatIsNotObservedHasNoSeries) {
  LiveState state;
  for (const char* way : {"timer", "off"}) {
    state.minisockets = way;
    const std::string text = text_of(state);
    const bool all = state.minisockets != "off";
    for (const char* name : {"TIME_WAIT", "SYN_RECV"}) {
      const std::string labels = std::string("{state=\"") + name + "\"";
      EXPECT_EQ(has_line(text, "tcpdwell_sockets" + labels + "} 0"), all) << name;
      EXPECT_EQ(text.find("tcpdwell_dwell_seconds_bucket" + labels) != std::string::npos, all)
          << name;
      EXPECT_EQ(has_line(text, "tcpdwell_dwell_seconds_count" + labels + "} 0"), all) << name;
    }
    EXPECT_TRUE(has_line(text, R"(tcpdwell_sockets{state="FIN_WAIT2"} 0)"))
        << "full sockets are in it";
  }
}

TEST(Prometheus, LabelsOfHostileNamesStayInTheirQuotes) {
  EXPECT_EQ(label_value("a\"b"), "a\\\"b");
  EXPECT_EQ(label_value("a\nb"), "a\\\\x0ab");
  EXPECT_EQ(label_value("a\\b"), "a\\\\\\\\b");
  EXPECT_EQ(label_value("\xff"), "\\\\xff");
  LiveState state;
  OwnerRow row;
  row.comm = Comm("x\"} 1\ny");
  row.sockets[static_cast<std::size_t>(State::Established)] = 4;
  state.survey.owners.push_back(row);
  EXPECT_TRUE(
      has_line(text_of(state),
               "tcpdwell_open_sockets_owner{comm=\"x\\\"} 1\\\\x0ay\",state=\"ESTABLISHED\"} 4"));
}

TEST(Prometheus, NamesThatAreOursAreCountedTogether) {
  LiveState state;
  const auto at = static_cast<std::size_t>(State::Established);
  for (const char* name : {"other", "?", ""}) {
    OwnerRow row;
    row.comm = Comm(name);
    row.sockets[at] = 1;
    state.survey.owners.push_back(row);
  }
  OwnerRow others;
  others.sockets[at] = 5;
  state.survey.owners.push_back(others);
  const std::string text = text_of(state);
  EXPECT_TRUE(has_line(text, R"(tcpdwell_open_sockets_owner{comm="other",state="ESTABLISHED"} 6)"));
  EXPECT_TRUE(has_line(text, R"(tcpdwell_open_sockets_owner{comm="?",state="ESTABLISHED"} 2)"));
}

TEST(Prometheus, ListenersWhoseQueueIsFullestComeFirst) {
  LiveState state;
  for (std::uint16_t port = 1; port <= 3; ++port) {
    ListenerRow row;
    row.netns = 7;
    row.local.port = port;
    row.waiting = port == 2 ? 4 : 0;
    row.most = 3;
    row.drops = port;
    state.survey.listeners.push_back(row);
  }
  const std::string text = metrics_text(state, {}, MetricsFormat::Prometheus, {}, 2);
  EXPECT_TRUE(has_line(text, R"(tcpdwell_listen_queue{netns="7",laddr="0.0.0.0",lport="2"} 4)"));
  EXPECT_TRUE(
      has_line(text, R"(tcpdwell_listen_drops_total{netns="7",laddr="0.0.0.0",lport="3"} 3)"));
  EXPECT_EQ(text.find(R"(lport="1")"), std::string::npos);
}

TEST(Prometheus, WhatFentryTellsIsAbsentElsewhere) {
  LiveState state;
  ListenerRow row;
  row.netns = 7;
  row.local.port = 80;
  state.survey.listeners = {row};
  const std::string overflows = "tcpdwell_listen_overflows_total",
                    wait = "tcpdwell_accept_wait_seconds";
  state.minisockets = "timer";
  EXPECT_EQ(text_of(state).find(overflows), std::string::npos);
  EXPECT_EQ(text_of(state).find(wait), std::string::npos);
  state.minisockets = "fentry";
  state.survey.listeners[0].overflows = 0;
  state.totals.not_accepted.buckets[0] = 2;
  state.totals.not_accepted.sum_ns = 15'000;
  const std::string text = text_of(state);
  EXPECT_TRUE(has_line(text, overflows + R"({netns="7",laddr="0.0.0.0",lport="80"} 0)"));
  EXPECT_TRUE(has_line(text, wait + R"(_bucket{le="0.00001"} 2)"));
  EXPECT_TRUE(has_line(text, wait + R"(_bucket{le="+Inf"} 2)"));
  EXPECT_TRUE(has_line(text, wait + "_sum 0.000015"));
  EXPECT_TRUE(has_line(text, wait + "_count 2"));
}

TEST(Prometheus, ListeningPortsBeyondThoseWithMostAreOther) {
  LiveState state;
  for (std::uint16_t port = 1; port <= 4; ++port) {
    ListenPortRow row;
    row.netns = 7;
    row.port = port;
    row.sockets[static_cast<std::size_t>(State::Listen)] = 1;
    row.sockets[static_cast<std::size_t>(State::TimeWait)] = port == 3 ? 0 : port;
    state.survey.listen_ports.push_back(row);
  }
  const std::string text = metrics_text(state, {}, MetricsFormat::Prometheus, {}, 2);
  const std::string name = "tcpdwell_listen_port_sockets";
  EXPECT_TRUE(has_line(text, name + R"({netns="7",lport="4",state="TIME_WAIT"} 4)"));
  EXPECT_TRUE(has_line(text, name + R"({netns="7",lport="2",state="LISTEN"} 1)"));
  EXPECT_TRUE(has_line(text, name + R"({netns="",lport="other",state="LISTEN"} 2)"));
  EXPECT_TRUE(has_line(text, name + R"({netns="",lport="other",state="TIME_WAIT"} 1)"));
  EXPECT_EQ(text.find(R"(lport="1")"), std::string::npos);
}

TEST(Prometheus, LivesAndFailedConnects) {
  LiveState state;
  LifeTotals& active = state.totals.lives[static_cast<std::size_t>(Role::Active)];
  active.add({Bound::Exact, 10'000});
  active.add({Bound::Exact, 1'500'000'000});
  active.add({Bound::Unknown, 0});
  state.failed_connects.push_back({Family::V4, {{10, 0, 0, 2}, 443}, Reason::Refused, 3});
  const std::string text = text_of(state);
  const std::string life = "tcpdwell_connection_life_seconds";
  EXPECT_TRUE(has_line(text, life + R"(_bucket{side="active",le="0.00001"} 1)"));
  EXPECT_TRUE(has_line(text, life + R"(_bucket{side="active",le="1.0"} 1)"));
  EXPECT_TRUE(has_line(text, life + R"(_bucket{side="active",le="2.0"} 2)"));
  EXPECT_TRUE(has_line(text, life + R"(_sum{side="active"} 1.50001)"));
  EXPECT_TRUE(has_line(text, R"(tcpdwell_connection_lives_unknown_total{side="active"} 1)"));
  EXPECT_TRUE(has_line(
      text, R"(tcpdwell_connects_failed_total{raddr="10.0.0.2",rport="443",reason="refused"} 3)"));
}

TEST(Prometheus, NoSeriesTwiceAndOpenMetricsEnds) {
  LiveState state;
  for (auto& row : state.totals.transitions) row.fill(1);
  for (auto& row : state.totals.ends) row.fill(1);
  state.survey.population.fill(1);
  for (const auto format : {MetricsFormat::Prometheus, MetricsFormat::OpenMetrics}) {
    std::set<std::string> seen;
    std::istringstream lines(text_of(state, format));
    for (std::string line; std::getline(lines, line);) {
      if (line.rfind("# ", 0) == 0) continue;
      EXPECT_TRUE(seen.insert(line.substr(0, line.rfind(' '))).second) << line;
    }
    EXPECT_LT(seen.size(), 1000U);
  }
  const std::string open = text_of(state, MetricsFormat::OpenMetrics);
  EXPECT_TRUE(has_line(open, "# TYPE tcpdwell_transitions counter"));
  EXPECT_EQ(open.substr(open.size() - 6), "# EOF\n");
}

}  // namespace
}  // namespace tcpdwell
