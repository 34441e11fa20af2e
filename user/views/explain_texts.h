// SPDX-License-Identifier: BSD-2-Clause
/// The words of `tcpdwell explain`. ASCII only, except for the pictures.
#pragma once

#include <optional>
#include <string_view>
#include <vector>

#include "model/state.h"

namespace tcpdwell {

/// An event, and the state at its other end; no state stands for any other one.
struct Way {
  std::optional<State> other;
  std::string_view event;
};

/// A setting, a command or a habit, and what it is good for.
struct Advice {
  std::string_view what;  ///< one line, never wrapped
  std::string_view why;
};

struct Explanation {
  std::string_view summary;  ///< at most 64 columns
  std::string_view meaning;
  std::string_view waiting;    ///< who is waiting for whom
  std::vector<Way> in, out;    ///< what leads in and out
  std::string_view kernel;     ///< which socket object it is kept in
  std::string_view long_stay;  ///< what a long dwell says
  std::vector<Advice> advice;
  std::string_view measured;  ///< what tcpdwell measures there
};

Explanation explain_close();
Explanation explain_listen();
Explanation explain_syn_sent();
Explanation explain_syn_recv();
Explanation explain_established();
Explanation explain_fin_wait1();
Explanation explain_fin_wait2();
Explanation explain_closing();
Explanation explain_time_wait();
Explanation explain_close_wait();
Explanation explain_last_ack();
Explanation explain_unknown();

/// Pictures, at most 79 columns wide, in box-drawing characters.
extern const std::string_view kStateDiagram;
extern const std::string_view kOneSideCloses;
extern const std::string_view kBothSidesClose;

}  // namespace tcpdwell
