// SPDX-License-Identifier: BSD-2-Clause
/// From events to the rows of a table.
#include <benchmark/benchmark.h>

#include <utility>

#include "aggregate/aggregator.h"
#include "micro/events.h"
#include "model/histogram.h"

namespace tcpdwell {
namespace {

void aggregate(benchmark::State& state, std::vector<Key> by) {
  const std::vector<Transition> lines = bench::lines(10'000);
  AggregatorOptions options;
  options.by = std::move(by);
  for (auto _ : state) {
    Aggregator aggregator(options);
    for (const Transition& t : lines) (void)aggregator.transition(t);
    Summary summary = aggregator.take_summary(0);
    benchmark::DoNotOptimize(summary);
  }
  state.SetItemsProcessed(state.iterations() * static_cast<std::int64_t>(lines.size()));
}

BENCHMARK_CAPTURE(aggregate, by_state, {Key::State});
BENCHMARK_CAPTURE(aggregate, by_comm_and_port, {Key::Comm, Key::LocalPort});
BENCHMARK_CAPTURE(aggregate, by_remote, {Key::Remote});
BENCHMARK_CAPTURE(aggregate, by_path, {Key::Path});

void histogram(benchmark::State& state) {
  Histogram histogram;
  std::uint64_t value = 1;
  for (auto _ : state) {
    histogram.add(value);
    value = value * 6364136223846793005U + 1442695040888963407U;
    value >>= 20;
  }
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(histogram);

}  // namespace
}  // namespace tcpdwell
