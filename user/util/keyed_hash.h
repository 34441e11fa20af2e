// SPDX-License-Identifier: BSD-2-Clause
/// The hash of every table whose keys come from outside: addresses, names, ids of a trace.
///
/// Who can compute a hash can choose keys that all meet in one bucket. Each look then walks past
/// all of them, and tsl::robin_map, which doubles where a walk is longer than 8,192, doubles until
/// memory is gone. This one is SipHash-1-3 under a secret of the process: nobody outside can choose
/// such keys, and with any others walks stay short (load factors are 0.85 at most), so that a
/// table grows by the number of its keys alone.
///
/// The order of such a table differs from run to run: no output may have it.
#pragma once

#include <highwayhash/sip_hash.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <type_traits>

namespace tcpdwell {

struct HashSecret {
  highwayhash::SipHash13State::Key words;
};

/// Drawn before main(): a confined process has no system call for it.
extern const HashSecret hash_secret;

/// All keys of one table are of as many words: how many they are is no part of the hash.
inline std::size_t keyed_hash(const std::uint64_t* words, std::size_t count) {
  highwayhash::SipHash13State state(hash_secret.words);
  for (std::size_t i = 0; i < count; ++i) state.Update(reinterpret_cast<const char*>(words + i));
  return state.Finalize();
}

/// For maps: of a key that is some whole words, without padding.
struct KeyedHash {
  template <class Key>
  std::size_t operator()(const Key& key) const {
    static_assert(std::has_unique_object_representations_v<Key> &&
                  sizeof key % sizeof(std::uint64_t) == 0);
    // NOLINTNEXTLINE(bugprone-sizeof-expression): a key may be one word
    std::array<std::uint64_t, sizeof key / sizeof(std::uint64_t)> words;
    std::memcpy(words.data(), &key, sizeof key);
    return keyed_hash(words.data(), words.size());
  }
};

}  // namespace tcpdwell
