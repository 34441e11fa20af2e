// SPDX-License-Identifier: BSD-2-Clause
#include "sinks/csv_lines.h"

#include "sinks/csv_fields.h"

namespace tcpdwell {

Status CsvLines::header(const Header&) {
  if (header_written_) return Ok;
  header_written_ = true;
  line_.clear();
  CsvText csv(line_);
  add_csv_heads(csv, kTransitionFields);
  return out_.write(line_);
}

Status CsvLines::transition(const Transition& transition) {
  line_.clear();
  CsvText csv(line_);
  add_csv_row<kTransitionFields>(csv, transition);
  return out_.write(line_);
}

Status CsvLines::seed(const Seed& seed) {
  Transition row;
  row.wall_ns = seed.wall_ns;
  row.mono_ns = seed.mono_ns;
  row.socket = seed.socket;
  row.to = seed.state;
  row.dwell = seed.age;
  line_.clear();
  CsvText csv(line_);
  add_csv_row<kTransitionFields>(csv, row, {.empty = "old"});
  return out_.write(line_);
}

}  // namespace tcpdwell
