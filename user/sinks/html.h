// SPDX-License-Identifier: BSD-2-Clause
/// A Report as one page that needs nothing else and no network.
#pragma once

#include "model/analysis.h"
#include "util/output.h"

namespace tcpdwell {

/// Text of a trace gets into the page as JSON that no markup can leave, and from there by
/// textContent alone.
Status write_html(Output& out, const Report& report);

}  // namespace tcpdwell
