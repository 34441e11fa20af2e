// SPDX-License-Identifier: BSD-2-Clause
#include "capture/ring.h"

#include <fmt/format.h>
#include <linux/bpf.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

namespace tcpdwell {
namespace {

std::size_t page_bytes() { return static_cast<std::size_t>(sysconf(_SC_PAGESIZE)); }

const void* whole_record(const RingMemory& memory, std::vector<std::byte>& unwrapped,
                         unsigned long position, std::size_t size) {
  const std::size_t offset = position & (memory.bytes - 1);
  const std::size_t until_end = std::min(size, memory.bytes - offset);
  if (until_end == size) return memory.data + offset;
  unwrapped.assign(memory.data + offset, memory.data + offset + until_end);
  unwrapped.insert(unwrapped.end(), memory.data, memory.data + (size - until_end));
  return unwrapped.data();
}

void unmap(const RingMemory& memory) {
  if (memory.consumer == nullptr) return;
  munmap(memory.consumer, page_bytes());
  munmap(const_cast<unsigned long*>(memory.producer), page_bytes() + memory.bytes);
}

}  // namespace

bool read_ring(const RingMemory& memory, std::vector<std::byte>& unwrapped,
               const TakeRecord& take) {
  unsigned long position = *memory.consumer;
  while (position < __atomic_load_n(memory.producer, __ATOMIC_ACQUIRE)) {
    const std::byte* const header = memory.data + (position & (memory.bytes - 1));
    const std::uint32_t length =
        __atomic_load_n(reinterpret_cast<const std::uint32_t*>(header), __ATOMIC_ACQUIRE);
    if ((length & BPF_RINGBUF_BUSY_BIT) != 0) return true;
    const std::size_t size = length & ~static_cast<std::uint32_t>(BPF_RINGBUF_DISCARD_BIT);
    bool go_on = true;
    if (size == length)
      go_on = take(whole_record(memory, unwrapped, position + BPF_RINGBUF_HDR_SZ, size), size);
    position += (BPF_RINGBUF_HDR_SZ + size + 7) & ~std::size_t{7};
    __atomic_store_n(memory.consumer, position, __ATOMIC_RELEASE);
    if (!go_on) return false;
  }
  return true;
}

Result<Ring> Ring::map(int map_fd, std::size_t bytes) {
  const std::size_t page = page_bytes();
  void* const consumer = mmap(nullptr, page, PROT_READ | PROT_WRITE, MAP_SHARED, map_fd, 0);
  void* const rest =
      mmap(nullptr, page + bytes, PROT_READ, MAP_SHARED, map_fd, static_cast<off_t>(page));
  if (consumer == MAP_FAILED || rest == MAP_FAILED) {
    const int code = errno;
    if (consumer != MAP_FAILED) munmap(consumer, page);
    if (rest != MAP_FAILED) munmap(rest, page + bytes);
    return Error{Fault::Runtime, fmt::format("cannot map the ring buffer: {}", std::strerror(code)),
                 code};
  }
  return Ring(map_fd,
              {static_cast<unsigned long*>(consumer), static_cast<const unsigned long*>(rest),
               static_cast<const std::byte*>(rest) + page, bytes});
}

Ring::Ring(Ring&& other) noexcept
    : map_fd_(other.map_fd_),
      memory_(std::exchange(other.memory_, {})),
      unwrapped_(std::move(other.unwrapped_)) {}

Ring& Ring::operator=(Ring&& other) noexcept {
  std::swap(map_fd_, other.map_fd_);
  std::swap(memory_, other.memory_);
  std::swap(unwrapped_, other.unwrapped_);
  return *this;
}

Ring::~Ring() { unmap(memory_); }

}  // namespace tcpdwell
