// SPDX-License-Identifier: BSD-2-Clause
/// Just enough JSON to find some strings in files of other programs: nothing is allocated for what
/// is passed by, and what is no JSON yields less, never an error.
#pragma once

#include <functional>
#include <string>
#include <string_view>

namespace tcpdwell {

/// Calls `visit` with each member of an object, its value as it stands there.
void each_member(std::string_view object,
                 const std::function<void(std::string_view key, std::string_view value)>& visit);
/// The same of a list's items.
void each_item(std::string_view list, const std::function<void(std::string_view value)>& visit);
/// Of a string's value; "" where it is none. What an escape cannot say in a byte is "?".
std::string json_string(std::string_view value);

}  // namespace tcpdwell
