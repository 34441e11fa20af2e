// SPDX-License-Identifier: BSD-2-Clause
#include "util/duration.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <limits>
#include <string>
#include <string_view>

namespace tcpdwell {
namespace {

constexpr std::uint64_t kUs = 1'000, kMs = 1'000'000, kS = 1'000'000'000;
constexpr std::uint64_t kMin = 60 * kS, kHour = 60 * kMin, kDay = 24 * kHour;
constexpr auto kMax = std::numeric_limits<std::uint64_t>::max();

std::uint64_t duration(std::string_view text) {
  const auto ns = parse_duration_ns(text);
  EXPECT_TRUE(ns.ok()) << text;
  return ns.ok() ? *ns : 0;
}

TEST(ParseDuration, KnowsEveryUnit) {
  EXPECT_EQ(duration("250ns"), 250U);
  EXPECT_EQ(duration("500us"), 500 * kUs);
  EXPECT_EQ(duration("10ms"), 10 * kMs);
  EXPECT_EQ(duration("2s"), 2 * kS);
  EXPECT_EQ(duration("1m"), kMin);
  EXPECT_EQ(duration("1h"), kHour);
}

TEST(ParseDuration, TakesABareNumberAsSeconds) {
  EXPECT_EQ(duration("3"), 3 * kS);
  EXPECT_EQ(duration("0"), 0U);
  EXPECT_EQ(duration("0.25"), 250 * kMs);
}

TEST(ParseDuration, TakesDecimals) {
  EXPECT_EQ(duration("1.5s"), 1500 * kMs);
  EXPECT_EQ(duration("0.001ms"), kUs);
  EXPECT_EQ(duration("0.1m"), 6 * kS);
  EXPECT_EQ(duration("1.000000001s"), kS + 1);
  EXPECT_EQ(duration("1.0ns"), 1U);
  EXPECT_EQ(duration("1.0000000000000000000000000000s"), kS);
}

TEST(ParseDuration, RejectsPartsOfANanosecond) {
  for (const auto text : {"0.5ns", "1.0001us", "0.0000000001s", "0.01ns", "0.00000000001ns"}) {
    EXPECT_FALSE(parse_duration_ns(text).ok()) << text;
  }
}

TEST(ParseDuration, ReachesTheLargestValueAndNoFurther) {
  EXPECT_EQ(duration("18446744073709551615ns"), kMax);
  EXPECT_EQ(duration("18446744073.709551615s"), kMax);
  for (const auto text : {"18446744073709551616ns", "18446744073.709551616s", "18446744074s",
                          "5124096h", "99999999999999999999999ns"}) {
    EXPECT_FALSE(parse_duration_ns(text).ok()) << text;
  }
}

TEST(ParseDuration, RejectsWhatIsNoDuration) {
  for (const auto text : {"",    " ",     "s",    "ms",    "-1s",   "+1s",   "1 s", " 1s",
                          "1s ", "1x",    "1S",   "1MS",   "1sec",  "1..5s", "1.s", ".5s",
                          ".",   "1.5.s", "1e3s", "0x10s", "1m30s", "nan",   "inf", "1,5s"}) {
    EXPECT_FALSE(parse_duration_ns(text).ok()) << text;
  }
  EXPECT_FALSE(parse_duration_ns(std::string_view("1s\0", 3)).ok());
}

TEST(ParseDuration, NamesTheOffendingWordSafely) {
  const auto ns = parse_duration_ns("5\x1b[2Jparsecs");
  ASSERT_FALSE(ns.ok());
  EXPECT_EQ(ns.error().fault, Fault::Usage);
  EXPECT_NE(ns.error().message.find("5\\x1b[2Jparsecs"), std::string::npos) << ns.error().message;
}

TEST(ParseSize, CountsInPowersOf1024) {
  EXPECT_EQ(*parse_size_bytes("4096"), 4096U);
  EXPECT_EQ(*parse_size_bytes("64K"), 64U << 10);
  EXPECT_EQ(*parse_size_bytes("4M"), 4U << 20);
  EXPECT_EQ(*parse_size_bytes("1G"), 1U << 30);
  EXPECT_EQ(*parse_size_bytes("8m"), 8U << 20);
  EXPECT_EQ(*parse_size_bytes("18446744073709551615"), kMax);
  EXPECT_EQ(*parse_size_bytes("17179869183G"), kMax - (1U << 30) + 1);
}

TEST(ParseSize, RejectsJunkAndOverflow) {
  for (const auto text : {"", "K", "-1", "+1", "1.5M", "1T", "1KB", "1 K", "18446744073709551616",
                          "17179869184G", "0x10"}) {
    const auto bytes = parse_size_bytes(text);
    ASSERT_FALSE(bytes.ok()) << text;
    EXPECT_EQ(bytes.error().fault, Fault::Usage);
  }
}

TEST(HumanDuration, ShowsThreeDigits) {
  EXPECT_EQ(human_duration(0), "0ns");
  EXPECT_EQ(human_duration(1), "1ns");
  EXPECT_EQ(human_duration(999), "999ns");
  EXPECT_EQ(human_duration(1'000), "1.00us");
  EXPECT_EQ(human_duration(1'234), "1.23us");
  EXPECT_EQ(human_duration(12'345), "12.3us");
  EXPECT_EQ(human_duration(184'000), "184us");
  EXPECT_EQ(human_duration(9'990'000), "9.99ms");
  EXPECT_EQ(human_duration(100 * kMs), "100ms");
  EXPECT_EQ(human_duration(1'050 * kMs), "1.05s");
  EXPECT_EQ(human_duration(61'650 * kMs), "61.7s");
}

TEST(HumanDuration, ShowsTwoUnitsForLongOnes) {
  EXPECT_EQ(human_duration(100 * kS), "1m40s");
  EXPECT_EQ(human_duration(2 * kMin + 3 * kS), "2m03s");
  EXPECT_EQ(human_duration(59 * kMin + 59 * kS), "59m59s");
  EXPECT_EQ(human_duration(5 * kHour + 12 * kMin), "5h12m");
  EXPECT_EQ(human_duration(3 * kDay + 4 * kHour), "3d04h");
  EXPECT_EQ(human_duration(kMax), "213504d00h");
}

TEST(HumanDuration, NeverRoundsToAFullNextUnit) {
  EXPECT_EQ(human_duration(9'994), "9.99us");
  EXPECT_EQ(human_duration(9'996), "10.0us");
  EXPECT_EQ(human_duration(99'949), "99.9us");
  EXPECT_EQ(human_duration(99'950), "100us");
  EXPECT_EQ(human_duration(999'499), "999us");
  EXPECT_EQ(human_duration(999'500), "1.00ms");
  EXPECT_EQ(human_duration(999'960'000), "1.00s");
  EXPECT_EQ(human_duration(59'990 * kMs), "60.0s");
  EXPECT_EQ(human_duration(99'949 * kMs), "99.9s");
  EXPECT_EQ(human_duration(99'950 * kMs), "1m40s");
  EXPECT_EQ(human_duration(kHour - 500 * kMs), "1h00m");
  EXPECT_EQ(human_duration(kHour - 501 * kMs), "59m59s");
  EXPECT_EQ(human_duration(kDay - 30 * kS), "1d00h");
  EXPECT_EQ(human_duration(kDay - 31 * kS), "23h59m");
}

TEST(HumanCount, SeparatesThousands) {
  EXPECT_EQ(human_count(0), "0");
  EXPECT_EQ(human_count(999), "999");
  EXPECT_EQ(human_count(1'000), "1,000");
  EXPECT_EQ(human_count(123'456), "123,456");
  EXPECT_EQ(human_count(1'234'567), "1,234,567");
  EXPECT_EQ(human_count(kMax), "18,446,744,073,709,551,615");
}

TEST(Rfc3339, WritesNineDigits) {
  EXPECT_EQ(rfc3339(0), "1970-01-01T00:00:00.000000000Z");
  EXPECT_EQ(rfc3339(1'767'323'045'000'000'006), "2026-01-02T03:04:05.000000006Z");
  EXPECT_EQ(rfc3339(951'782'400'000'000'000), "2000-02-29T00:00:00.000000000Z");
  EXPECT_EQ(rfc3339(-1), "1969-12-31T23:59:59.999999999Z");
  EXPECT_EQ(rfc3339(INT64_MAX), "2262-04-11T23:47:16.854775807Z");
  EXPECT_EQ(rfc3339(INT64_MIN), "1677-09-21T00:12:43.145224192Z");
}

TEST(Rfc3339, RoundTrips) {
  for (const std::int64_t ns :
       {std::int64_t{0}, std::int64_t{-1}, std::int64_t{1}, INT64_MAX, INT64_MIN, INT64_MIN + 1,
        std::int64_t{1'767'323'045'123'456'789}, std::int64_t{-1'000'000'000}}) {
    EXPECT_EQ(parse_rfc3339(rfc3339(ns)), ns);
  }
}

TEST(Rfc3339, ReadsAnyFractionUpToNineDigits) {
  EXPECT_EQ(parse_rfc3339("1970-01-01T00:00:01Z"), 1'000'000'000);
  EXPECT_EQ(parse_rfc3339("1970-01-01T00:00:01.5Z"), 1'500'000'000);
  EXPECT_EQ(parse_rfc3339("1970-01-01T00:00:01.000001Z"), 1'000'001'000);
  EXPECT_EQ(parse_rfc3339("1970-01-01T00:00:00.999999999Z"), 999'999'999);
}

TEST(Rfc3339, RejectsWhatIsMalformed) {
  for (const auto text : {"", "Z", "2026-01-02", "2026-01-02T03:04:05", "2026-01-02T03:04:05+00:00",
                          "2026-01-02T03:04:05.Z", "2026-01-02T03:04:05.0000000000Z",
                          "2026-01-02T03:04:05z", "2026-01-02t03:04:05Z", "2026-01-02 03:04:05Z",
                          "2026-1-02T03:04:05Z", "2026-01-02T03:04:05Zx", " 2026-01-02T03:04:05Z",
                          "2026-01-02T03:04:05,5Z", "2026-01-02T-3:04:05Z", "+026-01-02T03:04:05Z",
                          "2026-01-02T03:04:05.-1Z", "12026-01-02T03:04:05Z"}) {
    EXPECT_EQ(parse_rfc3339(text), std::nullopt) << text;
  }
}

TEST(Rfc3339, RejectsDatesThatAreNone) {
  for (const auto text : {"2026-02-29T00:00:00Z", "2026-13-01T00:00:00Z", "2026-00-01T00:00:00Z",
                          "2026-01-00T00:00:00Z", "2026-04-31T00:00:00Z", "2026-01-01T24:00:00Z",
                          "2026-01-01T00:60:00Z", "2026-01-01T00:00:60Z"}) {
    EXPECT_EQ(parse_rfc3339(text), std::nullopt) << text;
  }
  EXPECT_TRUE(parse_rfc3339("2024-02-29T23:59:59Z"));
}

TEST(Rfc3339, RejectsDatesPastTheRange) {
  EXPECT_EQ(parse_rfc3339("2262-04-11T23:47:16.854775808Z"), std::nullopt);
  EXPECT_EQ(parse_rfc3339("1677-09-21T00:12:43.145224191Z"), std::nullopt);
  EXPECT_EQ(parse_rfc3339("9999-12-31T23:59:59Z"), std::nullopt);
  EXPECT_EQ(parse_rfc3339("0000-01-01T00:00:00Z"), std::nullopt);
}

}  // namespace
}  // namespace tcpdwell
