// SPDX-License-Identifier: BSD-2-Clause
/// Log-linear histogram of nanosecond durations (the idea of HDR histograms): 64 buckets in every
/// power of two, so a value read back is within 1/128 (< 0.8 %) of the truth; values below 64 are
/// exact. Memory is bounded: 58 octaves of 64 counters, each octave allocated when first used.
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "util/moments.h"

namespace tcpdwell {

class Histogram {
 public:
  Histogram() = default;
  Histogram(const Histogram&);
  Histogram& operator=(const Histogram&);
  Histogram(Histogram&&) = default;
  Histogram& operator=(Histogram&&) = default;

  void add(std::uint64_t ns, std::uint64_t times = 1);
  /// Exact: histograms of parts add up to the histogram of the whole.
  void merge(const Histogram& other);
  /// Of counters kept elsewhere in the same buckets: entry 64 * n + i is the i-th of octave n. An
  /// extreme that is not in the outermost bucket filled is taken to be that bucket's edge.
  static Histogram of_counts(std::span<const std::uint32_t> counts, std::uint64_t total_ns,
                             std::uint64_t min_ns, std::uint64_t max_ns);

  std::uint64_t count() const { return count_; }
  std::optional<std::uint64_t> min() const;  ///< exact; nullopt when empty, as all below
  std::optional<std::uint64_t> max() const;  ///< exact
  /// Exact sum, saturating at 2^64-1 (584 years).
  std::optional<std::uint64_t> total() const;
  /// The value below or at which `percent` (0..100) of the values lie: nearest rank, the bucket's
  /// middle, never outside [min, max]; the first and last rank are min and max themselves.
  std::optional<std::uint64_t> percentile(double percent) const;
  /// Values of a bucket: those from `low` on, `width` of them, counted together.
  struct Bucket {
    std::uint64_t low = 0, width = 1, count = 0;
  };
  /// Those that hold anything, the lowest first.
  std::vector<Bucket> buckets() const;

 private:
  static constexpr unsigned kSubBits = 6;
  static constexpr unsigned kSub = 1U << kSubBits;
  static constexpr unsigned kOctaves = 64 - kSubBits + 1;
  using Octave = std::array<std::uint64_t, kSub>;
  std::array<std::unique_ptr<Octave>, kOctaves> octaves_;
  std::uint64_t count_ = 0, total_ = 0, min_ = UINT64_MAX, max_ = 0;
};

inline void Histogram::add(std::uint64_t ns, std::uint64_t times) {
  if (times == 0) return;
  // Octave 0 holds 0..63 one by one; octave n holds [32 * 2^n, 64 * 2^n) in steps of 2^(n-1).
  const unsigned octave = ns < kSub ? 0 : static_cast<unsigned>(std::bit_width(ns)) - kSubBits;
  const std::uint64_t sub = octave == 0 ? ns : (ns >> (octave - 1)) & (kSub - 1);
  if (!octaves_[octave]) [[unlikely]]
    octaves_[octave] = std::make_unique<Octave>();
  (*octaves_[octave])[sub] += times;
  count_ += times;
  total_ = saturating_add(total_, saturating_multiply(ns, times));
  min_ = std::min(min_, ns);
  max_ = std::max(max_, ns);
}

}  // namespace tcpdwell
