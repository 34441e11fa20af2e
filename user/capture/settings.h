// SPDX-License-Identifier: BSD-2-Clause
/// What the kernel program is told, and how large its maps are: before it is loaded.
#pragma once

#include "capture/tracer.h"
#include "util/result.h"

struct tcpdwell_bpf;

namespace tcpdwell {

/// Whether the kernel side makes sums.
bool counts(const TracerOptions& options);
void size_maps(tcpdwell_bpf& skeleton, const TracerOptions& options);
void configure(tcpdwell_bpf& skeleton, const TracerOptions& options);
/// The owners asked for: once the maps exist, and before anything is attached.
Status fill_lists(const tcpdwell_bpf& skeleton, const TracerOptions& options);

}  // namespace tcpdwell
