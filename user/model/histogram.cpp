// SPDX-License-Identifier: BSD-2-Clause
#include "model/histogram.h"

#include <algorithm>
#include <bit>
#include <cmath>

#include "util/moments.h"

namespace tcpdwell {
namespace {

/// Nearest rank, 1..count.
std::uint64_t rank_of(double percent, std::uint64_t count) {
  const double rank = std::ceil(percent * static_cast<double>(count) / 100.0);
  if (!(rank > 1.0)) return 1;  // also for NaN
  if (rank >= static_cast<double>(count)) return count;
  return static_cast<std::uint64_t>(rank);
}

}  // namespace

Histogram::Histogram(const Histogram& other) { merge(other); }

Histogram& Histogram::operator=(const Histogram& other) {
  if (this != &other) *this = Histogram(other);
  return *this;
}

void Histogram::merge(const Histogram& other) {
  for (unsigned i = 0; i < kOctaves; ++i) {
    if (!other.octaves_[i]) continue;
    if (!octaves_[i]) octaves_[i] = std::make_unique<Octave>();
    for (unsigned sub = 0; sub < kSub; ++sub) (*octaves_[i])[sub] += (*other.octaves_[i])[sub];
  }
  count_ += other.count_;
  total_ = saturating_add(total_, other.total_);
  min_ = std::min(min_, other.min_);
  max_ = std::max(max_, other.max_);
}

Histogram Histogram::of_counts(std::span<const std::uint32_t> counts, std::uint64_t total_ns,
                               std::uint64_t min_ns, std::uint64_t max_ns) {
  Histogram histogram;
  for (std::size_t i = 0; i < std::min<std::size_t>(counts.size(), kOctaves * kSub); ++i) {
    if (counts[i] == 0) continue;
    auto& octave = histogram.octaves_[i / kSub];
    if (!octave) octave = std::make_unique<Octave>();
    (*octave)[i % kSub] += counts[i];
    histogram.count_ += counts[i];
  }
  if (histogram.count_ == 0) return histogram;
  const std::vector<Bucket> filled = histogram.buckets();
  const auto inside = [](std::uint64_t ns, const Bucket& bucket) {
    return std::clamp(ns, bucket.low, bucket.low + (bucket.width - 1));
  };
  histogram.total_ = total_ns;
  histogram.min_ = inside(min_ns, filled.front());
  histogram.max_ = inside(max_ns, filled.back());
  return histogram;
}

std::optional<std::uint64_t> Histogram::min() const {
  return count_ == 0 ? std::nullopt : std::optional(min_);
}

std::optional<std::uint64_t> Histogram::max() const {
  return count_ == 0 ? std::nullopt : std::optional(max_);
}

std::optional<std::uint64_t> Histogram::total() const {
  return count_ == 0 ? std::nullopt : std::optional(total_);
}

std::vector<Histogram::Bucket> Histogram::buckets() const {
  std::vector<Bucket> filled;
  for (unsigned octave = 0; octave < kOctaves; ++octave) {
    if (!octaves_[octave]) continue;
    const std::uint64_t width = octave == 0 ? 1 : std::uint64_t{1} << (octave - 1);
    for (std::uint64_t sub = 0; sub < kSub; ++sub) {
      const std::uint64_t low = (octave == 0 ? sub : kSub + sub) * width;
      if (const std::uint64_t count = (*octaves_[octave])[sub]; count > 0)
        filled.push_back({low, width, count});
    }
  }
  return filled;
}

std::optional<std::uint64_t> Histogram::percentile(double percent) const {
  if (count_ == 0) return std::nullopt;
  std::uint64_t rank = rank_of(percent, count_);
  if (rank == 1) return min_;
  if (rank == count_) return max_;
  for (unsigned octave = 0; octave < kOctaves; ++octave) {
    if (!octaves_[octave]) continue;
    for (std::uint64_t sub = 0; sub < kSub; ++sub) {
      const std::uint64_t here = (*octaves_[octave])[sub];
      if (rank > here) {
        rank -= here;
        continue;
      }
      if (octave == 0) return sub;
      const std::uint64_t width = std::uint64_t{1} << (octave - 1);
      return std::clamp((kSub + sub) * width + width / 2, min_, max_);
    }
  }
  return max_;
}

}  // namespace tcpdwell
