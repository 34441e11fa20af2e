// SPDX-License-Identifier: BSD-2-Clause
/// Keys that all met in one bucket while the hashes of the tables had no secret.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace tcpdwell::flood {

// The old hash of packed words, h = (h ^ word) * kPhi, h ^= h >> 32, can be undone.
inline constexpr std::uint64_t kPhi = 0x9e3779b97f4a7c15;
inline std::uint64_t inverse(std::uint64_t odd) {
  std::uint64_t found = odd;
  for (int i = 0; i < 6; ++i) found *= 2 - odd * found;
  return found;
}
inline std::uint64_t step(std::uint64_t hash, std::uint64_t word) {
  hash = (hash ^ word) * kPhi;
  return hash ^ hash >> 32;
}
/// The hash before a word, xored with that word.
inline std::uint64_t undone(std::uint64_t hash) { return (hash ^ hash >> 32) * inverse(kPhi); }

/// What words[free] must be for the hash of all of them to end in the same 32 bits whatever `n` is.
inline std::uint64_t free_word(const std::vector<std::uint64_t>& words, std::size_t free,
                               std::uint64_t n) {
  std::uint64_t hash = n << 32 | 0x1234, before = 0;
  for (std::size_t i = words.size() - 1; i > free; --i) hash = undone(hash) ^ words[i];
  for (std::size_t i = 0; i < free; ++i) before = step(before, words[i]);
  return undone(hash) ^ before;
}

}  // namespace tcpdwell::flood
