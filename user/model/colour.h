// SPDX-License-Identifier: BSD-2-Clause
/// Terminal colours (SGR sequences): one meaning has one colour in every view.
#pragma once

#include <array>
#include <string_view>

#include "model/state.h"
#include "util/layout.h"
#include "util/names.h"

namespace tcpdwell {

inline constexpr std::string_view kSgrAlarm = "\x1b[1;31m";  ///< something went missing

/// What a state says of a connection.
enum class Meaning : std::uint8_t {
  Gone,  ///< or not known
  Healthy,
  Opening,
  Closing,    ///< in step with the peer
  Lingering,  ///< by design
  Stuck,      ///< waits for the local application
};
inline constexpr std::size_t kMeaningCount = 6;

constexpr Meaning meaning_of(State state) {
  using enum Meaning;
  constexpr std::array<Meaning, kStateCount> kMeanings = {// as State is numbered
                                                          Gone,    Healthy, Opening,   Opening,
                                                          Closing, Closing, Lingering, Gone,
                                                          Stuck,   Closing, Opening,   Closing};
  return entry_of(kMeanings, state);
}

/// Dim, green, cyan, magenta, yellow, red.
constexpr std::string_view sgr_of(State state) {
  constexpr Names<kMeaningCount> kSgr = {kSgrDim,    "\x1b[32m", "\x1b[36m",
                                         "\x1b[35m", "\x1b[33m", "\x1b[31m"};
  return entry_of(kSgr, meaning_of(state));
}

}  // namespace tcpdwell
