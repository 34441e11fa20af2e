// SPDX-License-Identifier: BSD-2-Clause
/// Where the connections that are followed lie.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "aggregate/followed.h"
#include "util/huge_pages.h"

namespace tcpdwell {

/// Numbered, used again when they are given back; none of them moves.
class FollowedSlots {
 public:
  using Index = std::uint32_t;

  /// One as if new.
  Index take() {
    if (!free_.empty()) {
      const Index index = free_.back();
      free_.pop_back();
      (*this)[index] = Followed{};
      return index;
    }
    if (size_ % kChunk == 0) chunks_.emplace_back().reserve(kChunk);
    chunks_.back().emplace_back();
    return static_cast<Index>(size_++);
  }
  void give_back(Index index) { free_.push_back(index); }
  std::size_t taken() const { return size_ - free_.size(); }
  Followed& operator[](Index index) { return chunks_[index / kChunk][index % kChunk]; }
  const Followed& operator[](Index index) const { return chunks_[index / kChunk][index % kChunk]; }

 private:
  static constexpr std::size_t kChunk = kHugePage / sizeof(Followed);
  static_assert(sizeof(Followed) == 256, "four cache lines");
  std::vector<std::vector<Followed, HugePages<Followed>>> chunks_;
  std::vector<Index> free_;
  std::size_t size_ = 0;
};

}  // namespace tcpdwell
