// SPDX-License-Identifier: BSD-2-Clause
#include "trace/events.h"

#include <arpa/inet.h>

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "util/duration.h"

namespace tcpdwell {
namespace {

constexpr std::uint64_t kMax16 = std::numeric_limits<std::uint16_t>::max();
constexpr std::uint64_t kMax32 = std::numeric_limits<std::uint32_t>::max();

/// A comm is cut where a character begins: one that was no UTF-8 has grown by its U+FFFDs.
Comm comm_of(std::string_view text) {
  constexpr std::size_t kMost = 15;
  if (text.size() <= kMost) return Comm(text);
  std::size_t size = kMost;
  while (size > 0 && (static_cast<unsigned char>(text[size]) & 0xC0U) == 0x80U) --size;
  return Comm(text.substr(0, size));
}

Endpoint read_endpoint(Fields& fields, Family family, std::string_view addr_name,
                       std::string_view port_name) {
  Endpoint endpoint;
  const std::string_view text = fields.text(addr_name);
  endpoint.port = static_cast<std::uint16_t>(fields.number(port_name, kMax16));
  if (!fields.ok()) return endpoint;
  const bool whole = std::strlen(text.data()) == text.size();
  const int kind = family == Family::V4 ? AF_INET : AF_INET6;
  if (!whole || inet_pton(kind, text.data(), endpoint.addr.data()) != 1) {
    fields.fail(addr_name, "is no address of its family");
  }
  return endpoint;
}

Family read_family(Fields& fields) {
  const std::uint64_t family = fields.number("family");
  if (family != 4 && family != 6) fields.fail("family", "is neither 4 nor 6");
  return family == 6 ? Family::V6 : Family::V4;
}

Owner read_owner(Fields& fields) {
  Owner owner;
  if (const auto pid = fields.number_or_null("pid", kMax32)) {
    if (*pid == 0) fields.fail("pid", "is out of range");
    owner.pid = static_cast<std::uint32_t>(*pid);
  }
  owner.comm = comm_of(fields.text("comm"));
  owner.source = fields.word("owner", parse_owner_source);
  owner.cgroup_id = fields.number("cgroup");
  return owner;
}

/// All of a socket but its owner, which comes later in the line.
Socket read_addresses(Fields& fields) {
  Socket socket;
  socket.id = fields.word("conn", parse_conn_id);
  socket.netns = static_cast<std::uint32_t>(fields.number("netns", kMax32));
  socket.family = read_family(fields);
  socket.local = read_endpoint(fields, socket.family, "laddr", "lport");
  socket.remote = read_endpoint(fields, socket.family, "raddr", "rport");
  return socket;
}

Dwell read_duration(Fields& fields, std::string_view ns_name, std::string_view bound_name) {
  const auto ns = fields.number_or_null(ns_name);
  const Bound bound = fields.word(bound_name, parse_bound);
  if (ns.has_value() != (bound != Bound::Unknown)) fields.fail(ns_name, "contradicts its bound");
  return Dwell{bound, ns.value_or(0)};
}

std::optional<std::uint32_t> read_rtt(Fields& fields, std::string_view name) {
  const auto us = fields.number_if_any(name, kMax32);
  return us ? std::optional(static_cast<std::uint32_t>(*us)) : std::nullopt;
}

std::optional<TrafficStats> read_traffic(Fields& fields) {
  const auto sent = fields.number_if_any("bytes_sent");
  if (!sent) return std::nullopt;
  TrafficStats traffic;
  traffic.bytes_sent = *sent;
  traffic.bytes_received = fields.number("bytes_received");
  traffic.segs_out = static_cast<std::uint32_t>(fields.number("segs_out", kMax32));
  traffic.segs_in = static_cast<std::uint32_t>(fields.number("segs_in", kMax32));
  traffic.retrans = static_cast<std::uint32_t>(fields.number("retrans", kMax32));
  traffic.srtt_us = read_rtt(fields, "srtt_us");
  traffic.min_rtt_us = read_rtt(fields, "min_rtt_us");
  return traffic;
}

void read_life(Fields& fields, Transition& event) {
  event.life_ns = fields.number_if_any("life_ns");
  event.path = fields.word_if_any("path", Path::parse);
  fields.word_if_any("closer", parse_closer);  // follows from path and reason
  event.traffic = read_traffic(fields);
}

LossCounts read_lost(Fields& fields) {
  LossCounts lost{};
  const rapidjson::Value* object = fields.object("lost");
  if (object == nullptr) return lost;
  Fields places(*object);
  for (std::size_t i = 0; i < lost.size(); ++i) {
    lost[i] = places.number_if_any(name_of(static_cast<LossPlace>(i))).value_or(0);
  }
  if (!places.ok()) fields.fail("lost", "holds something that is no count");
  return lost;
}

std::string read_filters(Fields& fields) {
  if (!fields.has("filters")) return "{}";
  const rapidjson::Value* filters = fields.object("filters");
  if (filters == nullptr) return "{}";
  std::optional<std::string> text = compact_json(*filters);
  if (!text) fields.fail("filters", "is not understood");
  return std::move(text).value_or("{}");
}

std::optional<EphemeralPorts> read_ports(Fields& fields) {
  const auto ports = fields.numbers_if_any("ip_local_port_range", kMax16);
  if (!ports) return std::nullopt;
  if (ports->size() != 2 || ports->front() == 0 || ports->front() > ports->back()) {
    fields.fail("ip_local_port_range", "is no range of ports");
    return std::nullopt;
  }
  return EphemeralPorts{static_cast<std::uint16_t>(ports->front()),
                        static_cast<std::uint16_t>(ports->back())};
}

std::string_view read_minisockets(Fields& fields) {
  const std::string_view text = fields.text("minisockets");
  if (text != "fentry" && text != "timer" && text != "off") {
    fields.fail("minisockets", "is not understood");
  }
  return text;
}

}  // namespace

Transition read_transition(Fields& fields) {
  Transition event;
  event.wall_ns = fields.word("ts", parse_rfc3339);
  event.mono_ns = fields.number("mono_ns");
  event.socket = read_addresses(fields);
  event.from = fields.word("old", parse_state);
  event.to = fields.word("new", parse_state);
  event.dwell = read_duration(fields, "dwell_ns", "dwell");
  event.socket.owner = read_owner(fields);
  event.gap = fields.flag_if_any("gap");
  event.reason = fields.word_if_any("reason", parse_reason);
  event.timer_restarts =
      static_cast<std::uint32_t>(fields.number_if_any("timer_restarts", kMax32).value_or(0));
  if (event.last()) read_life(fields, event);
  return event;
}

Seed read_seed(Fields& fields) {
  Seed seed;
  seed.wall_ns = fields.word("ts", parse_rfc3339);
  seed.mono_ns = fields.number("mono_ns");
  seed.socket = read_addresses(fields);
  seed.state = fields.word("state", parse_state);
  seed.age = read_duration(fields, "age_ns", "age");
  seed.socket.owner = read_owner(fields);
  return seed;
}

Loss read_loss(Fields& fields) {
  Loss loss;
  loss.wall_ns = fields.word("ts", parse_rfc3339);
  loss.where = fields.word("where", parse_loss_place);
  loss.count = fields.number("count");
  return loss;
}

TraceEnd read_end(Fields& fields, std::int64_t start_wall_ns) {
  TraceEnd end;
  const bool dated = fields.has("ts");
  if (dated) end.wall_ns = fields.word("ts", parse_rfc3339);
  end.transitions = fields.number("transitions");
  end.lost = read_lost(fields);
  end.duration_ns = fields.number("duration_ns");
  end.connections = fields.number("connections");
  if (fields.has("suspended_ns")) end.suspended_ns = fields.number("suspended_ns");
  if (!dated && __builtin_add_overflow(start_wall_ns, end.duration_ns, &end.wall_ns)) {
    fields.fail("duration_ns", "is out of range");
  }
  return end;
}

Header read_header(Fields& fields) {
  Header header;
  header.schema = static_cast<int>(fields.number("schema", std::numeric_limits<int>::max()));
  if (fields.text("tool") != "tcpdwell") fields.fail("tool", "is not \"tcpdwell\"");
  if (!fields.ok() || header.schema > kTraceSchema) return header;
  if (header.schema < 1) fields.fail("schema", "is out of range");
  header.version = fields.text_if_any("version");
  header.host = fields.text_if_any("host");
  header.kernel = fields.text_if_any("kernel");
  header.arch = fields.text_if_any("arch");
  header.boot_id = fields.text_if_any("boot_id");
  header.start_wall_ns = fields.word("start", parse_rfc3339);
  if (fields.has("clock") && fields.text("clock") != "monotonic") {
    fields.fail("clock", "is not \"monotonic\"");
  }
  header.minisockets = read_minisockets(fields);
  header.filters_json = read_filters(fields);
  header.ports = read_ports(fields);
  return header;
}

}  // namespace tcpdwell
