// SPDX-License-Identifier: BSD-2-Clause
/// Terminal colours (SGR sequences): one meaning has one colour in every view.
#pragma once

#include <string_view>

#include "model/state.h"

namespace tcpdwell {

inline constexpr std::string_view kSgrReset = "\x1b[0m";
inline constexpr std::string_view kSgrBold = "\x1b[1m";
inline constexpr std::string_view kSgrAlarm = "\x1b[1;31m";  ///< something went missing

/// Green is healthy, cyan opens, magenta closes in step with the peer, yellow lingers by design,
/// red waits for the local application, dim is gone or not known.
constexpr std::string_view sgr_of(State state) {
  switch (state) {
    case State::Established:
      return "\x1b[32m";
    case State::Listen:
    case State::SynSent:
    case State::SynRecv:
      return "\x1b[36m";
    case State::FinWait1:
    case State::FinWait2:
    case State::Closing:
    case State::LastAck:
      return "\x1b[35m";
    case State::TimeWait:
      return "\x1b[33m";
    case State::CloseWait:
      return "\x1b[31m";
    case State::Close:
    case State::Unknown:
      break;
  }
  return "\x1b[2m";
}

}  // namespace tcpdwell
