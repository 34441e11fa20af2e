// SPDX-License-Identifier: BSD-2-Clause
/// Where the connections that are followed lie.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "aggregate/followed.h"
#include "util/huge_pages.h"

namespace tcpdwell {

/// Numbered, used again when they are given back; none of them moves. Which number is next follows
/// from what was taken and given back before, so that their order may be that of an output.
class FollowedSlots {
 public:
  using Index = std::uint32_t;

  /// One as if new.
  Index take() {
    if (!free_.empty()) {
      const Index index = free_.back();
      free_.pop_back();
      (*this)[index] = Followed{};
      in_use_[index] = true;
      return index;
    }
    if (in_use_.size() % kChunk == 0) chunks_.emplace_back().reserve(kChunk);
    chunks_.back().emplace_back();
    in_use_.push_back(true);
    return static_cast<Index>(in_use_.size() - 1);
  }
  void give_back(Index index) {
    in_use_[index] = false;
    free_.push_back(index);
  }
  std::size_t taken() const { return in_use_.size() - free_.size(); }
  template <class Visit>
  void each(Visit visit) const {
    for (std::size_t i = 0; i < in_use_.size(); ++i)
      if (in_use_[i]) visit((*this)[static_cast<Index>(i)]);
  }
  Followed& operator[](Index index) { return chunks_[index / kChunk][index % kChunk]; }
  const Followed& operator[](Index index) const { return chunks_[index / kChunk][index % kChunk]; }

 private:
  static constexpr std::size_t kChunk = kHugePage / sizeof(Followed);
  static_assert(sizeof(Followed) == 256, "four cache lines");
  std::vector<std::vector<Followed, HugePages<Followed>>> chunks_;
  std::vector<Index> free_;
  std::vector<bool> in_use_;
};

}  // namespace tcpdwell
