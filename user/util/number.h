// SPDX-License-Identifier: BSD-2-Clause
/// Numbers that others wrote.
#pragma once

#include <charconv>
#include <concepts>
#include <optional>
#include <string_view>
#include <system_error>

namespace tcpdwell {

/// All of `text`, digits alone; absent where it is something else, or does not fit.
template <std::unsigned_integral Number>
std::optional<Number> whole_number(std::string_view text, int base = 10) {
  Number value = 0;
  const char* const end = text.data() + text.size();
  const auto [stop, failure] = std::from_chars(text.data(), end, value, base);
  return failure == std::errc() && stop == end ? std::optional(value) : std::nullopt;
}

}  // namespace tcpdwell
