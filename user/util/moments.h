// SPDX-License-Identifier: BSD-2-Clause
/// Arithmetic with moments (nanoseconds since 1970, signed) and durations that others wrote down:
/// where the range of the type ends, the result stays at its end instead of starting over at the
/// other.
#pragma once

#include <cstdint>

namespace tcpdwell {

constexpr std::uint64_t saturating_add(std::uint64_t a, std::uint64_t b) {
  std::uint64_t sum = 0;
  return __builtin_add_overflow(a, b, &sum) ? UINT64_MAX : sum;
}

constexpr std::uint64_t saturating_multiply(std::uint64_t a, std::uint64_t b) {
  std::uint64_t product = 0;
  return __builtin_mul_overflow(a, b, &product) ? UINT64_MAX : product;
}

/// From `begin` to `end`; 0 where that is no later. The whole range fits, 584 years.
constexpr std::uint64_t since(std::int64_t begin, std::int64_t end) {
  return end <= begin ? 0 : static_cast<std::uint64_t>(end) - static_cast<std::uint64_t>(begin);
}

constexpr std::int64_t later(std::int64_t moment, std::uint64_t ns) {
  std::int64_t then = 0;
  return __builtin_add_overflow(moment, ns, &then) ? INT64_MAX : then;
}

constexpr std::int64_t earlier(std::int64_t moment, std::uint64_t ns) {
  std::int64_t then = 0;
  return __builtin_sub_overflow(moment, ns, &then) ? INT64_MIN : then;
}

}  // namespace tcpdwell
