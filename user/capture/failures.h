// SPDX-License-Identifier: BSD-2-Clause
/// Why the kernel side cannot be loaded, in words for who started it.
#pragma once

#include "util/result.h"

namespace tcpdwell {

/// From here on what libbpf says is kept for load_error(), or printed to standard error.
void listen_to_libbpf(bool verbose);
/// "setcap cap_bpf,cap_perfmon+ep /usr/bin/tcpdwell": with the path of this program, and with
/// CAP_SYSLOG where /proc/kallsyms hides addresses from it, which timers need where the kernel
/// refuses fentry.
std::string setcap_words();

/// What every kernel must have; checked before libbpf tries, for words instead of a verifier log.
Status check_kernel();

/// Names the capabilities that are missing. Both take an errno.
Error permission_error(int code);
Error load_error(int code);

}  // namespace tcpdwell
