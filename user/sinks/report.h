// SPDX-License-Identifier: BSD-2-Clause
/// A Report as text, JSON, CSV, HTML.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "model/analysis.h"
#include "sinks/tables.h"
#include "util/output.h"

namespace tcpdwell {

/// The table, and below it each view that has something to show, findings last.
Status write_report_text(Output& out, const Report& report, const TableOptions& options);
/// The summary's object with the views as further keys, in one line (docs/report.md).
Status write_report_json(Output& out, const Report& report);

/// Of these the page has a sample.
inline constexpr std::size_t kPageConnections = 2000;
/// One page that needs nothing else and no network. Text of a trace gets into it as JSON that no
/// markup can leave, and from there by textContent alone.
Status write_html(Output& out, const Report& report);

/// What CSV, which holds one table, can show.
enum class CsvTable { States, Ends, Edges, Ports, Series, Slowest, Stuck, Findings };
Status write_report_csv(Output& out, const Report& report, CsvTable table);

}  // namespace tcpdwell
