// SPDX-License-Identifier: BSD-2-Clause
/// Transitions as rows for spreadsheets and data tools.
#pragma once

#include <cstdint>
#include <limits>
#include <string>

#include "model/event.h"
#include "util/output.h"

namespace tcpdwell {

/// RFC 4180 quoting, a header row, lines that end in a plain newline (as every Unix tool reads
/// them). The columns are the JSON trace's fields; what is absent or not known is an empty field.
/// A seed is a row with `old` empty and its age as the dwell.
class CsvLines : public Consumer {
 public:
  explicit CsvLines(Output& out) : out_(out) {}
  Status header(const Header&) override;  ///< the first call writes the header row
  Status transition(const Transition&) override;
  Status seed(const Seed&) override;

 private:
  void append_time(std::int64_t wall_ns, std::uint64_t mono_ns);

  Output& out_;
  std::string line_;
  bool header_written_ = false;
  std::int64_t ts_second_ = std::numeric_limits<std::int64_t>::min();  ///< what ts_prefix_ shows
  std::string ts_prefix_;                                              ///< "2026-01-02T03:04:05."
};

}  // namespace tcpdwell
