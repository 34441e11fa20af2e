// SPDX-License-Identifier: BSD-2-Clause
/// What somebody may have meant who typed a word that does not exist.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace tcpdwell {

/// The word of `words` nearest to `typed`: a third of its letters at most left out, put in, changed
/// or swapped with the next one; or the only one that begins with it. Upper and lower case, - and _
/// are the same. Absent where none is near.
std::optional<std::string> nearest(std::string_view typed, const std::vector<std::string>& words);

/// "; did you mean time-wait?", to be put behind a message; "" where nothing is near.
std::string did_you_mean(std::string_view typed, const std::vector<std::string>& words);

}  // namespace tcpdwell
