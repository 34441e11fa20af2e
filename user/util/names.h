// SPDX-License-Identifier: BSD-2-Clause
/// Tables by the number of an enumerator: its name, its colour, what it means.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <optional>
#include <string_view>

namespace tcpdwell {

/// The first for a number that has no entry.
template <class Enum, class T, std::size_t N>
constexpr const T& entry_of(const std::array<T, N>& table, Enum value) {
  const auto number = static_cast<std::size_t>(value);
  return table[number < N ? number : 0];
}

template <std::size_t N>
using Names = std::array<std::string_view, N>;

template <class Enum, std::size_t N>
std::optional<Enum> find_in(const Names<N>& names, std::string_view text) {
  const auto found = std::find(names.begin(), names.end(), text);
  if (found == names.end()) return std::nullopt;
  return static_cast<Enum>(found - names.begin());
}

}  // namespace tcpdwell
