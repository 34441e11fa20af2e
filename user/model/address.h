// SPDX-License-Identifier: BSD-2-Clause
/// Addresses as text.
#pragma once

#include <cstddef>
#include <string>

#include "model/event.h"

namespace tcpdwell {

/// Appends what inet_ntop() prints, several times as fast: glibc's goes through sprintf(), and two
/// addresses a line would be most of a line's time.
void append_address(std::string& out, Family family, const Endpoint& endpoint);
/// An address of IPv6 that ends in one of IPv4 is the longest, and each part may put a byte more.
inline constexpr std::size_t kMostAddressBytes = 48;
/// The same at `at`, with room for kMostAddressBytes; where it ends.
char* put_address(char* at, Family family, const Endpoint& endpoint);

}  // namespace tcpdwell
