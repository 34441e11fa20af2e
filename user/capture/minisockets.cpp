// SPDX-License-Identifier: BSD-2-Clause
#include "capture/minisockets.h"

#include <time.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <utility>

#include "capture/probe.h"

namespace tcpdwell {
namespace {

using File = std::unique_ptr<std::FILE, int (*)(std::FILE*)>;

constexpr std::array<std::pair<Minisockets, std::string_view>, 4> kWays = {{
    {Minisockets::Auto, "auto"},
    {Minisockets::Fentry, "fentry"},
    {Minisockets::Timer, "timer"},
    {Minisockets::Off, "off"},
}};

std::uint64_t number_in(const char* path, std::uint64_t otherwise) {
  const File file(std::fopen(path, "re"), std::fclose);
  unsigned long long value = 0;
  return file && std::fscanf(file.get(), "%llu", &value) == 1 ? value : otherwise;
}

/// Fills both addresses; false when /proc/kallsyms cannot be read.
bool find_functions(TimerFacts& facts) {
  const File symbols(std::fopen("/proc/kallsyms", "re"), std::fclose);
  if (!symbols) return false;
  char line[512];
  while (std::fgets(line, sizeof line, symbols.get()) != nullptr &&
         (facts.tw_timer_fn == 0 || facts.reqsk_timer_fn == 0)) {
    char* const address_end = std::strchr(line, ' ');
    if (address_end == nullptr || std::strlen(address_end) < 4) continue;
    const char* const name = address_end + 3;
    const auto is = [&](std::string_view wanted) {
      return std::strncmp(name, wanted.data(), wanted.size()) == 0 &&
             std::strchr("\n\t ", name[wanted.size()]) != nullptr;
    };
    if (is("tw_timer_handler")) facts.tw_timer_fn = std::strtoull(line, nullptr, 16);
    if (is("reqsk_timer_handler")) facts.reqsk_timer_fn = std::strtoull(line, nullptr, 16);
  }
  return true;
}

}  // namespace

std::string_view name_of(Minisockets way) {
  for (const auto& [value, name] : kWays)
    if (value == way) return name;
  return "off";
}

std::optional<Minisockets> parse_minisockets(std::string_view text) {
  for (const auto& [value, name] : kWays)
    if (name == text) return value;
  return std::nullopt;
}

Result<TimerFacts> timer_facts() {
  for (const char* name : {"timer_start", "timer_cancel", "timer_expire_entry"})
    if (!kernel_has_tracepoint(name))
      return Error{Fault::Unsupported, std::string("this kernel has no tracepoint timer/") + name};
  // Who sees addresses there: kallsyms_show_value(), kernel/ksyms_common.c.
  TimerFacts facts;
  if (!find_functions(facts)) return Error{Fault::Permission, "/proc/kallsyms cannot be read"};
  if (facts.tw_timer_fn == 0 || facts.reqsk_timer_fn == 0)
    return Error{
        Fault::Permission,
        "/proc/kallsyms hides or lacks tw_timer_handler and reqsk_timer_handler "
        "(needs CAP_SYSLOG with kernel.kptr_restrict below 2, or kernel.kptr_restrict=0 and "
        "kernel.perf_event_paranoid=1)"};
  return facts;
}

// The coarse clocks tick in jiffies (kernel/time/posix-timers.c).
std::uint64_t jiffy_ns() {
  timespec resolution{};
  clock_getres(CLOCK_MONOTONIC_COARSE, &resolution);
  return static_cast<std::uint64_t>(resolution.tv_sec) * 1'000'000'000 +
         static_cast<std::uint64_t>(resolution.tv_nsec);
}

std::uint32_t time_wait_limit() {
  const auto limit = number_in("/proc/sys/net/ipv4/tcp_max_tw_buckets", 262144);
  return static_cast<std::uint32_t>(std::clamp<std::uint64_t>(limit, 4096, 1U << 22));
}

std::uint32_t request_limit() {
  const auto backlog = std::max(number_in("/proc/sys/net/ipv4/tcp_max_syn_backlog", 4096),
                                number_in("/proc/sys/net/core/somaxconn", 4096));
  // Each listener has a queue of its own.
  return static_cast<std::uint32_t>(std::clamp<std::uint64_t>(backlog * 8, 16384, 1U << 20));
}

}  // namespace tcpdwell
