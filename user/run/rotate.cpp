// SPDX-License-Identifier: BSD-2-Clause
#include "run/rotate.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <utility>

#include "util/duration.h"
#include "util/host_clock.h"

namespace tcpdwell {
namespace {

constexpr std::uint64_t kLookEvery = 256U << 10;

}  // namespace

RotateClocks::RotateClocks()
    : wall([] {
        return std::chrono::nanoseconds(std::chrono::system_clock::now().time_since_epoch())
            .count();
      }),
      monotonic([] { return static_cast<std::int64_t>(host_clock_ns()); }) {}

Status parse_rotate(const std::string& text, RotateOptions& options) {
  const Error wrong{
      Fault::Usage,
      fmt::format("--rotate {}: expected a size (100M) or a duration (30m, 1h)", text)};
  if (text.empty()) return wrong;
  if (const char last = text.back(); last == 's' || last == 'm' || last == 'h') {
    auto ns = parse_duration_ns(text);
    if (!ns || *ns < 1'000'000'000) return wrong;
    options.max_age_ns = *ns;
    return Ok;
  }
  auto bytes = parse_size_bytes(text);
  if (!bytes || *bytes == 0) return wrong;
  options.max_bytes = *bytes;
  return Ok;
}

Result<std::unique_ptr<RotatingTrace>> RotatingTrace::create(RotateOptions options) {
  std::unique_ptr<RotatingTrace> trace(new RotatingTrace(std::move(options)));
  auto files = Parts::open(trace->options_.files, trace->wall_now());
  if (!files) return files.error();
  trace->files_ = std::move(files).value();
  // So that what cannot work is said before anything is traced; the header comes later.
  if (Status opened = trace->open_part(trace->wall_now()); !opened) return opened.error();
  return trace;
}

RotatingTrace::~RotatingTrace() = default;

std::int64_t RotatingTrace::wall_now() const {
  // In the trace's own time where there is one: a step of the wall clock is none in there.
  return wall_offset_ns_ != 0 ? options_.clocks.monotonic() + wall_offset_ns_
                              : options_.clocks.wall();
}

Status RotatingTrace::open_part(std::int64_t wall_ns) {
  auto file = files_->begin(wall_ns);
  if (!file) return file.error();
  file_ = std::move(file).value();
  ++part_;
  part_began_ = options_.clocks.monotonic();
  part_start_wall_ns_ = last_wall_ns_ = wall_ns;
  totals_ = TraceEnd{};
  suspension_ = Suspension();
  unlooked_bytes_ = 0;
  return Ok;
}

Status RotatingTrace::close_part(std::int64_t wall_ns) {
  if (Status closed = file_->close(); !closed) return closed;
  file_.reset();
  last_wall_ns_ = wall_ns;
  return files_->finish();
}

Status RotatingTrace::write_end(std::int64_t wall_ns) {
  totals_.wall_ns = wall_ns;
  totals_.duration_ns = static_cast<std::uint64_t>(wall_ns - part_start_wall_ns_);
  totals_.suspended_ns = suspension_.ns();
  return lines_.end(totals_);
}

Status RotatingTrace::rotate() {
  const std::int64_t now = std::max(wall_now(), last_wall_ns_);
  if (Status written = write_end(now); !written) return written;
  if (Status closed = close_part(now); !closed) return closed;
  if (Status opened = open_part(now); !opened) return opened;
  header_.start_wall_ns = now;
  if (Status begun = header(header_); !begun) return begun;
  if (Status told = write_ports(now); !told) return told;
  if (Status told = write_names(now); !told) return told;
  return options_.seeds && !of_connections() ? write_seeds(now) : Status(Ok);
}

Status RotatingTrace::write_seeds(std::int64_t wall_ns) {
  for (auto& [id, open] : open_) {
    Seed seed;
    seed.wall_ns = wall_ns;
    seed.mono_ns = static_cast<std::uint64_t>(wall_ns - wall_offset_ns_);
    seed.socket = open.socket;
    seed.state = open.state;
    seed.age = open.before;
    seed.age.ns += seed.mono_ns - std::min(open.since_mono_ns, seed.mono_ns);
    if (seed.age.bound == Bound::Unknown) seed.age.bound = Bound::AtLeast;
    open.part = part_;
    if (Status written = lines_.seed(seed); !written) return written;
  }
  totals_.connections = open_.size();
  return Ok;
}

Status RotatingTrace::note_if_full() {
  if (options_.max_bytes == 0 || unlooked_bytes_ < std::min(kLookEvery, options_.max_bytes))
    return Ok;
  unlooked_bytes_ = 0;
  if (Status flushed = file_->flush(); !flushed) return flushed;
  full_ = files_->size() >= options_.max_bytes;
  return Ok;
}

bool RotatingTrace::is_old() const {
  const std::int64_t age = options_.clocks.monotonic() - part_began_;
  return options_.max_age_ns != 0 && static_cast<std::uint64_t>(age) >= options_.max_age_ns;
}

Status RotatingTrace::open_told(bool looked) {
  const bool due = is_due();
  totals_.looked = looked;
  full_ = false;
  return due ? rotate() : file_->flush();
}

void RotatingTrace::follow(const Socket& socket, State state, std::uint64_t mono_ns,
                           const Dwell& before) {
  Open& open = open_[socket.id];
  if (open.part != part_) ++totals_.connections;
  open = {socket, state, mono_ns, before, part_};
}

Status RotatingTrace::header(const Header& header) {
  header_ = header;
  part_start_wall_ns_ = header.start_wall_ns;
  // Its lines have no time of the monotonic clock.
  if (of_connections()) wall_offset_ns_ = header.start_wall_ns - options_.clocks.monotonic();
  return lines_.header(header);
}

Status RotatingTrace::transition(const Transition& t) {
  wall_offset_ns_ = t.wall_ns - static_cast<std::int64_t>(t.mono_ns);
  last_wall_ns_ = std::max(last_wall_ns_, t.wall_ns);
  ++totals_.transitions;
  follow(t.socket, t.to, t.mono_ns, {Bound::Exact, 0});
  if (t.last()) open_.erase(t.socket.id);
  if (Status written = lines_.transition(t); !written) return written;
  return note_if_full();
}

Status RotatingTrace::seed(const Seed& seed) {
  wall_offset_ns_ = seed.wall_ns - static_cast<std::int64_t>(seed.mono_ns);
  follow(seed.socket, seed.state, seed.mono_ns, seed.age);
  return lines_.seed(seed);
}

Status RotatingTrace::connection(const Connection& c) {
  last_wall_ns_ = std::max(last_wall_ns_, c.wall_ns());
  if (const auto open = open_.find(c.socket.id); open == open_.end() || open->second.part != part_)
    ++totals_.connections;
  if (c.open())
    open_[c.socket.id].part = part_;
  else
    open_.erase(c.socket.id);
  if (Status written = lines_.connection(c); !written) return written;
  return note_if_full();
}

Status RotatingTrace::local_ports(const LocalPorts& ports) {
  ports_[{ports.netns, std::string(ports.vrf.view())}] = ports;
  return lines_.local_ports(ports);
}

Status RotatingTrace::write_ports(std::int64_t wall_ns) {
  for (auto& [key, ports] : ports_) {
    ports.wall_ns = wall_ns;
    if (Status written = lines_.local_ports(ports); !written) return written;
  }
  return Ok;
}

Status RotatingTrace::cgroup_name(const NamedCgroup& named) {
  names_[named.id] = named;
  return lines_.cgroup_name(named);
}

Status RotatingTrace::write_names(std::int64_t wall_ns) {
  for (auto& [id, named] : names_) {
    named.wall_ns = wall_ns;
    if (Status written = lines_.cgroup_name(named); !written) return written;
  }
  return Ok;
}

Status RotatingTrace::loss(const Loss& loss) {
  totals_.lost[static_cast<std::size_t>(loss.where)] += loss.count;
  return lines_.loss(loss);
}

Status RotatingTrace::end(const TraceEnd& end) {
  totals_.looked = end.looked;
  return write_end(std::max(end.wall_ns, part_start_wall_ns_));
}

Status RotatingTrace::write(std::string_view bytes) {
  unlooked_bytes_ += bytes.size();
  return file_->write(bytes);
}

Status RotatingTrace::flush() { return file_->flush(); }

Status RotatingTrace::close() { return file_ ? close_part(last_wall_ns_) : Status(Ok); }

}  // namespace tcpdwell
