// SPDX-License-Identifier: BSD-2-Clause
#include "aggregate/headline.h"

#include <gtest/gtest.h>

#include <string>

namespace tcpdwell {
namespace {

constexpr std::uint64_t kSecond = 1'000'000'000;

TEST(RatesDiffer, ByMoreThanChance) {
  const struct {
    std::uint64_t before, before_s, after, after_s;
    bool differ;
  } kTable[] = {
      {100, 10, 100, 10, false},
      {100, 10, 127, 10, false},  // 27 of a deviation of 15
      {100, 10, 131, 10, true},
      {131, 10, 100, 10, true},  // either way round
      {9, 10, 0, 10, false},     // too few to be sure of anything
      {10, 10, 0, 10, true},
      {10, 10, 4, 10, false},
      {100, 10, 1000, 100, false},  // the same rate for longer
      {3000, 10, 30, 100, true},
      {1000, 0, 10, 10, false},  // a side that took no time has no rate
      {10, 10, 1000, 0, false},
      {0, 10, 0, 10, false},
  };
  for (const auto& [before, before_s, after, after_s, differ] : kTable)
    EXPECT_EQ(rates_differ(before, before_s * kSecond, after, after_s * kSecond), differ)
        << before << " in " << before_s << "s, " << after << " in " << after_s << "s";
}

/// Ten seconds a side.
Comparison compared(std::uint64_t opened_before, std::uint64_t opened_after) {
  Comparison c;
  for (ComparedSide* side : {&c.before, &c.after}) side->end_wall_ns = 10 * kSecond;
  c.before.opened = opened_before;
  c.after.opened = opened_after;
  return c;
}

ComparedRow row(const std::string& state, Shift p50, Shift p99 = {}) {
  ComparedRow row;
  row.keys = {state};
  row.p50 = p50;
  row.p99 = p99;
  return row;
}

Shift shift(std::uint64_t before, std::uint64_t after, Verdict verdict) {
  return {{before, before, before}, {after, after, after}, verdict};
}

TEST(Headline, SaysWhatIsCertainAndNoMore) {
  const std::string opened = "connections opened: 300/s in A, 0.3/s in B";
  EXPECT_EQ(headline_of(compared(3000, 3)), opened);
  EXPECT_EQ(headline_of(compared(30, 33)), "no difference between A and B is certain");
  EXPECT_EQ(headline_of(Comparison{}), "no difference between A and B is certain");

  Comparison c = compared(30, 33);
  c.before.accepted = 3000;
  c.after.accepted = 3;
  EXPECT_EQ(headline_of(c), "connections accepted: 300/s in A, 0.3/s in B");
  c.before.opened = 3000;
  c.after.opened = 3;
  EXPECT_EQ(headline_of(c), opened) << "what the host opens comes first";

  c.rows = {row("ESTABLISHED", shift(1'200'000, 20 * kSecond, Verdict::Longer))};
  EXPECT_EQ(headline_of(c), opened + "; ESTABLISHED lasts longer: median 1.20ms in A, 20.0s in B");
}

TEST(Headline, OfRowsTheFirstAndOfItsFiguresTheMedianFirst) {
  const Shift longer = shift(1'000'000, 2'000'000, Verdict::Longer),
              shorter = shift(5 * kSecond, kSecond, Verdict::Shorter),
              same = shift(kSecond, kSecond, Verdict::NoDifference),
              few = shift(kSecond, 9 * kSecond, Verdict::TooFew);
  const struct {
    std::vector<ComparedRow> rows;
    const char* says;
  } kTable[] = {
      {{row("FIN_WAIT2", shorter, longer)},
       "FIN_WAIT2 lasts shorter: median 5.00s in A, 1.00s in B"},
      {{row("FIN_WAIT2", same, longer)}, "FIN_WAIT2 lasts longer: p99 1.00ms in A, 2.00ms in B"},
      {{row("FIN_WAIT2", few, shorter)}, "FIN_WAIT2 lasts shorter: p99 5.00s in A, 1.00s in B"},
      {{row("FIN_WAIT2", few, same)}, "no difference between A and B is certain"},
      {{row("LAST_ACK", longer), row("FIN_WAIT2", shorter)},
       "LAST_ACK lasts longer: median 1.00ms in A, 2.00ms in B"},
  };
  for (const auto& [rows, says] : kTable) {
    Comparison c = compared(0, 0);
    c.rows = rows;
    EXPECT_EQ(headline_of(c), says);
  }
  Comparison c = compared(0, 0);
  c.rows = {row("ESTABLISHED", longer)};
  c.rows[0].keys = {"ESTABLISHED", "nginx"};
  EXPECT_TRUE(headline_of(c).starts_with("ESTABLISHED nginx lasts longer")) << headline_of(c);
}

}  // namespace
}  // namespace tcpdwell
