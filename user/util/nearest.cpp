// SPDX-License-Identifier: BSD-2-Clause
#include "util/nearest.h"

#include <algorithm>
#include <array>
#include <cstddef>

namespace tcpdwell {
namespace {

/// No word of ours is longer.
constexpr std::size_t kLongest = 32;
constexpr std::size_t kShortestBeginning = 3;

std::string plain(std::string_view word) {
  std::string text(word);
  for (char& c : text) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
    if (c == '_') c = '-';
  }
  return text;
}

/// How many letters have to be left out, put in, changed or swapped (optimal string alignment).
std::size_t distance(std::string_view a, std::string_view b) {
  std::array<std::array<std::size_t, kLongest + 1>, kLongest + 1> least{};
  for (std::size_t i = 0; i <= a.size(); ++i) least[i][0] = i;
  for (std::size_t j = 0; j <= b.size(); ++j) least[0][j] = j;
  for (std::size_t i = 1; i <= a.size(); ++i) {
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const std::size_t change = a[i - 1] == b[j - 1] ? 0 : 1;
      std::size_t& here = least[i][j];
      here = std::min({least[i - 1][j] + 1, least[i][j - 1] + 1, least[i - 1][j - 1] + change});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
        here = std::min(here, least[i - 2][j - 2] + 1);
    }
  }
  return least[a.size()][b.size()];
}

std::optional<std::string> begun_with(std::string_view beginning,
                                      const std::vector<std::string>& words) {
  std::optional<std::string> found;
  if (beginning.size() < kShortestBeginning) return found;
  for (const std::string& word : words) {
    if (!plain(word).starts_with(beginning)) continue;
    if (found) return std::nullopt;
    found = word;
  }
  return found;
}

}  // namespace

std::optional<std::string> nearest(std::string_view typed, const std::vector<std::string>& words) {
  const std::string wanted = plain(typed);
  if (wanted.empty() || wanted.size() > kLongest) return std::nullopt;
  std::optional<std::string> best;
  std::size_t least = std::max<std::size_t>(1, wanted.size() / 3) + 1;
  for (const std::string& word : words) {
    if (word.size() > kLongest) continue;
    const std::size_t far = distance(wanted, plain(word));
    if (far >= least || far >= wanted.size()) continue;
    least = far;
    best = word;
  }
  return best ? best : begun_with(wanted, words);
}

std::string did_you_mean(std::string_view typed, const std::vector<std::string>& words) {
  const auto word = nearest(typed, words);
  return word ? "; did you mean " + *word + "?" : "";
}

}  // namespace tcpdwell
