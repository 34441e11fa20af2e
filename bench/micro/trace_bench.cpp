// SPDX-License-Identifier: BSD-2-Clause
/// Writing and reading whole traces, plain and compressed.
#include <benchmark/benchmark.h>
#include <stdlib.h>
#include <unistd.h>

#include <fstream>
#include <iterator>
#include <stdexcept>
#include <string>

#include "micro/events.h"
#include "trace/compress.h"
#include "trace/reader.h"
#include "trace/writer.h"

namespace tcpdwell {
namespace {

void must(const Status& status) {
  if (!status) throw std::runtime_error(status.error().message);
}

void write_trace(Output& out, const std::vector<Transition>& lines) {
  TraceWriter writer(out);
  must(writer.header(Header{}));
  for (const Transition& t : lines) must(writer.transition(t));
  must(writer.end(TraceEnd{}));
  must(out.close());
}

/// A file that is gone at the end.
class Scratch {
 public:
  explicit Scratch(const std::string& suffix) : name_("/tmp/tcpdwell-bench-XXXXXX" + suffix) {
    const int fd = mkstemps(name_.data(), static_cast<int>(suffix.size()));
    if (fd < 0) throw std::runtime_error("cannot make " + name_);
    close(fd);
  }
  ~Scratch() { unlink(name_.c_str()); }
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;
  const std::string& name() const { return name_; }
  std::string content() const {
    std::ifstream file(name_, std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
  }

 private:
  std::string name_;
};

class Last : public Consumer {
 public:
  Status transition(const Transition& t) override {
    mono_ns = t.mono_ns;
    return Ok;
  }
  std::uint64_t mono_ns = 0;
};

void report_rates(benchmark::State& state, std::size_t lines, std::size_t plain_bytes) {
  state.SetItemsProcessed(state.iterations() * static_cast<std::int64_t>(lines));
  state.SetBytesProcessed(state.iterations() * static_cast<std::int64_t>(plain_bytes));
}

std::size_t plain_size(const std::vector<Transition>& lines) {
  bench::Nowhere out;
  write_trace(out, lines);
  return out.bytes;
}

/// Bytes a second are those of the plain trace in all three.
void write(benchmark::State& state, const std::string& suffix) {
  const std::vector<Transition> lines = bench::lines(5'000);
  const Scratch file(suffix);
  for (auto _ : state) {
    auto out = create_trace_file(file.name());
    if (!out) throw std::runtime_error(out.error().message);
    write_trace(**out, lines);
  }
  report_rates(state, lines.size(), plain_size(lines));
}

void read(benchmark::State& state, const std::string& suffix) {
  const std::vector<Transition> lines = bench::lines(5'000);
  const Scratch file(suffix);
  auto out = create_trace_file(file.name());
  if (!out) throw std::runtime_error(out.error().message);
  write_trace(**out, lines);
  const std::string bytes = file.content();
  Last last;
  for (auto _ : state) {
    const auto input = open_trace_bytes(bytes);
    auto report = read_trace(*input, "trace", last);
    if (!report || report->skipped != 0 || !report->complete)
      throw std::runtime_error("the trace is not read whole");
    benchmark::DoNotOptimize(last.mono_ns);
  }
  report_rates(state, lines.size(), plain_size(lines));
}

BENCHMARK_CAPTURE(write, plain, "");
BENCHMARK_CAPTURE(write, gz, ".gz");
BENCHMARK_CAPTURE(write, zst, ".zst");
BENCHMARK_CAPTURE(read, plain, "");
BENCHMARK_CAPTURE(read, gz, ".gz");
BENCHMARK_CAPTURE(read, zst, ".zst");

}  // namespace
}  // namespace tcpdwell
