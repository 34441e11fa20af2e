// SPDX-License-Identifier: BSD-2-Clause
/// What every page that tcpdwell makes begins with.
#pragma once

#include <string>
#include <string_view>

namespace tcpdwell {

/// Up to the body's begin. `allowed`: what the content security policy says beyond styles and the
/// icon, for a page that is a file; a page that is served has its policy in a header, and a `nonce`
/// for its style.
std::string page_begin(std::string_view title, std::string_view allowed,
                       std::string_view nonce = {});

}  // namespace tcpdwell
