// SPDX-License-Identifier: BSD-2-Clause
/// Transitions as rows for spreadsheets and data tools.
#pragma once

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
  Output& out_;
  std::string line_;
  bool header_written_ = false;
};

}  // namespace tcpdwell
