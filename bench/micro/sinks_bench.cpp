// SPDX-License-Identifier: BSD-2-Clause
/// From events to lines: one event's cost in each format, without the cost of writing them
/// anywhere.
#include <benchmark/benchmark.h>

#include "micro/events.h"
#include "sinks/csv_lines.h"
#include "sinks/text_lines.h"
#include "trace/writer.h"

namespace tcpdwell {
namespace {

template <class MakeSink>
void sink(benchmark::State& state, MakeSink make) {
  const std::vector<Transition> lines = bench::lines(1'000);
  bench::Nowhere out;
  auto sink = make(out);
  for (auto _ : state)
    for (const Transition& t : lines) (void)sink.transition(t);
  state.SetItemsProcessed(state.iterations() * static_cast<std::int64_t>(lines.size()));
  state.SetBytesProcessed(static_cast<std::int64_t>(out.bytes));
}

BENCHMARK_CAPTURE(sink, text, [](Output& out) { return TextLines(out, {}); });
BENCHMARK_CAPTURE(sink, text_all, [](Output& out) {
  TextOptions options;
  options.wide = options.time = options.colour = true;
  return TextLines(out, options);
});
BENCHMARK_CAPTURE(sink, csv, [](Output& out) { return CsvLines(out); });
BENCHMARK_CAPTURE(sink, json, [](Output& out) { return TraceWriter(out); });

}  // namespace
}  // namespace tcpdwell
