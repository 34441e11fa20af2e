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
    const std::uint64_t words[] = {id.cookie, id.use};
    return keyed_hash(words, 2);
  }
};

}  // namespace tcpdwell
