// SPDX-License-Identifier: BSD-2-Clause
#pragma once

#include <cstddef>
#include <cstdint>

#include "model/event.h"
#include "util/keyed_hash.h"

namespace tcpdwell {

/// For maps by connection.
struct ConnIdHash {
  std::size_t operator()(const ConnId& id) const {
    // Cookies are consecutive numbers, and of neighbours one is often looked for soon after the
    // other: four of them lie together, where a line or two of cache has them all. Where such four
    // lie nobody can foretell, so that nobody can make more than that meet.
    const std::uint64_t words[] = {id.cookie / 4, id.use};
    return keyed_hash(words, 2) ^ id.cookie % 4;
  }
};

}  // namespace tcpdwell
