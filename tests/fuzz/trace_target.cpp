// SPDX-License-Identifier: BSD-2-Clause
/// Bytes as a trace, plain or compressed, through what `report` does with one.
/// tests/fuzz/trace_fuzz damages whole traces instead, and holds the reader to telling of it.
#include <cstdint>
#include <string_view>

#include "aggregate/aggregator.h"
#include "aggregate/analyzer.h"
#include "fuzz/require.h"
#include "trace/compress.h"
#include "trace/reader.h"

using namespace tcpdwell;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  struct Both : Consumer {
    Aggregator table{AggregatorOptions{}};
    Analyzer analyzer{AnalyzerOptions{}};
    Status header(const Header& e) override {
      return table.header(e) ? analyzer.header(e) : Status(Ok);
    }
    Status transition(const Transition& e) override {
      return table.transition(e) ? analyzer.transition(e) : Status(Ok);
    }
    Status seed(const Seed& e) override { return table.seed(e) ? analyzer.seed(e) : Status(Ok); }
    Status loss(const Loss& e) override { return table.loss(e); }
    Status end(const TraceEnd& e) override { return table.end(e) ? analyzer.end(e) : Status(Ok); }
  } both;
  const auto input = open_trace_bytes({reinterpret_cast<const char*>(data), size});
  const auto read = read_trace(*input, "input", both);
  if (!read) TD_REQUIRE(read.error().fault == Fault::Usage);
  both.table.take_summary(0);
  both.analyzer.take();
  return 0;
}
