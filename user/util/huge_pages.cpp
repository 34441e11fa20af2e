// SPDX-License-Identifier: BSD-2-Clause
#include "util/huge_pages.h"

#include <sys/mman.h>

#include <cstdlib>
#include <new>

namespace tcpdwell {

void* allocate_huge(std::size_t bytes) {
  constexpr std::size_t kCacheLine = 64;
  const std::size_t unit = bytes >= kHugePage ? kHugePage : kCacheLine;
  void* const memory = std::aligned_alloc(unit, (bytes + unit - 1) / unit * unit);
  if (memory == nullptr) throw std::bad_alloc();
  // Advice: where it is not taken, the pages are small ones.
  if (unit == kHugePage) static_cast<void>(::madvise(memory, bytes, MADV_HUGEPAGE));
  return memory;
}

void free_huge(void* memory) { std::free(memory); }

}  // namespace tcpdwell
