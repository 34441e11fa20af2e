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
#include "util/layout.h"

namespace tcpdwell {
namespace {

constexpr std::size_t kPidWidth = 7, kCommWidth = 15, kStateWidth = 11, kDwellWidth = 8;
constexpr std::size_t kPidLeast = 5, kCommLeast = 8, kDwellLeast = 6;
constexpr std::size_t kEndpointLeast = 15;   // 127.0.0.1:59798
constexpr std::size_t kStatesWidth = 25;     // ESTABLISHED -> CLOSE_WAIT
constexpr std::size_t kClockWidth = 12;      // HH:MM:SS.mmm
constexpr std::size_t kEndpointWidth = 21;   // 255.255.255.255:65535
constexpr std::size_t kEndpoint6Width = 47;  // eight full groups in brackets, and a port
constexpr std::size_t kOwnerWidth = 7, kConnWidth = 10, kNetnsWidth = 10, kCgroupWidth = 8;
constexpr std::string_view kArrow = " -> ";
constexpr std::int64_t kNsPerSecond = 1'000'000'000;

/// With the gap to the next column. Counting the columns of what is ASCII anyway takes a fifth of
/// all the time of a line.
void append_left(std::string& line, std::string_view ascii, std::size_t width) {
  line += ascii;
  line.append(width - std::min(width, ascii.size()) + 1, ' ');
}

void append_right(std::string& line, std::string_view ascii, std::size_t width) {
  line.append(width - std::min(width, ascii.size()), ' ');
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

void append_comm(std::string& line, std::string_view comm, std::size_t width) {
  if (comm.empty()) return append_left(line, "-", width);
  if (plain(comm)) return append_left(line, comm, width);
  append_padded(line, printable(comm), width, false);
  line += ' ';
}

void append_pid(std::string& line, const std::optional<std::uint32_t>& pid, std::size_t width) {
  if (pid) {
    const fmt::format_int text(*pid);
    append_right(line, {text.data(), text.size()}, width);
  } else {
    append_right(line, "-", width);
  }
  line += ' ';
}

void append_place(std::string& line, const Socket& socket, const Endpoint& endpoint,
                  std::size_t width) {
  const bool of_device = &endpoint == &socket.local || is_link_local(socket.family, endpoint);
  const std::size_t start = line.size();
  append_endpoint(line, socket.family, endpoint, of_device ? socket.iface : Comm());
  append_left(line, {}, width - std::min(width, line.size() - start));
}

void append_dwell(std::string& line, const Dwell& dwell, std::size_t width) {
  append_right(line, dwell_text(dwell), width);
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

constexpr Names<kLossPlaceCount> kLossTexts = {
    "in the ring: it was full; a larger --buffer holds longer bursts",
    "to recursion: the kernel skips a program that already runs on the same CPU",
    "for want of room in a kernel map: not followed further; --max-time-wait and --max-requests "
    "make room",
    "at the output: it takes less than comes in"};

}  // namespace

/// What a terminal has beyond the least goes to what overflows it soonest.
TextLines::Widths TextLines::widths_for(const TextOptions& options) {
  const std::size_t endpoint = options.wide ? kEndpoint6Width : kEndpointWidth;
  const Widths full{kPidWidth, kCommWidth, endpoint, kDwellWidth, true};
  const std::size_t time = options.time ? kClockWidth + 1 : 0;
  const auto needs = [time](const Widths& w) {
    const std::size_t states = w.apart ? 2 * kStateWidth + kArrow.size() : kStatesWidth;
    return time + w.pid + w.comm + 2 * w.endpoint + states + w.dwell + 5;
  };
  if (options.columns == 0 || options.wide || options.columns >= needs(full)) return full;
  Widths least{kPidLeast, kCommLeast, kEndpointLeast, kDwellLeast, false};
  std::size_t spare = options.columns - std::min(options.columns, needs(least));
  const auto grow = [&spare](std::size_t& width, std::size_t most, std::size_t times) {
    const std::size_t more = std::min(spare / times, most - width);
    width += more;
    spare -= more * times;
  };
  grow(least.dwell, kDwellWidth, 1);
  grow(least.endpoint, kEndpointWidth, 2);
  grow(least.comm, kCommWidth, 1);
  grow(least.pid, kPidWidth, 1);
  return least;
}

TextLines::TextLines(Output& out, TextOptions options)
    : out_(out), options_(options), widths_(widths_for(options)) {
  if (options_.time) tzset();  // localtime_r need not read TZ itself
}

Status TextLines::header(const Header&) {
  if (header_written_) return Ok;
  header_written_ = true;
  line_.clear();
  if (options_.colour) line_ += kSgrBold;
  if (options_.time) append_left(line_, "TIME", kClockWidth);
  append_right(line_, "PID", widths_.pid);
  line_ += ' ';
  append_left(line_, "COMM", widths_.comm);
  if (options_.wide) {
    append_left(line_, "OWNER", kOwnerWidth);
    append_left(line_, "CONN", kConnWidth);
    append_left(line_, "NETNS", kNetnsWidth);
    append_left(line_, "CGROUP", kCgroupWidth);
  }
  append_left(line_, "LOCAL", widths_.endpoint);
  append_left(line_, "REMOTE", widths_.endpoint);
  if (widths_.apart) {
    append_left(line_, "OLD", kStateWidth + kArrow.size() - 1);
    append_left(line_, "NEW", kStateWidth);
  } else {
    append_left(line_, "OLD -> NEW", kStatesWidth);
  }
  append_right(line_, "DWELL", widths_.dwell);
  constexpr std::string_view kNote = "  NOTE";
  const std::size_t used = line_.size() - (options_.colour ? kSgrBold.size() : 0);
  if (options_.columns == 0 || options_.wide || used + kNote.size() <= options_.columns)
    line_ += kNote;
  if (options_.colour) line_ += kSgrReset;
  return write_line();
}

Status TextLines::transition(const Transition& transition) {
  line_.clear();
  append_time(transition.wall_ns);
  append_socket(transition.socket);
  append_states(name_of(transition.from), sgr_of(transition.from), transition.to);
  if (transition.ends_a_dwell()) {
    append_dwell(line_, transition.dwell, widths_.dwell);
  } else {
    append_right(line_, "-", widths_.dwell);
  }
  append_notes(transition);
  return write_line();
}

Status TextLines::seed(const Seed& seed) {
  line_.clear();
  append_time(seed.wall_ns);
  append_socket(seed.socket);
  append_states("(exists)", {}, seed.state);
  append_dwell(line_, seed.age, widths_.dwell);
  return write_line();
}

Status TextLines::loss(const Loss& loss) {
  line_.clear();
  append_time(loss.wall_ns);
  if (options_.colour) line_ += kSgrAlarm;
  fmt::format_to(std::back_inserter(line_), "lost {} event{} {}", loss.count,
                 loss.count == 1 ? "" : "s", entry_of(kLossTexts, loss.where));
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
  append_pid(line_, socket.owner.pid, widths_.pid);
  append_comm(line_, socket.owner.comm.view(), widths_.comm);
  if (options_.wide) {
    const bool known = socket.owner.source != OwnerSource::None;
    append_left(line_, known ? name_of(socket.owner.source) : "-", kOwnerWidth);
    append_left(line_, to_string(socket.id), kConnWidth);
    append_number(line_, socket.netns, kNetnsWidth);
    append_number(line_, socket.cgroup_id, kCgroupWidth);
  }
  append_place(line_, socket, socket.local, widths_.endpoint);
  append_place(line_, socket, socket.remote, widths_.endpoint);
}

void TextLines::append_states(std::string_view from, std::string_view from_colour, State to) {
  const auto append = [this](std::string_view name, std::string_view colour) {
    const bool paint = options_.colour && !colour.empty();
    if (paint) line_ += colour;
    line_ += name;
    if (paint) line_ += kSgrReset;
  };
  append(from, from_colour);
  if (widths_.apart)
    append_padded(line_, {}, kStateWidth - std::min(kStateWidth, from.size()), false);
  line_ += kArrow;
  const std::string_view name = name_of(to);
  append(name, sgr_of(to));
  const std::size_t width = widths_.apart ? kStateWidth : kStatesWidth;
  const std::size_t used = name.size() + (widths_.apart ? 0 : from.size() + kArrow.size());
  append_left(line_, {}, width - std::min(width, used));
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
