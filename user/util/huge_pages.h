// SPDX-License-Identifier: BSD-2-Clause
/// Memory for large tables that are read here and there: on huge pages where the kernel gives them,
/// so that a hundred thousand entries cost neither a fault for every few of them nor a TLB miss a
/// look. What is below the size of a huge page begins with a cache line.
#pragma once

#include <cstddef>

namespace tcpdwell {

inline constexpr std::size_t kHugePage = 2U << 20;

/// Throws std::bad_alloc.
void* allocate_huge(std::size_t bytes);
void free_huge(void* memory);

/// An allocator for containers.
template <class T>
struct HugePages {
  using value_type = T;
  HugePages() = default;
  template <class Other>
  HugePages(const HugePages<Other>&) {}  // NOLINT(google-explicit-constructor): as allocators are
  T* allocate(std::size_t count) { return static_cast<T*>(allocate_huge(count * sizeof(T))); }
  void deallocate(T* memory, std::size_t) { free_huge(memory); }
  friend bool operator==(HugePages, HugePages) { return true; }
};

}  // namespace tcpdwell
