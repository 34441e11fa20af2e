// SPDX-License-Identifier: BSD-2-Clause
/// A Summary as an aligned table, as JSON, as CSV.
#pragma once

#include "model/summary.h"
#include "util/json.h"
#include "util/output.h"

namespace tcpdwell {

struct TableOptions {
  bool colour = false;
  bool wide = false;        ///< also the columns "at least" and "unknown" where all are 0
  std::uint64_t limit = 0;  ///< most rows, and a line says how many more there are; 0 = all
  std::size_t columns = 0;  ///< of the terminal, for sentences; 0 = each is a line
};

/// One table with a title line (time span) and, below it, a line for anything lost and for dwells
/// left out of the percentiles ("3 dwells of unknown length are not in the percentiles").
Status write_table_text(Output& out, const Summary& summary, const TableOptions& options);
/// How many of them are shown (TableOptions::limit).
std::size_t shown_rows(std::size_t rows, std::uint64_t limit);
/// "12 more rows; --limit 0 shows all", where there are any.
void append_rows_more(std::string& out, std::size_t more);
/// The contract's "summary", not yet closed: more members may follow.
void begin_summary(JsonText& json, const Summary& summary);
/// One object a table, one line.
Status write_table_json(Output& out, const Summary& summary);
/// A header row when `with_header`, then a row per row; nanoseconds.
Status write_table_csv(Output& out, const Summary& summary, bool with_header);

}  // namespace tcpdwell
