// SPDX-License-Identifier: BSD-2-Clause
/// From the bytes of a ring record to an event.
#include <benchmark/benchmark.h>
#include <tcpdwell/event.h>

#include <cstring>

#include "capture/decode.h"

namespace tcpdwell {
namespace {

td_event record(bool last) {
  td_event e{};
  e.size = static_cast<__u32>(last ? sizeof e : TD_OFFSETOF(td_event, stats));
  e.version = TD_EVENT_VERSION;
  e.kind = TD_KIND_TRANSITION;
  e.flags = last ? TD_F_STATS : 0;
  e.mono_ns = 5'000'000'000;
  e.start_ns = 3'000'000'000;
  e.cookie = 0x1a2b;
  e.path = 0x2147;
  e.use = 1;
  e.pid = 4711;
  e.family = 4;
  e.old_state = last ? TD_LAST_ACK : TD_SYN_SENT;
  e.new_state = last ? TD_CLOSE : TD_ESTABLISHED;
  e.dwell = TD_DWELL_EXACT;
  std::memcpy(e.comm, "nginx", 6);
  return e;
}

void decode(benchmark::State& state, bool last) {
  const td_event e = record(last);
  for (auto _ : state) {
    auto decoded = decode_event(&e, e.size);
    benchmark::DoNotOptimize(decoded);
  }
  state.SetItemsProcessed(state.iterations());
}

BENCHMARK_CAPTURE(decode, transition, false);
BENCHMARK_CAPTURE(decode, last_line, true);

}  // namespace
}  // namespace tcpdwell
