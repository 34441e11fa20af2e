// SPDX-License-Identifier: BSD-2-Clause
#include "sinks/perfetto.h"

#include <fmt/format.h>

#include <algorithm>
#include <vector>

#include "sinks/report.h"
#include "util/duration.h"
#include "util/escape.h"
#include "util/json.h"
#include "util/moments.h"

namespace tcpdwell {
namespace {

/// Populations are a process of their own. Linux has no pid as large.
constexpr std::uint64_t kCounters = 1U << 30;

/// Readers keep moments as doubles, which hold a nanosecond a month from zero but not from 1970.
/// Zero is some days before the first moment written, as the order is not that of time.
constexpr std::int64_t kDayNs = 86'400'000'000'000, kDaysBefore = 10;

std::int64_t floor_to_day(std::int64_t wall_ns) {
  return earlier(wall_ns, static_cast<std::uint64_t>((wall_ns % kDayNs + kDayNs) % kDayNs));
}

/// Microseconds with their nanoseconds: the format's unit.
std::string micros_from(std::int64_t zero_wall_ns, std::int64_t wall_ns) {
  const bool before = wall_ns < zero_wall_ns;
  const std::uint64_t size = before ? since(wall_ns, zero_wall_ns) : since(zero_wall_ns, wall_ns);
  return fmt::format("{}{}.{:03}", before ? "-" : "", size / 1000, size % 1000);
}

/// A stay of known length, as moments.
struct Slice {
  const Segment* segment;
  std::int64_t begin_wall_ns, end_wall_ns;
};

/// The first first. Counted from the end backwards: that moment is known, and an unknown stay hides
/// what was before it.
std::vector<Slice> slices_of(const ConnectionRow& c) {
  std::vector<Slice> slices;
  std::int64_t end = c.end_wall_ns;
  for (auto segment = c.segments.rbegin(); segment != c.segments.rend(); ++segment) {
    std::int64_t begin = 0;
    if (segment->dwell.bound == Bound::Unknown) break;
    if (__builtin_sub_overflow(end, segment->dwell.ns, &begin)) break;
    slices.push_back({&*segment, begin, end});
    end = begin;
  }
  std::reverse(slices.begin(), slices.end());
  return slices;
}

}  // namespace

void PerfettoWriter::put(std::string_view event) {
  if (!status_) return;
  status_ = out_.write(first_ ? "{\"displayTimeUnit\":\"ms\",\"traceEvents\":[\n" : ",\n");
  first_ = false;
  if (status_) status_ = out_.write(event);
}

std::string PerfettoWriter::moment(std::int64_t wall_ns) {
  if (!zero_wall_ns_) zero_wall_ns_ = earlier(floor_to_day(wall_ns), kDaysBefore * kDayNs);
  return micros_from(*zero_wall_ns_, wall_ns);
}

std::uint64_t PerfettoWriter::process_of(const ConnectionRow& c) {
  const std::uint64_t pid = c.socket.owner.pid.value_or(0);
  const auto [found, is_new] = processes_.try_emplace({c.host, pid}, pid);
  if (!is_new) return found->second;
  if (!taken_.insert(pid).second) taken_.insert(found->second = next_process_++);
  const std::string_view comm = c.socket.owner.comm.view();
  name("process_name", found->second, std::nullopt,
       comm.empty() ? "unknown owner" : printable(comm));
  return found->second;
}

void PerfettoWriter::name(std::string_view what, std::uint64_t process,
                          std::optional<std::uint64_t> track, std::string_view text) {
  event_.clear();
  JsonText json(event_);
  json.begin_object().field("ph", "M").field("name", what).field("pid", process);
  if (track) json.field("tid", *track);
  json.name("args").begin_object().field("name", text).end_object().end_object();
  put(event_);
}

void PerfettoWriter::add(const ConnectionRow& c) {
  const Socket& s = c.socket;
  const std::uint64_t process = process_of(c), track = ++tracks_;
  name("thread_name", process, track,
       fmt::format("{} {} > {}", to_string(s.id), local_text(s), remote_text(s)));
  for (const Slice& slice : slices_of(c))
    // Begin and end, not a begin and a length: their sum in a reader's floating point is not the
    // next begin. Both say the same, as speedscope joins them by that.
    for (const auto& [phase, wall_ns] :
         {std::pair{"B", slice.begin_wall_ns}, {"E", slice.end_wall_ns}}) {
      event_.clear();
      JsonText json(event_);
      json.begin_object().field("ph", phase).field("pid", process).field("tid", track);
      json.name("ts").raw(moment(wall_ns)).field("name", name_of(slice.segment->state));
      json.field("cat", "tcp").name("args").begin_object();
      json.field("dwell", name_of(slice.segment->dwell.bound)).field("host", c.host);
      if (c.reason != Reason::None && slice.segment == &c.segments.back())
        json.field("reason", name_of(c.reason));
      json.end_object().end_object();
      put(event_);
    }
}

Status PerfettoWriter::finish(const Series& series) {
  name("process_name", kCounters, std::nullopt, "connections by state");
  std::int64_t at = series.start_wall_ns;
  for (const SeriesPoint& point : series.points) {
    // The population is that of the interval's end.
    at = later(at, series.width_ns);
    for (const State state : kLifeOrder) {
      if (state == State::Close || state == State::Unknown || !series.observed(state)) continue;
      event_.clear();
      JsonText json(event_);
      json.begin_object().field("ph", "C").field("pid", kCounters).name("ts").raw(moment(at));
      json.field("name", name_of(state)).name("args").begin_object();
      json.field("connections", point.population[static_cast<std::size_t>(state)]);
      json.end_object().end_object();
      put(event_);
    }
  }
  if (status_)
    status_ = out_.write(fmt::format("\n],\"otherData\":{{\"zero\":\"{}\"}}}}\n",
                                     rfc3339(zero_wall_ns_.value_or(0))));
  return status_;
}

}  // namespace tcpdwell
