// SPDX-License-Identifier: BSD-2-Clause
/// Addresses as text.
#pragma once

#include <string>

#include "model/event.h"

namespace tcpdwell {

/// Appends what inet_ntop() prints, several times as fast: glibc's goes through sprintf(), and two
/// addresses a line would be most of a line's time.
void append_address(std::string& out, Family family, const Endpoint& endpoint);

}  // namespace tcpdwell
