// SPDX-License-Identifier: BSD-2-Clause
/// Addresses as text, for the line that is written per event.
#pragma once

#include <string>

#include "model/event.h"

namespace tcpdwell {

/// Appends what address_text() says, several times as fast: glibc's inet_ntop() goes through
/// sprintf(), and two addresses a line would be most of a line's time.
void append_address(std::string& out, Family family, const Endpoint& endpoint);

}  // namespace tcpdwell
