// SPDX-License-Identifier: BSD-2-Clause
/// How views name what an event holds.
#pragma once

#include <string>

#include "model/event.h"

namespace tcpdwell {

std::string age_text(const Dwell& age);  ///< "1.20s", ">=1.20s", "?"
/// "10.0.0.1:80", "[::1]:80"; "*" for a port that is not known or does not matter.
std::string address_and_port(Family family, const Endpoint& endpoint);
std::string owner_text(const Owner& owner);  ///< "4711/nginx", "?"; safe to print

}  // namespace tcpdwell
