// SPDX-License-Identifier: BSD-2-Clause
/// From the fields of a line to an event. Each function reads every field it needs and checks its
/// type and range; the event means something only if `fields.ok()` afterwards.
#pragma once

#include <cstdint>

#include "model/event.h"
#include "model/listing.h"
#include "trace/json.h"

namespace tcpdwell {

/// The newest format read here. Of a newer one only Header::schema is read.
inline constexpr int kTraceSchema = 1;

Header read_header(Fields& fields);
Transition read_transition(Fields& fields);
Listed read_socket(Fields& fields);
Seed read_seed(Fields& fields);
Connection read_connection(Fields& fields);
LocalPorts read_local_ports(Fields& fields);
NamedCgroup read_name(Fields& fields);
Loss read_loss(Fields& fields);
/// An end without a time stamp is dated from `start_wall_ns`, the header's.
TraceEnd read_end(Fields& fields, std::int64_t start_wall_ns);

}  // namespace tcpdwell
