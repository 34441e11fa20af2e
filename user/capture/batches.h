// SPDX-License-Identifier: BSD-2-Clause
/// The entries of a hash map of the kernel side, some at a time.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <vector>

#include "util/result.h"

struct bpf_map;

namespace tcpdwell {

/// An entry that is there all the while comes once; one that comes or goes meanwhile may not.
class Batches {
 public:
  explicit Batches(const bpf_map* map);
  /// How many there are in the next batch; 0 after the last. Fault::Runtime where the kernel does
  /// not let the map be read.
  Result<std::size_t> next();
  template <class Key>
  Key key(std::size_t i) const {
    return copy<Key>(keys_, key_bytes_, i);
  }
  template <class Value>
  Value value(std::size_t i) const {
    return copy<Value>(values_, value_bytes_, i);
  }

 private:
  template <class T>
  static T copy(const std::vector<char>& from, std::size_t bytes, std::size_t i) {
    T value;
    std::memcpy(&value, from.data() + i * bytes, sizeof value);
    return value;
  }

  int fd_;
  std::size_t key_bytes_, value_bytes_;
  std::vector<char> keys_, values_;
  std::uint32_t place_ = 0;
  bool begun_ = false, over_ = false;
};

}  // namespace tcpdwell
