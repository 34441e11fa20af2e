// SPDX-License-Identifier: BSD-2-Clause
#include "util/duration.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cmath>
#include <cstddef>
#include <cstring>
#include <initializer_list>

#include "util/escape.h"
#include "util/number.h"

namespace tcpdwell {
namespace {

constexpr std::uint64_t kSecond = 1'000'000'000;
constexpr std::uint64_t kMinute = 60 * kSecond;
constexpr std::uint64_t kHour = 60 * kMinute;

bool is_digit(char c) { return c >= '0' && c <= '9'; }

/// Takes the digits at the front of `text`.
std::string_view take_digits(std::string_view& text) {
  const auto end = std::find_if_not(text.begin(), text.end(), is_digit);
  const std::string_view digits = text.substr(0, static_cast<std::size_t>(end - text.begin()));
  text.remove_prefix(digits.size());
  return digits;
}

std::optional<std::uint64_t> times(std::uint64_t value, std::uint64_t unit) {
  std::uint64_t product = 0;
  if (__builtin_mul_overflow(value, unit, &product)) return std::nullopt;
  return product;
}

std::optional<std::uint64_t> plus(std::uint64_t a, std::uint64_t b) {
  std::uint64_t sum = 0;
  if (__builtin_add_overflow(a, b, &sum)) return std::nullopt;
  return sum;
}

/// 0.`digits` of `unit`; nullopt unless that is a whole number.
std::optional<std::uint64_t> fraction_of(std::string_view digits, std::uint64_t unit) {
  std::uint64_t sum = 0;
  for (const char c : digits) {
    if (unit % 10 == 0) {
      unit /= 10;
      sum += static_cast<std::uint64_t>(c - '0') * unit;
    } else if (c != '0') {
      return std::nullopt;
    }
  }
  return sum;
}

std::optional<std::uint64_t> duration_unit(std::string_view suffix) {
  if (suffix.empty() || suffix == "s") return kSecond;
  if (suffix == "ns") return 1;
  if (suffix == "us") return 1'000;
  if (suffix == "ms") return 1'000'000;
  if (suffix == "m") return kMinute;
  if (suffix == "h") return kHour;
  return std::nullopt;
}

std::optional<std::uint64_t> duration_ns(std::string_view text) {
  const auto whole = whole_number<std::uint64_t>(take_digits(text));
  if (!whole) return std::nullopt;
  std::string_view decimals;
  if (text.starts_with('.')) {
    text.remove_prefix(1);
    decimals = take_digits(text);
    if (decimals.empty()) return std::nullopt;
  }
  const auto unit = duration_unit(text);
  if (!unit) return std::nullopt;
  const auto ns = times(*whole, *unit);
  const auto fraction = fraction_of(decimals, *unit);
  if (!ns || !fraction) return std::nullopt;
  return plus(*ns, *fraction);
}

std::optional<std::uint64_t> size_unit(std::string_view suffix) {
  if (suffix.empty()) return 1;
  if (suffix == "K" || suffix == "k") return 1ULL << 10;
  if (suffix == "M" || suffix == "m") return 1ULL << 20;
  if (suffix == "G" || suffix == "g") return 1ULL << 30;
  return std::nullopt;
}

std::uint64_t rounded_quotient(std::uint64_t value, std::uint64_t divisor) {
  const std::uint64_t rest = value % divisor;
  return value / divisor + (rest >= divisor - rest ? 1 : 0);
}

/// "9.99ms", "61.7s"; "" where `ns`, rounded, needs a fourth digit.
std::string three_digits(std::uint64_t ns, std::uint64_t unit, std::string_view suffix) {
  struct Precision {
    int decimals;
    std::uint64_t scale;
  };
  for (const auto [decimals, scale] : {Precision{2, 100}, Precision{1, 10}, Precision{0, 1}}) {
    if (unit < scale) continue;
    const std::uint64_t scaled = rounded_quotient(ns, unit / scale);
    if (scaled >= 1000) continue;
    if (decimals == 0) return fmt::format("{}{}", scaled, suffix);
    return fmt::format("{}.{:0{}}{}", scaled / scale, scaled % scale, decimals, suffix);
  }
  return {};
}

/// "2m03s", "5h12m", "3d04h".
std::string two_units(std::uint64_t ns) {
  const std::uint64_t seconds = rounded_quotient(ns, kSecond);
  if (seconds < 3600) return fmt::format("{}m{:02}s", seconds / 60, seconds % 60);
  const std::uint64_t minutes = rounded_quotient(ns, kMinute);
  if (minutes < 24 * 60) return fmt::format("{}h{:02}m", minutes / 60, minutes % 60);
  const std::uint64_t hours = rounded_quotient(ns, kHour);
  return fmt::format("{}d{:02}h", hours / 24, hours % 24);
}

/// `width` digits at `at`, leading zeros kept.
void put_digits(char* at, std::uint32_t value, int width) {
  for (int i = width - 1; i >= 0; --i, value /= 10) at[i] = static_cast<char>('0' + value % 10);
}

std::optional<std::int64_t> join_seconds(std::int64_t seconds, std::int64_t ns) {
  constexpr auto kNsPerSecond = static_cast<std::int64_t>(kSecond);
  if (seconds < 0) {  // toward zero, or the first second of the range would overflow on its way
    seconds += 1;
    ns -= kNsPerSecond;
  }
  std::int64_t wall_ns = 0;
  if (__builtin_mul_overflow(seconds, kNsPerSecond, &wall_ns)) return std::nullopt;
  if (__builtin_add_overflow(wall_ns, ns, &wall_ns)) return std::nullopt;
  return wall_ns;
}

}  // namespace

Result<std::uint64_t> parse_duration_ns(std::string_view text) {
  if (const auto ns = duration_ns(text)) return *ns;
  std::string_view rest = text;
  const bool too_long = !take_digits(rest).empty() && duration_ns("1" + std::string(rest));
  if (too_long)
    return Error{Fault::Usage, fmt::format("\"{}\" is too long: expected {}h at most (584 years)",
                                           printable(text), UINT64_MAX / kHour)};
  return Error{Fault::Usage,
               fmt::format("\"{}\" is no duration: expected a number and ns, us, ms, s, m or h, "
                           "such as 10ms or 1.5s",
                           printable(text))};
}

Result<std::uint64_t> parse_size_bytes(std::string_view text) {
  std::string_view suffix = text;
  const auto number = whole_number<std::uint64_t>(take_digits(suffix));
  const auto unit = size_unit(suffix);
  const auto bytes = number && unit ? times(*number, *unit) : std::nullopt;
  if (bytes) return *bytes;
  return Error{
      Fault::Usage,
      fmt::format(
          "\"{}\" is no size: expected a number of bytes, or one with K, M or G, such as 8M",
          printable(text))};
}

std::string human_duration(std::uint64_t ns) {
  struct Unit {
    std::uint64_t ns;
    std::string_view suffix;
  };
  for (const auto [unit, suffix] : {Unit{1, "ns"}, Unit{1'000, "us"}, Unit{1'000'000, "ms"}}) {
    if (std::string text = three_digits(ns, unit, suffix); !text.empty()) return text;
  }
  // Up to 99.9s a tenth of a second still shows; past it minutes read better than "123s".
  if (rounded_quotient(ns, kSecond / 10) < 1000) return three_digits(ns, kSecond, "s");
  return two_units(ns);
}

std::string human_count(std::uint64_t count) {
  std::string text = fmt::format_int(count).str();
  for (std::size_t at = text.size(); at > 3; at -= 3) text.insert(at - 3, 1, ',');
  return text;
}

std::string human_rate(std::uint64_t count, std::uint64_t ns) {
  if (ns == 0) return "-";
  const double rate = static_cast<double>(count) * kSecond / static_cast<double>(ns);
  if (rate >= 99.5) return human_count(static_cast<std::uint64_t>(std::llround(rate))) + "/s";
  if (rate >= 9.95) return fmt::format("{:.0f}/s", rate);
  return rate >= 0.095 || count == 0 ? fmt::format("{:.1f}/s", rate)
                                     : fmt::format("{:.2g}/s", rate);
}

std::string rfc3339(std::int64_t wall_ns) {
  std::string text;
  append_rfc3339(text, wall_ns);
  return text;
}

namespace {

/// Lines come many a second: what stands before the fraction is put together once in each.
struct WholeSecond {
  std::uint64_t begin_ns = 0;  ///< modulo 2^64: the first second there is begins before -2^63
  bool before_1970 = false;    ///< tells the first from the last
  char text[21] = "1970-01-01T00:00:00.";
};

void put_second(WholeSecond& whole, std::int64_t wall_ns) {
  const std::chrono::sys_time<std::chrono::nanoseconds> instant{std::chrono::nanoseconds{wall_ns}};
  const auto second = std::chrono::floor<std::chrono::seconds>(instant);
  const auto midnight = std::chrono::floor<std::chrono::days>(second);
  const std::chrono::year_month_day date{midnight};
  const auto of_day = static_cast<std::uint32_t>((second - midnight).count());
  put_digits(&whole.text[0], static_cast<std::uint32_t>(static_cast<int>(date.year())), 4);
  put_digits(&whole.text[5], static_cast<unsigned>(date.month()), 2);
  put_digits(&whole.text[8], static_cast<unsigned>(date.day()), 2);
  put_digits(&whole.text[11], of_day / 3600, 2);
  put_digits(&whole.text[14], of_day / 60 % 60, 2);
  put_digits(&whole.text[17], of_day % 60, 2);
  whole.begin_ns = static_cast<std::uint64_t>(second.time_since_epoch().count()) * kSecond;
  whole.before_1970 = wall_ns < 0;
}

/// "00" to "99".
constexpr auto kPairs = [] {
  std::array<std::array<char, 2>, 100> pairs{};
  for (std::size_t i = 0; i < pairs.size(); ++i)
    pairs[i] = {static_cast<char>('0' + i / 10), static_cast<char>('0' + i % 10)};
  return pairs;
}();

/// Below a thousand million, with its zeros.
void put_nine(char* at, std::uint32_t value) {
  const std::uint32_t high = value / 100'000, low = value % 100'000;  // four digits and five
  std::memcpy(at, kPairs[high / 100].data(), 2);
  std::memcpy(at + 2, kPairs[high % 100].data(), 2);
  std::memcpy(at + 4, kPairs[low / 1000].data(), 2);
  std::memcpy(at + 6, kPairs[low / 10 % 100].data(), 2);
  at[8] = static_cast<char>('0' + low % 10);
}

}  // namespace

char* put_rfc3339(char* at, std::int64_t wall_ns) {
  thread_local WholeSecond whole;
  std::uint64_t ns = static_cast<std::uint64_t>(wall_ns) - whole.begin_ns;
  if (ns >= kSecond || whole.before_1970 != (wall_ns < 0)) {
    put_second(whole, wall_ns);
    ns = static_cast<std::uint64_t>(wall_ns) - whole.begin_ns;
  }
  std::memcpy(at, whole.text, 20);
  put_nine(at + 20, static_cast<std::uint32_t>(ns));
  at[kRfc3339Bytes - 1] = 'Z';
  return at + kRfc3339Bytes;
}

void append_rfc3339(std::string& out, std::int64_t wall_ns) {
  std::array<char, kRfc3339Bytes> text;
  put_rfc3339(text.data(), wall_ns);
  out.append(text.data(), text.size());
}

std::optional<std::int64_t> parse_rfc3339(std::string_view text) {
  constexpr std::string_view kLike = "0000-00-00T00:00:00";
  if (text.size() < kLike.size()) return std::nullopt;
  for (std::size_t i = 0; i < kLike.size(); ++i)
    if (kLike[i] == '0' ? !is_digit(text[i]) : text[i] != kLike[i]) return std::nullopt;
  const auto number = [text](std::size_t at, std::size_t width) {
    return *whole_number<unsigned>(text.substr(at, width));
  };
  const std::chrono::year_month_day date{std::chrono::year{static_cast<int>(number(0, 4))},
                                         std::chrono::month{number(5, 2)},
                                         std::chrono::day{number(8, 2)}};
  const unsigned hour = number(11, 2), minute = number(14, 2), second = number(17, 2);
  // A leap second has no place in Unix time.
  if (!date.ok() || hour > 23 || minute > 59 || second > 59) return std::nullopt;
  text.remove_prefix(kLike.size());
  std::string_view decimals;
  if (text.starts_with('.')) {
    text.remove_prefix(1);
    decimals = take_digits(text);
    if (decimals.empty() || decimals.size() > 9) return std::nullopt;
  }
  if (text != "Z") return std::nullopt;
  const std::int64_t days = std::chrono::sys_days{date}.time_since_epoch().count();
  return join_seconds(days * 86'400 + (hour * 60 + minute) * 60 + second,
                      static_cast<std::int64_t>(*fraction_of(decimals, kSecond)));
}

}  // namespace tcpdwell
