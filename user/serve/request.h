// SPDX-License-Identifier: BSD-2-Clause
/// What a client's words ask for: bytes of anybody's.
#pragma once

#include "serve/http.h"

namespace tcpdwell {

/// Of a request's path, query and Accept header as they came; each may be null. A query that is
/// none is left out whole.
HttpRequest request_of(const char* path, const char* query, const char* accept);

/// Whether a Host header (null: there is none) means this host by a name of loopback. A page of
/// somebody else's, whose name was made to mean this host (DNS rebinding), names that name.
bool names_loopback(const char* host);

}  // namespace tcpdwell
