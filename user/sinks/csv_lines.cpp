// SPDX-License-Identifier: BSD-2-Clause
#include "sinks/csv_lines.h"

#include <fmt/format.h>

#include <concepts>
#include <cstdint>
#include <iterator>
#include <optional>
#include <string>
#include <string_view>

#include "util/duration.h"
#include "util/escape.h"

namespace tcpdwell {
namespace {

constexpr std::string_view kColumns =
    "ts,mono_ns,conn,netns,family,laddr,lport,raddr,rport,old,new,dwell_ns,dwell,pid,comm,owner,"
    "cgroup,gap,reason,life_ns,path,closer,bytes_sent,bytes_received,segs_out,segs_in,retrans,"
    "srtt_us,min_rtt_us,timer_restarts\n";
constexpr std::string_view kNoTraffic = ",,,,,,,";     // bytes_sent to min_rtt_us
constexpr std::string_view kNoLife = ",,,,,,,,,,";     // life_ns to min_rtt_us
constexpr std::string_view kNoMore = ",,,,,,,,,,,,,";  // gap to timer_restarts
constexpr std::int64_t kNsPerSecond = 1'000'000'000;

/// Every field but a row's first brings the comma before it.
void add(std::string& line, std::string_view safe) {
  line += ',';
  line += safe;
}

void add(std::string& line, std::unsigned_integral auto number) {
  const fmt::format_int text(number);
  add(line, std::string_view(text.data(), text.size()));
}

template <std::unsigned_integral T>
void add(std::string& line, const std::optional<T>& number) {
  if (number) {
    add(line, *number);
  } else {
    line += ',';
  }
}

/// A number whose 0 means that there is none, or that it is not known yet.
void add_nonzero(std::string& line, std::unsigned_integral auto number) {
  if (number != 0) {
    add(line, number);
  } else {
    line += ',';
  }
}

void add_place(std::string& line, const Socket& socket) {
  add(line, to_string(socket.id));
  add_nonzero(line, socket.netns);
  add(line, socket.family == Family::V4 ? "4" : "6");
  add(line, address_text(socket.family, socket.local));
  add_nonzero(line, socket.local.port);
  add(line, address_text(socket.family, socket.remote));
  add_nonzero(line, socket.remote.port);
}

void add_dwell(std::string& line, const Dwell& dwell) {
  if (dwell.bound == Bound::Unknown) {
    line += ',';
  } else {
    add(line, dwell.ns);
  }
  add(line, name_of(dwell.bound));
}

void add_owner(std::string& line, const Owner& owner) {
  add(line, owner.pid);
  if (owner.comm.view().empty()) {
    line += ',';
  } else {
    add(line, csv_field(owner.comm.view()));
  }
  add(line, name_of(owner.source));
  add_nonzero(line, owner.cgroup_id);
}

void add_traffic(std::string& line, const TrafficStats& traffic) {
  add(line, traffic.bytes_sent);
  add(line, traffic.bytes_received);
  add(line, traffic.segs_out);
  add(line, traffic.segs_in);
  add(line, traffic.retrans);
  add(line, traffic.srtt_us);
  add(line, traffic.min_rtt_us);
}

/// What is known of a whole connection when it ends.
void add_life(std::string& line, const Transition& transition) {
  add(line, transition.life_ns);
  if (transition.path.empty()) {
    line += ",,";
  } else {
    add(line, transition.path.to_string());
    add(line, name_of(closer_of(transition.path, transition.reason)));
  }
  if (transition.traffic) {
    add_traffic(line, *transition.traffic);
  } else {
    line += kNoTraffic;
  }
}

}  // namespace

Status CsvLines::header(const Header&) {
  if (header_written_) return Ok;
  header_written_ = true;
  return out_.write(kColumns);
}

Status CsvLines::transition(const Transition& transition) {
  line_.clear();
  append_time(transition.wall_ns, transition.mono_ns);
  add_place(line_, transition.socket);
  add(line_, name_of(transition.from));
  add(line_, name_of(transition.to));
  add_dwell(line_, transition.dwell);
  add_owner(line_, transition.socket.owner);
  add(line_, transition.gap ? "true" : "");
  add(line_, name_of(transition.reason));
  if (transition.last()) {
    add_life(line_, transition);
  } else {
    line_ += kNoLife;
  }
  add_nonzero(line_, transition.timer_restarts);
  line_ += '\n';
  return out_.write(line_);
}

Status CsvLines::seed(const Seed& seed) {
  line_.clear();
  append_time(seed.wall_ns, seed.mono_ns);
  add_place(line_, seed.socket);
  line_ += ',';
  add(line_, name_of(seed.state));
  add_dwell(line_, seed.age);
  add_owner(line_, seed.socket.owner);
  line_ += kNoMore;
  line_ += '\n';
  return out_.write(line_);
}

/// The calendar is worked out once a second, not once a row.
void CsvLines::append_time(std::int64_t wall_ns, std::uint64_t mono_ns) {
  std::int64_t second = wall_ns / kNsPerSecond;
  std::int64_t rest = wall_ns % kNsPerSecond;
  if (rest < 0) {
    --second;
    rest += kNsPerSecond;
  }
  if (second != ts_second_) {
    const std::string whole = rfc3339(wall_ns);
    ts_prefix_ = whole.substr(0, whole.find('.') + 1);
    ts_second_ = second;
  }
  line_ += ts_prefix_;
  fmt::format_to(std::back_inserter(line_), "{:09}Z", rest);
  add(line_, mono_ns);
}

}  // namespace tcpdwell
