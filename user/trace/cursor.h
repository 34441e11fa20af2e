// SPDX-License-Identifier: BSD-2-Clause
/// A place in a line of text, read without a parser: for QuickReader, which knows what comes next.
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>
#include <optional>
#include <string_view>

#include "model/fields.h"
#include "trace/quick.h"

namespace tcpdwell {

inline bool is_digit(char c) { return static_cast<unsigned char>(c - '0') <= 9; }

/// In pieces that a compiler compares without a call; the last two may overlap.
template <std::size_t kSize>
[[gnu::always_inline]] inline bool same(const char* a, const char* b) {
  constexpr std::size_t kPiece = std::min<std::size_t>(std::bit_floor(kSize), 8);
  if (std::memcmp(a, b, kPiece) != 0) return false;
  if constexpr (kSize == kPiece) {
    return true;
  } else {
    constexpr std::size_t kStep = std::min(kPiece, kSize - kPiece);
    return same<kSize - kStep>(a + kStep, b + kStep);
  }
}

/// What the next eight bytes begin with, read at once: its value and how many digits it has.
struct Digits {
  static_assert(std::endian::native == std::endian::little);
  explicit Digits(const char* at) {
    std::uint64_t bytes = 0;
    std::memcpy(&bytes, at, sizeof bytes);
    bytes ^= 0x3030303030303030U;  // digits are 0 to 9 now
    const std::uint64_t others = ((bytes + 0x7676767676767676U) | bytes) & 0x8080808080808080U;
    count = static_cast<unsigned>(std::countr_zero(others)) / 8;
    if (count == 0) return;
    bytes <<= 64 - 8 * count;  // as if zeros were before them
    bytes = bytes * 10 + (bytes >> 8);
    constexpr std::uint64_t kPairs = 0x000000ff000000ffU;
    value = ((bytes & kPairs) * (100 + (std::uint64_t{1'000'000} << 32)) +
             (bytes >> 16 & kPairs) * (1 + (std::uint64_t{10'000} << 32))) >>
            32;
  }
  unsigned count = 0;
  std::uint64_t value = 0;
};
inline constexpr std::uint64_t kPowers[] = {1,       10,        100,        1'000,      10'000,
                                            100'000, 1'000'000, 10'000'000, 100'000'000};

/// What a lower-case hexadecimal digit is worth, -1 for every other byte.
inline constexpr auto kHex = [] {
  std::array<std::int8_t, 256> worth{};
  worth.fill(-1);
  for (int i = 0; i < 16; ++i)
    worth[static_cast<unsigned char>("0123456789abcdef"[i])] = static_cast<std::int8_t>(i);
  return worth;
}();

/// Two digits below `most`; -1 else.
inline int two_digits(const char* at, int most) {
  if (!is_digit(at[0]) || !is_digit(at[1])) return -1;
  const int value = (at[0] - '0') * 10 + (at[1] - '0');
  return value < most ? value : -1;
}

/// A place in a line. Every step checks what is there and moves on, or says no.
class Cursor {
 public:
  Cursor(std::string_view line, Known& known)
      : at_(line.data()), end_(at_ + line.size()), known_(known) {}

  template <std::size_t N>
  [[gnu::always_inline]] bool literal(const char (&text)[N]) {
    return take<N - 1>(text);
  }
  /// The name of a field, and the quote behind it.
  template <std::size_t N>
  [[gnu::always_inline]] bool name(const JsonKey<N>& key) {
    return take<N + 4>(key.text().data());
  }
  template <std::size_t N>
  [[gnu::always_inline]] bool name_and_quote(const JsonKey<N>& key) {
    return take<N + 5>(key.quoted().data());
  }
  template <std::size_t N>
  bool is_next(const JsonKey<N>& key) const {
    return is_next<N + 4>(key.text().data());
  }

  /// The next byte, 0 at the end.
  char peek() const { return at_ < end_ ? *at_ : '\0'; }

  /// Digits without a leading zero, at most 19 of them, so that they fit.
  bool number(std::uint64_t& value,
              std::uint64_t most = std::numeric_limits<std::uint64_t>::max()) {
    const char* const begin = at_;
    std::uint64_t sum = 0;
    unsigned count = 8;
    while (count == 8 && left() >= 8) {
      const Digits next(at_);
      count = next.count;
      sum = sum * kPowers[count] + next.value;
      at_ += count;
    }
    while (at_ < end_ && is_digit(*at_)) sum = sum * 10 + static_cast<std::uint64_t>(*at_++ - '0');
    const auto digits = at_ - begin;
    if (digits == 0 || digits > 19 || (digits > 1 && *begin == '0') || sum > most) return false;
    value = sum;
    return true;
  }

  /// Often of one digit.
  template <class Small>
  [[gnu::always_inline]] bool small(Small& value) {
    if (left() >= 2 && is_digit(at_[0]) && !is_digit(at_[1])) {
      value = static_cast<Small>(*at_++ - '0');
      return true;
    }
    return large(value);
  }
  template <class Small>
  bool large(Small& value) {
    std::uint64_t wide = 0;
    if (!number(wide, std::numeric_limits<Small>::max())) return false;
    value = static_cast<Small>(wide);
    return true;
  }

  /// A part of an IPv4 address, as inet_pton() takes it. More of the line has to follow.
  bool octet(std::uint8_t& value) {
    if (left() < 4) return false;
    const auto digit = [this](unsigned i) { return static_cast<unsigned char>(at_[i] - '0'); };
    unsigned sum = digit(0), size = 1;
    if (sum > 9) return false;
    for (; size < 3 && digit(size) <= 9; ++size) sum = sum * 10 + digit(size);
    if (sum > 255 || (size > 1 && *at_ == '0')) return false;
    at_ += size;
    value = static_cast<std::uint8_t>(sum);
    return true;
  }

  /// At most 16 digits.
  bool hexadecimal(std::uint64_t& value) {
    const char* const begin = at_;
    value = 0;
    for (; at_ < end_ && kHex[static_cast<unsigned char>(*at_)] >= 0; ++at_)
      value = value << 4 | static_cast<std::uint64_t>(kHex[static_cast<unsigned char>(*at_)]);
    return at_ != begin && at_ - begin <= 16;
  }

  /// Up to the next quote; printable ASCII without a backslash.
  bool text(std::string_view& value) {
    const char* const begin = at_;
    while (at_ < end_ && *at_ != '"') {
      const auto byte = static_cast<unsigned char>(*at_);
      if (byte < 0x20 || byte >= 0x7f || byte == '\\') return false;
      ++at_;
    }
    if (at_ == end_) return false;
    value = {begin, static_cast<std::size_t>(at_ - begin)};
    return true;
  }

  /// A text that `parse` understands.
  template <class T>
  bool word(T& value, std::optional<T> (*parse)(std::string_view)) {
    std::string_view name;
    if (!text(name)) return false;
    const std::optional<T> parsed = parse(name);
    if (!parsed) return false;
    value = *parsed;
    return true;
  }

  /// `name` if it is next; then that is what it means.
  template <std::size_t N, class T>
  bool named(const char (&name)[N], T meaning, T& value) {
    if (!literal(name)) return false;
    value = meaning;
    return true;
  }

  /// A time stamp with all its digits.
  bool time(std::int64_t& wall_ns) {
    constexpr std::size_t kStamp = sizeof("2026-01-02T03:04:05.000000006Z") - 1;
    const char* const at = at_;
    if (left() < kStamp || !known_.midnight.of(at)) return false;
    const int hour = two_digits(at + 11, 24), minute = two_digits(at + 14, 60),
              second = two_digits(at + 17, 60);
    if ((hour | minute | second) < 0 || at[13] != ':' || at[16] != ':' || at[19] != '.' ||
        at[29] != 'Z')
      return false;
    const Digits tens(at + 20);
    if (tens.count != 8 || !is_digit(at[28])) return false;
    const std::int64_t ns = static_cast<std::int64_t>(tens.value) * 10 + (at[28] - '0');
    const std::int64_t of_day =
        ((hour * 60 + minute) * 60 + second) * std::int64_t{1'000'000'000} + ns;
    at_ += kStamp;
    return !__builtin_add_overflow(known_.midnight.ns, of_day, &wall_ns);
  }

  const char* at() const { return at_; }

  /// A path that an earlier line had, up to its quote.
  bool known_path(Path& path) {
    if (left() < KnownPaths::kLeast) return false;
    const KnownPaths::Entry& entry = known_.paths.entry(at_);
    if (entry.size == 0 || left() < entry.size ||
        std::memcmp(at_, entry.text.data(), entry.size) != 0)
      return false;
    at_ += entry.size - 1;
    path = entry.path;
    return true;
  }
  /// From `begin` to here.
  void learn_path(const char* begin, Path path) {
    const auto size = static_cast<std::size_t>(at_ - begin) + 1;
    if (left() < KnownPaths::kLeast || *at_ != '"' || size > KnownPaths::kMost) return;
    KnownPaths::Entry& entry = known_.paths.entry(begin);
    std::memcpy(entry.text.data(), begin, size);
    entry.size = size;
    entry.path = path;
  }

  bool done() const { return at_ == end_; }

 private:
  std::size_t left() const { return static_cast<std::size_t>(end_ - at_); }
  template <std::size_t kSize>
  [[gnu::always_inline]] bool is_next(const char* text) const {
    return left() >= kSize && same<kSize>(at_, text);
  }
  template <std::size_t kSize>
  [[gnu::always_inline]] bool take(const char* text) {
    if (!is_next<kSize>(text)) return false;
    at_ += kSize;
    return true;
  }

  const char* at_;
  const char* end_;
  Known& known_;
};

}  // namespace tcpdwell
