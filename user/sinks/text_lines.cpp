// SPDX-License-Identifier: BSD-2-Clause
#include "sinks/text_lines.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <ctime>
#include <iterator>
#include <optional>
#include <string>
#include <string_view>

#include "model/colour.h"
#include "util/duration.h"
#include "util/escape.h"

namespace tcpdwell {
namespace {

constexpr std::size_t kPidWidth = 7, kCommWidth = 15, kStateWidth = 11, kDwellWidth = 8;
constexpr std::size_t kClockWidth = 12;      // HH:MM:SS.mmm
constexpr std::size_t kEndpointWidth = 21;   // 255.255.255.255:65535
constexpr std::size_t kEndpoint6Width = 47;  // eight full groups in brackets, and a port
constexpr std::size_t kOwnerWidth = 7, kConnWidth = 10, kNetnsWidth = 10, kCgroupWidth = 8;
constexpr std::string_view kArrow = " -> ";
constexpr std::int64_t kNsPerSecond = 1'000'000'000;

/// Adds blanks for a text that took `used` of `width` columns, and the gap to the next column.
void pad(std::string& line, std::size_t used, std::size_t width) {
  line.append(used < width ? width - used + 1 : 1, ' ');
}

void append_left(std::string& line, std::string_view ascii, std::size_t width) {
  line += ascii;
  pad(line, ascii.size(), width);
}

void append_right(std::string& line, std::string_view ascii, std::size_t width) {
  if (ascii.size() < width) line.append(width - ascii.size(), ' ');
  line += ascii;
}

/// A number whose 0 means that there is none.
void append_number(std::string& line, std::uint64_t number, std::size_t width) {
  if (number == 0) return append_left(line, "-", width);
  const fmt::format_int text(number);
  append_left(line, {text.data(), text.size()}, width);
}

bool plain(std::string_view text) {
  return std::all_of(text.begin(), text.end(),
                     [](char c) { return c >= ' ' && c <= '~' && c != '\\'; });
}

void append_comm(std::string& line, std::string_view comm) {
  if (comm.empty()) return append_left(line, "-", kCommWidth);
  if (plain(comm)) return append_left(line, comm, kCommWidth);
  const std::string safe = printable(comm);
  line += safe;
  pad(line, display_width(safe), kCommWidth);
}

void append_pid(std::string& line, const std::optional<std::uint32_t>& pid) {
  if (pid) {
    const fmt::format_int text(*pid);
    append_right(line, {text.data(), text.size()}, kPidWidth);
  } else {
    append_right(line, "-", kPidWidth);
  }
  line += ' ';
}

void append_endpoint(std::string& line, Family family, const Endpoint& endpoint,
                     std::size_t width) {
  const std::size_t start = line.size();
  const bool v6 = family == Family::V6;
  if (v6) line += '[';
  line += address_text(family, endpoint);
  if (v6) line += ']';
  line += ':';
  if (endpoint.port == 0) {
    line += '*';
  } else {
    const fmt::format_int port(endpoint.port);
    line.append(port.data(), port.size());
  }
  pad(line, line.size() - start, width);
}

void append_dwell(std::string& line, const Dwell& dwell) {
  if (dwell.bound == Bound::Unknown) return append_right(line, "?", kDwellWidth);
  const std::string text = human_duration(dwell.ns);
  if (dwell.bound == Bound::Exact) return append_right(line, text, kDwellWidth);
  append_right(line, ">=", kDwellWidth - std::min(kDwellWidth, text.size()));
  line += text;
}

void append_traffic(std::string& line, const TrafficStats& traffic) {
  fmt::format_to(std::back_inserter(line),
                 "  sent {} B  received {} B  segs {} out {} in  retrans {}",
                 human_count(traffic.bytes_sent), human_count(traffic.bytes_received),
                 traffic.segs_out, traffic.segs_in, traffic.retrans);
  const auto add_time = [&line](std::string_view name, const std::optional<std::uint32_t>& us) {
    if (!us) return;
    line += name;
    line += human_duration(std::uint64_t{*us} * 1000);
  };
  add_time("  srtt ", traffic.srtt_us);
  add_time("  min_rtt ", traffic.min_rtt_us);
}

std::string_view loss_text(LossPlace where) {
  switch (where) {
    case LossPlace::Ring:
      return "in the ring: it was full; a larger --buffer holds longer bursts";
    case LossPlace::Recursion:
      return "to recursion: the kernel skips a program that already runs on the same CPU";
    case LossPlace::Map:
      return "for want of room in a kernel map: not followed further; --max-time-wait and "
             "--max-requests make room";
    case LossPlace::Output:
      return "at the output: it takes less than comes in";
  }
  return "";
}

}  // namespace

TextLines::TextLines(Output& out, TextOptions options) : out_(out), options_(options) {
  if (options_.time) tzset();  // localtime_r need not read TZ itself
}

Status TextLines::header(const Header&) {
  if (header_written_) return Ok;
  header_written_ = true;
  line_.clear();
  if (options_.colour) line_ += kSgrBold;
  if (options_.time) append_left(line_, "TIME", kClockWidth);
  append_right(line_, "PID", kPidWidth);
  line_ += ' ';
  append_left(line_, "COMM", kCommWidth);
  if (options_.wide) {
    append_left(line_, "OWNER", kOwnerWidth);
    append_left(line_, "CONN", kConnWidth);
    append_left(line_, "NETNS", kNetnsWidth);
    append_left(line_, "CGROUP", kCgroupWidth);
  }
  const std::size_t endpoint_width = options_.wide ? kEndpoint6Width : kEndpointWidth;
  append_left(line_, "LOCAL", endpoint_width);
  append_left(line_, "REMOTE", endpoint_width);
  append_left(line_, "OLD", kStateWidth + kArrow.size() - 1);
  append_left(line_, "NEW", kStateWidth);
  append_right(line_, "DWELL", kDwellWidth);
  line_ += "  NOTE";
  if (options_.colour) line_ += kSgrReset;
  return write_line();
}

Status TextLines::transition(const Transition& transition) {
  line_.clear();
  append_time(transition.wall_ns);
  append_socket(transition.socket);
  append_state(transition.from);
  line_ += kArrow;
  append_state(transition.to);
  line_ += ' ';
  if (transition.ends_a_dwell()) {
    append_dwell(line_, transition.dwell);
  } else {
    append_right(line_, "-", kDwellWidth);
  }
  append_notes(transition);
  return write_line();
}

Status TextLines::seed(const Seed& seed) {
  line_.clear();
  append_time(seed.wall_ns);
  append_socket(seed.socket);
  append_left(line_, "(exists)", kStateWidth - 1);
  line_ += kArrow;
  append_state(seed.state);
  line_ += ' ';
  append_dwell(line_, seed.age);
  return write_line();
}

Status TextLines::loss(const Loss& loss) {
  line_.clear();
  append_time(loss.wall_ns);
  if (options_.colour) line_ += kSgrAlarm;
  fmt::format_to(std::back_inserter(line_), "lost {} event{} {}", loss.count,
                 loss.count == 1 ? "" : "s", loss_text(loss.where));
  if (options_.colour) line_ += kSgrReset;
  return write_line();
}

void TextLines::append_time(std::int64_t wall_ns) {
  if (!options_.time) return;
  std::int64_t second = wall_ns / kNsPerSecond;
  std::int64_t rest = wall_ns % kNsPerSecond;
  if (rest < 0) {
    --second;
    rest += kNsPerSecond;
  }
  if (second != clock_second_) {
    const std::time_t t = second;
    std::tm parts{};
    localtime_r(&t, &parts);
    std::strftime(clock_.data(), clock_.size(), "%H:%M:%S", &parts);
    clock_second_ = second;
  }
  line_ += clock_.data();
  fmt::format_to(std::back_inserter(line_), ".{:03} ", rest / 1'000'000);
}

void TextLines::append_socket(const Socket& socket) {
  append_pid(line_, socket.owner.pid);
  append_comm(line_, socket.owner.comm.view());
  if (options_.wide) {
    const bool known = socket.owner.source != OwnerSource::None;
    append_left(line_, known ? name_of(socket.owner.source) : "-", kOwnerWidth);
    append_left(line_, to_string(socket.id), kConnWidth);
    append_number(line_, socket.netns, kNetnsWidth);
    append_number(line_, socket.owner.cgroup_id, kCgroupWidth);
  }
  const std::size_t width = options_.wide ? kEndpoint6Width : kEndpointWidth;
  append_endpoint(line_, socket.family, socket.local, width);
  append_endpoint(line_, socket.family, socket.remote, width);
}

void TextLines::append_state(State state) {
  const std::string_view name = name_of(state);
  if (options_.colour) line_ += sgr_of(state);
  line_ += name;
  if (options_.colour) line_ += kSgrReset;
  if (name.size() < kStateWidth) line_.append(kStateWidth - name.size(), ' ');
}

void TextLines::append_notes(const Transition& transition) {
  if (transition.reason != Reason::None) (line_ += "  ") += name_of(transition.reason);
  if (transition.timer_restarts > 0) {
    fmt::format_to(std::back_inserter(line_), "  timer restarted {}x", transition.timer_restarts);
  }
  if (transition.last() && transition.life_ns) {
    (line_ += "  life ") += human_duration(*transition.life_ns);
  }
  if (transition.last() && options_.wide) {
    if (!transition.path.empty()) {
      (line_ += "  closer ") += name_of(closer_of(transition.path, transition.reason));
    }
    if (transition.traffic) append_traffic(line_, *transition.traffic);
  }
  if (transition.gap) line_ += "  gap";
}

Status TextLines::write_line() {
  line_ += '\n';
  return out_.write(line_);
}

}  // namespace tcpdwell
