// SPDX-License-Identifier: BSD-2-Clause
/// A Comparison as text, JSON, HTML.
#pragma once

#include "model/comparison.h"
#include "sinks/tables.h"
#include "util/output.h"

namespace tcpdwell {

Status write_diff_text(Output& out, const Comparison& comparison, const TableOptions& options);
/// One object, `type` `diff`, in one line (docs/report.md).
Status write_diff_json(Output& out, const Comparison& comparison);
Status write_diff_html(Output& out, const Comparison& comparison);

}  // namespace tcpdwell
