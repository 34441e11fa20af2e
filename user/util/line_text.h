// SPDX-License-Identifier: BSD-2-Clause
/// A line that is put together on the stack: what is appended costs a copy, and no call.
#pragma once

#include <charconv>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

namespace tcpdwell {

class LineText {
 public:
  LineText() = default;
  LineText(const LineText&) = delete;
  LineText& operator=(const LineText&) = delete;

  [[gnu::always_inline]] void append(std::string_view text) {
    if (text.size() > kRoom) return append_large(text);
    char* const to = room(text.size());
    std::memcpy(to, text.data(), text.size());
    at_ = to + text.size();
  }
  LineText& operator+=(char c) {
    *room(1) = c;
    ++at_;
    return *this;
  }
  /// For what is short and of no size that a compiler knows.
  [[gnu::always_inline]] void append_word(std::string_view text) {
    const std::size_t size = text.size();
    if (size > 16) return append(text);
    char* const to = room(16);
    if (size >= 8) {
      copy_ends<8>(to, text);
    } else if (size >= 4) {
      copy_ends<4>(to, text);
    } else {
      for (std::size_t i = 0; i < size; ++i) to[i] = text[i];
    }
    at_ = to + size;
  }
  [[gnu::always_inline]] void append_number(std::integral auto number) {
    char* const to = room(kMostDigits);
    if (number >= 0 && number < 10) {
      *to = static_cast<char>('0' + number);
      at_ = to + 1;
    } else {
      at_ = std::to_chars(to, to + kMostDigits, number).ptr;
    }
  }

  /// Where `size` bytes, kRoom at most, can be put; wrote() then says where they end.
  [[gnu::always_inline]] char* room(std::size_t size) {
    if (static_cast<std::size_t>(bytes_ + kRoom - at_) < size) [[unlikely]]
      spill();
    return at_;
  }
  void wrote(char* end) { at_ = end; }

  void append_to(std::string& out) const {
    out += spilled_;
    out.append(bytes_, static_cast<std::size_t>(at_ - bytes_));
  }

 private:
  /// Larger than any line of a socket; a header's filters may be longer.
  static constexpr std::size_t kRoom = 2048;
  static constexpr std::size_t kMostDigits = 20;

  template <std::size_t kSize>
  [[gnu::always_inline]] static void copy_ends(char* to, std::string_view text) {
    std::memcpy(to, text.data(), kSize);
    std::memcpy(to + text.size() - kSize, text.data() + text.size() - kSize, kSize);
  }
  [[gnu::noinline]] void spill() {
    spilled_.append(bytes_, static_cast<std::size_t>(at_ - bytes_));
    at_ = bytes_;
  }
  [[gnu::noinline]] void append_large(std::string_view text) {
    spill();
    spilled_ += text;
  }

  char bytes_[kRoom];  // NOLINT: of no value until something is appended
  char* at_ = bytes_;
  std::string spilled_;  ///< what stands before
};

}  // namespace tcpdwell
