// SPDX-License-Identifier: BSD-2-Clause
/// bench_storm TCPDWELL [ROUNDS]: how fast loopback connections are made while tcpdwell records them,
/// next to how fast without. Each round is 50,000 connections untraced and 50,000 traced by a tcpdwell
/// process of the same priority, in turn one or the other first. Exit status 1 when anything was lost,
/// whether tcpdwell says so or a line is missing.
#include <fmt/format.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "support/netns.h"
#include "support/storm.h"
#include "trace/compress.h"
#include "trace/reader.h"

namespace tcpdwell::test {
namespace {

constexpr std::uint32_t kConnections = 50'000;
constexpr unsigned kWorkers = 2;
/// Both sides of a connection, to the client's TIME_WAIT and the server's CLOSE; the listeners. The end
/// of a TIME_WAIT, a minute later or by reuse, is another matter.
constexpr std::uint64_t kLines = 10ULL * kConnections + 2ULL * kWorkers;

double storm_rate(Netns& netns) {
  StormOptions options;
  options.connections = kConnections;
  options.workers = kWorkers;
  const StormResult result = Storm(netns, options).result();
  if (result.connections != kConnections) throw std::runtime_error("the storm broke off");
  return result.rate();
}

/// A tcpdwell that records this network namespace, from its being attached to its end.
class Recording {
 public:
  Recording(const char* tcpdwell, const std::string& file) {
    int said[2];
    sys(pipe(said), "pipe");
    pid_ = sys(fork(), "fork");
    if (pid_ == 0) {
      dup2(said[1], STDERR_FILENO);
      close(said[0]);
      close(said[1]);
      const std::string us = std::to_string(getppid());
      execl(tcpdwell, tcpdwell, "record", "-v", "-o", file.c_str(), "--netns", us.c_str(), nullptr);
      _exit(127);
    }
    close(said[1]);
    // -v says when the sockets of before are known; what it says later nobody reads, and it is short.
    said_ = Fd(said[0]);
    std::string text;
    std::array<char, 256> chunk;
    while (text.find(" existed before\n") == std::string::npos) {
      const ssize_t n = read(said_.get(), chunk.data(), chunk.size());
      if (n <= 0) throw std::runtime_error("tcpdwell did not start: " + text);
      text.append(chunk.data(), static_cast<std::size_t>(n));
    }
  }
  void end() {
    int status = 0;
    sys(kill(pid_, SIGINT), "kill");
    sys(waitpid(pid_, &status, 0), "waitpid");
    if (status != 0) throw std::runtime_error("tcpdwell failed");
  }

 private:
  pid_t pid_ = -1;
  Fd said_;
};

class Totals : public Consumer {
 public:
  Status transition(const Transition& t) override {
    lines += t.from != State::TimeWait;
    return Ok;
  }
  Status end(const TraceEnd& end) override {
    ended = true;
    for (const std::uint64_t count : end.lost) lost += count;
    return Ok;
  }
  std::uint64_t lines = 0, lost = 0;
  bool ended = false;
};

Totals totals_of(const std::string& file) {
  auto input = open_trace_file(file);
  if (!input) throw std::runtime_error(input.error().message);
  Totals totals;
  auto read = read_trace(**input, file, totals);
  if (!read || !totals.ended || read->skipped != 0) throw std::runtime_error("the trace is not whole");
  return totals;
}

struct Round {
  double untraced = 0, traced = 0;
  Totals totals;
  double ratio() const { return traced / untraced; }
};

double untraced_rate() {
  Netns netns;
  return storm_rate(netns);
}

void trace(const char* tcpdwell, Round& round) {
  const std::string file = fmt::format("/tmp/tcpdwell-bench-{}.json", getpid());
  {
    Netns netns;
    Recording recording(tcpdwell, file);
    round.traced = storm_rate(netns);
    recording.end();
  }
  round.totals = totals_of(file);
  unlink(file.c_str());
}

int run(const char* tcpdwell, unsigned rounds) {
  if (const auto why = why_no_kernel_tests()) throw std::runtime_error(*why);
  // The storm's threads take this; tcpdwell must not have less.
  sys(setpriority(PRIO_PROCESS, 0, -20), "setpriority");
  std::vector<double> ratios;
  std::uint64_t lost = 0, missing = 0;
  untraced_rate();  // warms up
  for (unsigned n = 0; n < rounds; ++n) {
    Round round;
    if (n % 2 == 0) round.untraced = untraced_rate();
    trace(tcpdwell, round);
    if (n % 2 != 0) round.untraced = untraced_rate();
    const Totals& totals = round.totals;
    const std::uint64_t missing_now = kLines - std::min(kLines, totals.lines);
    lost += totals.lost;
    missing += missing_now;
    ratios.push_back(round.ratio());
    fmt::print("untraced {:6.0f}/s  traced {:6.0f}/s  {:.3f}   {} lines of {}, {} lost\n", round.untraced, round.traced,
               round.ratio(), totals.lines, kLines, totals.lost);
    std::fflush(stdout);
  }
  std::sort(ratios.begin(), ratios.end());
  fmt::print("{} rounds of {} connections: traced / untraced = {:.3f} (median; {:.3f} to {:.3f}), {} lost, {} missing\n",
             rounds, kConnections, ratios[ratios.size() / 2], ratios.front(), ratios.back(), lost, missing);
  return lost == 0 && missing == 0 ? 0 : 1;
}

}  // namespace
}  // namespace tcpdwell::test

int main(int argc, char** argv) {
  const int rounds = argc > 2 ? std::atoi(argv[2]) : 5;
  if (argc < 2 || argc > 3 || rounds < 1) {
    std::fputs("usage: bench_storm TCPDWELL [ROUNDS]\n", stderr);
    return 2;
  }
  try {
    return tcpdwell::test::run(argv[1], static_cast<unsigned>(rounds));
  } catch (const std::exception& error) {
    std::fprintf(stderr, "bench_storm: %s\n", error.what());
    return 1;
  }
}
