// SPDX-License-Identifier: BSD-2-Clause
/// What has added up for months: durations past 2^32 ms and counts past 2^32, in every table.
#include <gtest/gtest.h>

#include <string>

#include "sinks/tables.h"
#include "util/duration.h"

namespace tcpdwell {
namespace {

constexpr std::uint64_t kDay = 86'400'000'000'000;
constexpr std::uint64_t kMonths = 100 * kDay;                  // 2^32 ms are 49.7 days
constexpr std::uint64_t kMany = (std::uint64_t{1} << 33) + 5;  // a table may have seen so many

static_assert(kMonths / 1'000'000 > UINT32_MAX);

Summary months() {
  Summary summary;
  summary.by = {Key::State};
  summary.end_wall_ns = static_cast<std::int64_t>(365 * kDay);
  Row row;
  row.keys = {"ESTABLISHED"};
  row.numeric = {std::nullopt};
  row.exact.add(1'000'000, kMany);
  row.exact.add(kMonths, 2);
  row.at_least = kMany;
  row.unknown = kMany;
  row.open = kMany;
  summary.rows.push_back(std::move(row));
  summary.lost[static_cast<std::size_t>(LossPlace::Ring)] = kMany;
  return summary;
}

TEST(LongRun, JsonHasEveryDigit) {
  StringOutput out;
  ASSERT_TRUE(write_table_json(out, months()));
  for (const std::string& part :
       {"\"count\":" + std::to_string(3 * kMany + 2), "\"open\":" + std::to_string(kMany),
        "\"at_least\":" + std::to_string(kMany), "\"unknown\":" + std::to_string(kMany),
        "\"max_ns\":" + std::to_string(kMonths), "\"ring\":" + std::to_string(kMany),
        "\"total_ns\":" + std::to_string(kMany * 1'000'000 + 2 * kMonths)})
    EXPECT_NE(out.text.find(part), std::string::npos) << part << " in " << out.text;
}

TEST(LongRun, CsvHasEveryDigit) {
  StringOutput out;
  ASSERT_TRUE(write_table_csv(out, months(), true));
  EXPECT_NE(out.text.find("," + std::to_string(3 * kMany + 2) + ","), std::string::npos)
      << out.text;
  EXPECT_NE(out.text.find(std::to_string(kMonths)), std::string::npos) << out.text;
}

TEST(LongRun, TextHasDays) {
  StringOutput out;
  ASSERT_TRUE(write_table_text(out, months(), TableOptions{}));
  EXPECT_NE(out.text.find(human_duration(kMonths)), std::string::npos) << out.text;
  EXPECT_NE(human_duration(kMonths).find('d'), std::string::npos);
}

}  // namespace
}  // namespace tcpdwell
