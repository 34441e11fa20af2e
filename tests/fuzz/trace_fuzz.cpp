// SPDX-License-Identifier: BSD-2-Clause
/// trace_fuzz [INPUTS [SEED]]: traces cut at any byte, with bytes changed, taken out, doubled,
/// plain and compressed, through all that `report` does with them. The same arguments are the same
/// inputs. Ends with 1 where an input is told to be whole though lines are missing; a crash is a
/// crash.
#include <malloc.h>
#include <zlib.h>
#include <zstd.h>

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <random>
#include <string>
#include <vector>

#include "aggregate/aggregator.h"
#include "aggregate/analyzer.h"
#include "model/analysis.h"
#include "sinks/report.h"
#include "unit/trace/events_for_tests.h"

using namespace tcpdwell;

namespace {

class Fuzz {
 public:
  explicit Fuzz(std::uint64_t seed) : random_(seed), events_(seed) {}

  int run(std::uint64_t inputs) {
    for (std::uint64_t i = 0; i < inputs; ++i) {
      if (i % 1000 == 0) make_traces();
      const std::string& whole = traces_[random_() % traces_.size()];
      const std::string input = changed(whole);
      if (!play(input, i % 16 == 0))
        return std::printf("input %llu was not told of\n", static_cast<unsigned long long>(i)), 1;
    }
    std::printf("%llu inputs\n", static_cast<unsigned long long>(inputs));
    return 0;
  }

 private:
  void make_traces() {
    std::string plain = json_of(Header(sample_header()));
    for (int i = 0; i < 12; ++i)
      plain += json_of(Event(events_.transition())) + json_of(Event(events_.seed()));
    plain += json_of(Event(sample_transition())) + json_of(Event(sample_last())) +
             json_of(Event(sample_end()));
    lines_ = 28;
    traces_ = {plain,
               zstd(plain.substr(0, plain.size() / 2)) + zstd(plain.substr(plain.size() / 2)),
               gzip(plain.substr(0, plain.size() / 3)) + gzip(plain.substr(plain.size() / 3))};
  }

  static std::string zstd(const std::string& text) {
    std::string out(ZSTD_compressBound(text.size()), '\0');
    out.resize(ZSTD_compress(out.data(), out.size(), text.data(), text.size(), 1));
    return out;
  }

  static std::string gzip(const std::string& text) {
    z_stream stream{};
    deflateInit2(&stream, 1, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY);
    std::string in = text, out(deflateBound(&stream, text.size()) + 32, '\0');
    stream.next_in = reinterpret_cast<Bytef*>(in.data());
    stream.avail_in = static_cast<uInt>(in.size());
    stream.next_out = reinterpret_cast<Bytef*>(out.data());
    stream.avail_out = static_cast<uInt>(out.size());
    deflate(&stream, Z_FINISH);
    out.resize(out.size() - stream.avail_out);
    deflateEnd(&stream);
    return out;
  }

  std::string changed(std::string text) {
    for (std::uint64_t left = 1 + random_() % 3; left > 0 && !text.empty(); --left) {
      const std::size_t at = random_() % text.size();
      switch (random_() % 6) {
        case 0:
          text.resize(at);
          break;
        case 1:
          text[at] = static_cast<char>(random_());
          break;
        case 2:
          text[at] = static_cast<char>(text[at] ^ 1 << random_() % 8);
          break;
        case 3:
          text.erase(at, random_() % 64);
          break;
        case 4:
          text.insert(at, text.substr(random_() % text.size(), random_() % 64));
          break;
        case 5:
          text[at] = "0123456789\"{}[],:\\\n-"[random_() % 20];
          break;
      }
    }
    return text;
  }

  bool play(const std::string& bytes, bool show) {
    Aggregator aggregator({});
    AnalyzerOptions options;
    options.connections.sample = 3;
    Analyzer analyzer(std::move(options));
    struct Both : Consumer {
      Aggregator& a;
      Analyzer& b;
      Both(Aggregator& one, Analyzer& two) : a(one), b(two) {}
      Status header(const Header& e) override { return a.header(e) ? b.header(e) : Status(Ok); }
      Status transition(const Transition& e) override {
        return a.transition(e) ? b.transition(e) : Status(Ok);
      }
      Status seed(const Seed& e) override { return a.seed(e) ? b.seed(e) : Status(Ok); }
      Status end(const TraceEnd& e) override { return b.end(e); }
    } both(aggregator, analyzer);
    const auto input = open_trace_bytes(bytes);
    const auto read = read_trace(*input, "input", both);
    if (!read) return true;
    Report report;
    report.summary = aggregator.take_summary(0);
    report.analysis = analyzer.take();
    if (show) {
      StringOutput out;
      static_cast<void>(write_report_text(out, report, {}));
      static_cast<void>(write_report_json(out, report));
      static_cast<void>(write_html(out, report));
    }
    const bool told = read->skipped > 0 || !read->complete || !read->damage.empty();
    // Bytes between lines, a whole line out, or a change that is no fault leave nothing to tell.
    return told || read->lines + 2 >= lines_ || bytes.size() < traces_[0].size();
  }

  std::mt19937_64 random_;
  RandomEvents events_;
  std::vector<std::string> traces_;
  std::uint64_t lines_ = 0;
};

}  // namespace

int main(int argc, char** argv) {
  // Every input makes and frees the same few large buffers: they need not go back to the kernel.
  mallopt(M_MMAP_THRESHOLD, 1 << 30);
  mallopt(M_TRIM_THRESHOLD, 1 << 30);
  const std::uint64_t inputs = argc > 1 ? std::strtoull(argv[1], nullptr, 10) : 20'000;
  const std::uint64_t seed = argc > 2 ? std::strtoull(argv[2], nullptr, 10) : 1;
  return Fuzz(seed).run(inputs);
}
