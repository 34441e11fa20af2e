// SPDX-License-Identifier: BSD-2-Clause
/// Durations, sizes and time stamps as people and as machines write them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "util/result.h"

namespace tcpdwell {

/// "500us", "10ms", "2s", "1m", "1h", "250ns", decimals ("1.5s"); a bare number is seconds.
/// Overflow, a part of a nanosecond, a sign, an unknown unit or nothing at all is an Error
/// (Fault::Usage); one that is too long says how long it may be.
Result<std::uint64_t> parse_duration_ns(std::string_view text);

/// "64K", "4M", "1G" (powers of 1024) or bytes.
Result<std::uint64_t> parse_size_bytes(std::string_view text);

/// Three significant digits with a unit a person reads: "184us", "61.7s", "2m03s", "5h12m",
/// "3d04h"; "0ns" for 0. Seconds up to 99.9s, then "1m40s"; what rounds up to the next unit is
/// shown in it
/// ("1.00ms", never "1000us").
std::string human_duration(std::uint64_t ns);

/// How often in a second: "300/s", "0.3/s"; "-" where there was no time.
std::string human_rate(std::uint64_t count, std::uint64_t ns);

/// A count with thousands separated: "1,234,567".
std::string human_count(std::uint64_t count);

/// RFC 3339, UTC, 9 digits: "2026-01-02T03:04:05.000000006Z".
std::string rfc3339(std::int64_t wall_ns);
void append_rfc3339(std::string& out, std::int64_t wall_ns);
inline constexpr std::size_t kRfc3339Bytes = 30;
/// The same at `at`; where it ends.
char* put_rfc3339(char* at, std::int64_t wall_ns);
/// Accepts any number of fraction digits up to 9, and only "Z". nullopt if malformed.
std::optional<std::int64_t> parse_rfc3339(std::string_view text);

}  // namespace tcpdwell
