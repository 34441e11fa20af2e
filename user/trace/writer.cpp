// SPDX-License-Identifier: BSD-2-Clause
#include "trace/writer.h"

#include <array>
#include <charconv>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "trace/address.h"
#include "util/duration.h"
#include "util/escape.h"

namespace tcpdwell {
namespace {

/// `,"name":`, put together by the compiler: a transition has some twenty keys.
class FieldName {
 public:
  template <std::size_t N>
  consteval FieldName(const char (&name)[N])  // NOLINT: a literal is a key
      : size_(N + 3) {
    static_assert(N + 3 <= sizeof(text_));
    text_[0] = ',';
    text_[1] = '"';
    for (std::size_t i = 0; i + 1 < N; ++i) text_[i + 2] = name[i];
    text_[N + 1] = '"';
    text_[N + 2] = ':';
  }
  std::string_view view() const { return {text_, size_}; }

 private:
  char text_[24] = {};
  std::size_t size_;
};

void add_number(std::string& out, const FieldName& key, std::uint64_t number) {
  std::array<char, 20> digits;
  const char* end = std::to_chars(digits.data(), digits.data() + digits.size(), number).ptr;
  out.append(key.view());
  out.append(digits.data(), static_cast<std::size_t>(end - digits.data()));
}

/// For text of our own making: nothing in it needs an escape.
void add_word(std::string& out, const FieldName& key, std::string_view word) {
  out.append(key.view());
  out.push_back('"');
  out.append(word);
  out.push_back('"');
}

void add_text(std::string& out, const FieldName& key, std::string_view text) {
  out.append(key.view());
  append_json_string(out, text);
}

void add_address(std::string& out, const FieldName& key, Family family, const Endpoint& endpoint) {
  out.append(key.view());
  out.push_back('"');
  append_address(out, family, endpoint);
  out.push_back('"');
}

void add_null(std::string& out, const FieldName& key) {
  out.append(key.view());
  out.append("null");
}

void begin(std::string& out, std::string_view type) {
  out.append(R"({"type":")");
  out.append(type);
  out.push_back('"');
}

void finish(std::string& out) { out.append("}\n"); }

void add_addresses(std::string& out, const Socket& socket) {
  add_word(out, "conn", to_string(socket.id));
  add_number(out, "netns", socket.netns);
  add_number(out, "family", static_cast<std::uint64_t>(socket.family));
  add_address(out, "laddr", socket.family, socket.local);
  add_number(out, "lport", socket.local.port);
  add_address(out, "raddr", socket.family, socket.remote);
  add_number(out, "rport", socket.remote.port);
}

void add_owner(std::string& out, const Owner& owner) {
  if (owner.pid) {
    add_number(out, "pid", *owner.pid);
  } else {
    add_null(out, "pid");
  }
  add_text(out, "comm", owner.comm.view());
  add_word(out, "owner", name_of(owner.source));
  add_number(out, "cgroup", owner.cgroup_id);
}

void add_duration(std::string& out, const FieldName& ns_key, const FieldName& bound_key,
                  const Dwell& dwell) {
  if (dwell.bound == Bound::Unknown) {
    add_null(out, ns_key);
  } else {
    add_number(out, ns_key, dwell.ns);
  }
  add_word(out, bound_key, name_of(dwell.bound));
}

void add_traffic(std::string& out, const TrafficStats& traffic) {
  add_number(out, "bytes_sent", traffic.bytes_sent);
  add_number(out, "bytes_received", traffic.bytes_received);
  add_number(out, "segs_out", traffic.segs_out);
  add_number(out, "segs_in", traffic.segs_in);
  add_number(out, "retrans", traffic.retrans);
  if (traffic.srtt_us) add_number(out, "srtt_us", *traffic.srtt_us);
  if (traffic.min_rtt_us) add_number(out, "min_rtt_us", *traffic.min_rtt_us);
}

/// What is known of a whole connection when it ends.
void add_life(std::string& out, const Transition& event) {
  if (event.life_ns) add_number(out, "life_ns", *event.life_ns);
  if (!event.path.empty()) {
    add_word(out, "path", event.path.to_string());
    add_word(out, "closer", name_of(closer_of(event.path, event.reason)));
  }
  if (event.traffic) add_traffic(out, *event.traffic);
}

void add_lost(std::string& out, const LossCounts& lost) {
  out.append(R"(,"lost":{"ring":)");
  out.append(std::to_string(lost[static_cast<std::size_t>(LossPlace::Ring)]));
  add_number(out, "recursion", lost[static_cast<std::size_t>(LossPlace::Recursion)]);
  add_number(out, "map", lost[static_cast<std::size_t>(LossPlace::Map)]);
  add_number(out, "output", lost[static_cast<std::size_t>(LossPlace::Output)]);
  out.push_back('}');
}

/// One reused line, written whole.
template <class Event>
Status write_line(Output& out, std::string& line, const Event& event) {
  line.clear();
  append_json(line, event);
  return out.write(line);
}

}  // namespace

void append_json(std::string& out, const Header& header) {
  begin(out, "header");
  add_number(out, "schema", static_cast<std::uint64_t>(header.schema));
  add_word(out, "tool", "tcpdwell");
  add_text(out, "version", header.version);
  add_text(out, "host", header.host);
  add_text(out, "kernel", header.kernel);
  add_text(out, "arch", header.arch);
  add_text(out, "boot_id", header.boot_id);
  add_word(out, "start", rfc3339(header.start_wall_ns));
  add_word(out, "clock", "monotonic");
  add_text(out, "minisockets", header.minisockets);
  out.append(FieldName("filters").view());
  out.append(header.filters_json);
  if (header.ports) {
    out.append(R"(,"ip_local_port_range":[)");
    out.append(std::to_string(header.ports->first) + ',' + std::to_string(header.ports->last) +
               ']');
  }
  finish(out);
}

void append_json(std::string& out, const Transition& event) {
  begin(out, "transition");
  add_word(out, "ts", rfc3339(event.wall_ns));
  add_number(out, "mono_ns", event.mono_ns);
  add_addresses(out, event.socket);
  add_word(out, "old", name_of(event.from));
  add_word(out, "new", name_of(event.to));
  add_duration(out, "dwell_ns", "dwell", event.dwell);
  add_owner(out, event.socket.owner);
  if (event.gap) out.append(R"(,"gap":true)");
  if (event.reason != Reason::None) add_word(out, "reason", name_of(event.reason));
  if (event.timer_restarts > 0) add_number(out, "timer_restarts", event.timer_restarts);
  if (event.last()) add_life(out, event);
  finish(out);
}

namespace {

void add_seed(std::string& out, const Seed& seed, std::string_view type) {
  begin(out, type);
  add_word(out, "ts", rfc3339(seed.wall_ns));
  add_number(out, "mono_ns", seed.mono_ns);
  add_addresses(out, seed.socket);
  add_word(out, "state", name_of(seed.state));
  add_duration(out, "age_ns", "age", seed.age);
  add_owner(out, seed.socket.owner);
}

void add_live(std::string& out, const Live& live) {
  if (live.queues) {
    add_number(out, "recv_queue", live.queues->receive);
    add_number(out, "send_queue", live.queues->send);
    add_number(out, "retrans", live.queues->retrans);
  }
  if (live.timer) add_word(out, "timer", name_of(*live.timer));
  if (live.timer_ns) add_number(out, "timer_ns", *live.timer_ns);
}

}  // namespace

void append_json(std::string& out, const Seed& seed, std::string_view type) {
  add_seed(out, seed, type);
  finish(out);
}

void append_json(std::string& out, const Listed& one) {
  add_seed(out, one.seed, "socket");
  add_live(out, one.seed.live);
  if (!one.cgroup->path.empty()) add_text(out, "cgroup_path", one.cgroup->path);
  if (!one.cgroup->container.empty()) add_text(out, "container", one.cgroup->container);
  if (!one.cgroup->pod.empty()) add_text(out, "pod", one.cgroup->pod);
  if (!one.cgroup->unit.empty()) add_text(out, "unit", one.cgroup->unit);
  finish(out);
}

void append_json(std::string& out, const Loss& loss) {
  begin(out, "loss");
  add_word(out, "ts", rfc3339(loss.wall_ns));
  add_word(out, "where", name_of(loss.where));
  add_number(out, "count", loss.count);
  finish(out);
}

void append_json(std::string& out, const TraceEnd& end) {
  begin(out, "end");
  add_word(out, "ts", rfc3339(end.wall_ns));
  add_number(out, "transitions", end.transitions);
  add_lost(out, end.lost);
  add_number(out, "duration_ns", end.duration_ns);
  add_number(out, "connections", end.connections);
  if (end.suspended_ns != 0) add_number(out, "suspended_ns", end.suspended_ns);
  finish(out);
}

Status TraceWriter::header(const Header& header) { return write_line(out_, line_, header); }
Status TraceWriter::transition(const Transition& event) { return write_line(out_, line_, event); }
Status TraceWriter::seed(const Seed& seed) { return write_line(out_, line_, seed); }
Status TraceWriter::loss(const Loss& loss) { return write_line(out_, line_, loss); }
Status TraceWriter::end(const TraceEnd& end) { return write_line(out_, line_, end); }

}  // namespace tcpdwell
