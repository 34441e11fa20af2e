// SPDX-License-Identifier: BSD-2-Clause
/// Transitions as lines for people.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <string>

#include "model/event.h"
#include "util/output.h"

namespace tcpdwell {

struct TextOptions {
  bool wide = false;    ///< -w: cookie, netns, cgroup, owner source, traffic; room for full IPv6
  bool time = false;    ///< -T: wall-clock time (local zone) as first column
  bool colour = false;  ///< decided by the caller: terminal, NO_COLOR, --no-color
  /// Of the terminal; 0 where nobody counts them. With less than 103 the columns move together,
  /// down to 79; -w is for wide terminals.
  std::size_t columns = 0;
};

/// Aligned columns under one header line; a value wider than its column moves the rest to the
/// right and is never cut. A dwell prints as "184us" (exact), ">=1.2s" (a bound), "?" (unknown)
/// or "-" (the line begins a connection, so there is none); a port not yet known as "*".
class TextLines : public Consumer {
 public:
  TextLines(Output& out, TextOptions options);
  Status header(const Header&) override;  ///< the first call prints the header line
  Status transition(const Transition&) override;
  Status seed(const Seed&) override;
  Status loss(const Loss&) override;

 private:
  void append_time(std::int64_t wall_ns);
  void append_socket(const Socket& socket);
  void append_notes(const Transition& transition);
  void append_states(std::string_view from, std::string_view from_colour, State to);
  Status write_line();

  struct Widths {
    std::size_t pid, comm, endpoint, dwell;
    bool apart;  ///< OLD and NEW have a column each
  };
  static Widths widths_for(const TextOptions& options);

  Output& out_;
  TextOptions options_;
  Widths widths_;
  std::string line_;
  bool header_written_ = false;
  std::int64_t clock_second_ = std::numeric_limits<std::int64_t>::min();  ///< what clock_ shows
  std::array<char, 9> clock_{};                                           ///< "HH:MM:SS"
};

}  // namespace tcpdwell
