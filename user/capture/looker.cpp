// SPDX-License-Identifier: BSD-2-Clause
#include "capture/looker.h"

#include <tcpdwell/config.h>

#include "tcpdwell_bpf.skel.h"
#include "util/host_clock.h"

namespace tcpdwell {

Status Looker::look(bool changed, const Drain& drain) {
  const std::uint64_t now = host_clock_ns();
  skeleton_.bss->look_for = TD_LOOK_TELL;
  skeleton_.bss->look_since_ns = changed ? looked_ns_ : 0;
  looked_ns_ = now;
  return walker_.walk(drain);
}

}  // namespace tcpdwell
