// SPDX-License-Identifier: BSD-2-Clause
/// The reader's side of a BPF ring buffer (BPF_MAP_TYPE_RINGBUF; layout and protocol:
/// kernel/bpf/ringbuf.c, 457f44363a88). libbpf's reader maps the data twice in a row, so that no
/// record ever wraps, and each page counts twice in the memory of the process; this maps it once,
/// and copies the records that wrap: one in tens of thousands.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <vector>

#include "util/result.h"

namespace tcpdwell {

/// What the kernel and the reader share. Positions only grow; they are taken modulo `bytes`.
/// Any CPU writes records and `producer`, the one reader `consumer` alone. A length is published
/// with release when its record is complete, and with it the record; `consumer` with release when
/// the reader is done with it, for then the kernel may write there.
struct RingMemory {
  unsigned long* consumer = nullptr;  ///< all before it is read: the kernel writes there again
  const unsigned long* producer = nullptr;  ///< all before it is reserved, if not yet committed
  const std::byte* data = nullptr;
  std::size_t bytes = 0;  ///< a power of two
};

/// A record, valid during the call; false stops after it.
using TakeRecord = std::function<bool(const void* record, std::size_t size)>;

/// Takes records until none that is committed is left (true) or one stopped it (false). `unwrapped`
/// is room used again and again.
bool read_ring(const RingMemory& memory, std::vector<std::byte>& unwrapped, const TakeRecord& take);

/// A ring mapped into this process, and unmapped with it.
class Ring {
 public:
  /// `map_fd` is the map's, which outlives this; it can be polled.
  static Result<Ring> map(int map_fd, std::size_t bytes);
  Ring(Ring&& other) noexcept;
  Ring& operator=(Ring&& other) noexcept;
  ~Ring();

  int poll_fd() const { return map_fd_; }
  bool read(const TakeRecord& take) { return read_ring(memory_, unwrapped_, take); }

 private:
  Ring(int map_fd, const RingMemory& memory) : map_fd_(map_fd), memory_(memory) {}
  int map_fd_;
  RingMemory memory_;
  std::vector<std::byte> unwrapped_;
};

}  // namespace tcpdwell
