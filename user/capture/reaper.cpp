// SPDX-License-Identifier: BSD-2-Clause
#include "capture/reaper.h"

#include <bpf/bpf.h>

namespace tcpdwell {
namespace {

constexpr unsigned kSocketsAStep = 1000;
constexpr std::chrono::seconds kRest{5};

}  // namespace

/// A key that is gone by now lets the map begin again with its first: no harm is done.
bool Reaper::look_at_next() {
  std::uint64_t next = 0;
  if (bpf_map_get_next_key(map_, walking_ ? &cookie_ : nullptr, &next) != 0) return false;
  cookie_ = next;
  walking_ = true;
  LIBBPF_OPTS(bpf_test_run_opts, run, .ctx_in = &cookie_, .ctx_size_in = sizeof cookie_);
  bpf_prog_test_run_opts(program_, &run);
  return true;
}

void Reaper::step(std::chrono::steady_clock::time_point now) {
  if (now < next_) return;
  for (unsigned n = 0; n < kSocketsAStep; ++n) {
    if (look_at_next()) continue;
    walking_ = false;
    next_ = now + kRest;
    return;
  }
}

}  // namespace tcpdwell
