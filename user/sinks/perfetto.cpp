// SPDX-License-Identifier: BSD-2-Clause
#include "sinks/perfetto.h"

#include <fmt/format.h>

#include "sinks/json.h"
#include "sinks/report.h"

namespace tcpdwell {
namespace {

/// Populations are a process of their own. Linux has no pid as large.
constexpr std::uint64_t kCounters = 1U << 30;

/// Microseconds with their nanoseconds: the format's unit.
std::string micros(std::int64_t ns) {
  const std::uint64_t size =
      ns < 0 ? 0 - static_cast<std::uint64_t>(ns) : static_cast<std::uint64_t>(ns);
  return fmt::format("{}{}.{:03}", ns < 0 ? "-" : "", size / 1000, size % 1000);
}

}  // namespace

void PerfettoWriter::put(std::string_view event) {
  if (!status_) return;
  status_ = out_.write(first_ ? "{\"displayTimeUnit\":\"ms\",\"traceEvents\":[\n" : ",\n");
  first_ = false;
  if (status_) status_ = out_.write(event);
}

void PerfettoWriter::name_process(const ConnectionRow& c, std::uint64_t pid) {
  if (!named_.insert(pid).second) return;
  event_.clear();
  const std::string_view comm = c.socket.owner.comm.view();
  JsonText(event_)
      .begin_object()
      .field("ph", "M")
      .field("name", "process_name")
      .field("pid", pid)
      .name("args")
      .begin_object()
      .field("name", comm.empty() ? "unknown owner" : comm)
      .end_object()
      .end_object();
  put(event_);
}

void PerfettoWriter::add(const ConnectionRow& c) {
  const Socket& s = c.socket;
  const std::uint64_t pid = s.owner.pid.value_or(0), track = ++tracks_;
  name_process(c, pid);
  event_.clear();
  const std::string name =
      fmt::format("{} {} > {}", to_string(s.id), endpoint_text(s.family, s.local),
                  endpoint_text(s.family, s.remote));
  JsonText(event_)
      .begin_object()
      .field("ph", "M")
      .field("name", "thread_name")
      .field("pid", pid)
      .field("tid", track)
      .name("args")
      .begin_object()
      .field("name", name)
      .end_object()
      .end_object();
  put(event_);
  // From the end backwards: that moment is known, and an unknown stay hides what was before it.
  std::int64_t end = c.end_wall_ns;
  for (auto segment = c.segments.rbegin(); segment != c.segments.rend(); ++segment) {
    if (segment->dwell.bound == Bound::Unknown) return;
    std::int64_t begin = 0;
    if (__builtin_sub_overflow(end, segment->dwell.ns, &begin)) return;
    event_ = fmt::format(R"({{"ph":"X","pid":{},"tid":{},"ts":{},"dur":{},)", pid, track,
                         micros(begin), micros(static_cast<std::int64_t>(segment->dwell.ns)));
    JsonText json(event_);
    json.field("name", name_of(segment->state)).field("cat", "tcp").name("args").begin_object();
    json.field("dwell", name_of(segment->dwell.bound)).field("host", c.host);
    if (c.reason != Reason::None && segment == c.segments.rbegin())
      json.field("reason", name_of(c.reason));
    json.end_object();
    event_ += '}';
    put(event_);
    end = begin;
  }
}

Status PerfettoWriter::finish(const Series& series) {
  event_.clear();
  JsonText(event_)
      .begin_object()
      .field("ph", "M")
      .field("name", "process_name")
      .field("pid", kCounters)
      .name("args")
      .begin_object()
      .field("name", "connections by state")
      .end_object()
      .end_object();
  put(event_);
  std::int64_t at = series.start_wall_ns;
  for (const SeriesPoint& point : series.points) {
    // The population is that of the interval's end.
    at += static_cast<std::int64_t>(series.width_ns);
    for (const State state : kLifeOrder) {
      if (state == State::Close || state == State::Unknown) continue;
      put(fmt::format(R"({{"ph":"C","pid":{},"ts":{},"name":"{}","args":{{"connections":{}}}}})",
                      kCounters, micros(at), name_of(state),
                      point.population[static_cast<std::size_t>(state)]));
    }
  }
  if (status_) status_ = out_.write("\n]}\n");
  return status_;
}

}  // namespace tcpdwell
