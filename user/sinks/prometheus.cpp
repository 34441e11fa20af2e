// SPDX-License-Identifier: BSD-2-Clause
#include "sinks/prometheus.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <map>
#include <numeric>
#include <tuple>
#include <utility>
#include <vector>

#include "util/escape.h"
#include "util/names.h"

namespace tcpdwell {
namespace {

enum class Kind { Counter, Gauge, Histogram };

std::string_view word_of(Kind kind) {
  return entry_of(Names<3>{"counter", "gauge", "histogram"}, kind);
}

/// Nanoseconds as seconds, all digits that matter; with a point, as OpenMetrics wants bounds.
std::string seconds(std::uint64_t s, std::uint64_t ns) {
  std::string text = fmt::format("{}.{:09}", s, ns);
  text.erase(text.find_last_not_of('0') + 1);
  if (text.back() == '.') text += '0';
  return text;
}
std::string seconds(std::uint64_t ns) { return seconds(ns / 1'000'000'000, ns % 1'000'000'000); }

using Labels = std::vector<std::pair<std::string_view, std::string>>;

class Writer {
 public:
  explicit Writer(MetricsFormat format) : format_(format) {}

  /// What is added until the next family begins belongs to this one.
  void family(std::string_view name, Kind kind, std::string_view help) {
    std::string_view base = name;
    if (format_ == MetricsFormat::OpenMetrics && kind == Kind::Counter)
      base.remove_suffix(std::string_view("_total").size());
    name_ = name;
    put("# HELP {} {}\n# TYPE {} {}\n", base, help, base, word_of(kind));
  }
  template <class Value>
  void add(const Labels& labels, const Value& value, std::string_view suffix = "") {
    text_ += name_;
    text_ += suffix;
    char before = '{';
    for (const auto& [label, of] : labels) {
      put("{}{}=\"{}\"", before, label, label_value(of));
      before = ',';
    }
    if (!std::empty(labels)) text_ += '}';
    put(" {}\n", value);
  }
  std::string end() {
    if (format_ == MetricsFormat::OpenMetrics) text_ += "# EOF\n";
    return std::move(text_);
  }

 private:
  template <class... Values>
  void put(fmt::format_string<Values...> format, Values&&... values) {
    fmt::format_to(std::back_inserter(text_), format, std::forward<Values>(values)...);
  }

  MetricsFormat format_;
  std::string_view name_;
  std::string text_;
};

std::string state_name(State state) { return std::string(name_of(state)); }
std::size_t number_of(State state) { return static_cast<std::size_t>(state); }

/// Of DwellTotals or LifeTotals.
template <class OfTotals>
void add_histogram(Writer& out, const Labels& labels, const OfTotals& totals) {
  const auto with_bound = [&labels](std::string bound) {
    Labels all = labels;
    all.emplace_back("le", std::move(bound));
    return all;
  };
  std::uint64_t below = 0;
  for (std::size_t i = 0; i < kBucketCount; ++i) {
    below += totals.buckets[i];
    out.add(with_bound(seconds(kBucketBounds[i])), below, "_bucket");
  }
  below += totals.buckets[kBucketCount];
  out.add(with_bound("+Inf"), below, "_bucket");
  out.add(labels, seconds(totals.sum_s, totals.sum_ns), "_sum");
  out.add(labels, below, "_count");
}

void add_dwells(Writer& out, const LiveState& live) {
  const Totals& totals = live.totals;
  out.family("tcpdwell_dwell_seconds", Kind::Histogram,
             "Time spent in a state, of dwells that ended and are known exactly.");
  for (const State state : kLifeOrder) {
    if (state == State::Close || !live.observed(state)) continue;  // no connection is in CLOSE
    add_histogram(out, {{"state", state_name(state)}}, totals.dwells[number_of(state)]);
  }
  if (live.minisockets == "fentry") {
    out.family("tcpdwell_accept_wait_seconds", Kind::Histogram,
               "Time that servers' connections were ESTABLISHED before accept() fetched them, or "
               "before they left it unfetched.");
    add_histogram(out, {}, totals.not_accepted);
  }
  out.family("tcpdwell_dwells_inexact_total", Kind::Counter,
             "Dwells that ended and are in no histogram: bounded from below, or unknown.");
  for (const State state : kLifeOrder) {
    if (state == State::Close) continue;
    const DwellTotals& dwells = totals.dwells[number_of(state)];
    out.add({{"state", state_name(state)}, {"bound", "at_least"}}, dwells.at_least);
    out.add({{"state", state_name(state)}, {"bound", "unknown"}}, dwells.unknown);
  }
}

void add_lives(Writer& out, const std::array<LifeTotals, 3>& lives) {
  const auto each = [&lives](const auto& visit) {
    for (const auto& [role, side] : {std::pair(Role::Active, "active"),
                                     {Role::Passive, "passive"},
                                     {Role::Unknown, "unknown"}})
      visit(std::string(side), lives[static_cast<std::size_t>(role)]);
  };
  out.family("tcpdwell_connection_life_seconds", Kind::Histogram,
             "Lives of connections that ended, from the SYN to the end or to TIME_WAIT.");
  each([&out](const std::string& side, const LifeTotals& of) {
    add_histogram(out, {{"side", side}}, of);
  });
  out.family("tcpdwell_connection_lives_unknown_total", Kind::Counter,
             "Connections that ended and are in no histogram, as their beginning was not seen.");
  each([&out](const std::string& side, const LifeTotals& of) {
    out.add({{"side", side}}, of.unknown);
  });
}

void add_failed(Writer& out, const std::vector<FailedConnects>& failed) {
  out.family("tcpdwell_connects_failed_total", Kind::Counter,
             "Attempts to connect that came to nothing, of the destinations with most.");
  for (const FailedConnects& one : failed)
    out.add({{"raddr", address_text(one.family, one.remote)},
             {"rport", std::to_string(one.remote.port)},
             {"reason", one.reason == Reason::None ? "none" : std::string(name_of(one.reason))}},
            one.count);
}

void add_sockets(Writer& out, const LiveState& state) {
  out.family("tcpdwell_sockets", Kind::Gauge, "Sockets in a state, as the kernel lists them.");
  for (const State s : kLifeOrder)
    if (const auto sockets = state.count_of(s, state.survey.population);
        sockets && s != State::Close && s != State::Unknown)
      out.add({{"state", state_name(s)}}, *sockets);
  out.family("tcpdwell_survey_age_seconds", Kind::Gauge,
             "How long ago the sockets that are open were counted.");
  out.add({}, seconds(state.mono_ns - state.survey.mono_ns));
  out.family("tcpdwell_oldest_seconds", Kind::Gauge,
             "How long the oldest socket in a state has been in it, at least.");
  for (const State s : kLifeOrder)
    if (const auto& oldest = state.survey.oldest[number_of(s)])
      out.add({{"state", state_name(s)}}, seconds(oldest->ns));
}

void add_transitions(Writer& out, const Totals& totals) {
  out.family("tcpdwell_transitions_total", Kind::Counter, "State transitions.");
  for (const State from : kLifeOrder)
    for (const State to : kLifeOrder)
      if (const auto count = totals.transitions[number_of(from)][number_of(to)])
        out.add({{"old", state_name(from)}, {"new", state_name(to)}}, count);
  out.family("tcpdwell_connections_opened_total", Kind::Counter,
             "Connections begun, by this host (active) or towards it (passive).");
  out.add({{"side", "active"}}, totals.opened_active());
  out.add({{"side", "passive"}}, totals.opened_passive());
  out.family("tcpdwell_connections_ended_total", Kind::Counter,
             "Connections that ended, by the reason the kernel gives and who closed first.");
  for (std::size_t reason = 0; reason < kReasonCount; ++reason)
    for (std::size_t closer = 0; closer < Tally::kClosers; ++closer) {
      const std::uint64_t count = totals.ends[reason][closer];
      if (count == 0) continue;
      const auto why = static_cast<Reason>(reason);
      out.add({{"reason", why == Reason::None ? "none" : std::string(name_of(why))},
               {"closer", std::string(name_of(static_cast<Closer>(closer)))}},
              count);
    }
}

void add_ports(Writer& out, const LiveState& state) {
  const auto add = [&](const PortRow& row, std::uint64_t value) {
    out.add({{"netns", std::to_string(row.netns)},
             {"laddr", row.local_text()},
             {"raddr", row.any_remote ? "any" : address_text(row.family, row.remote)},
             {"rport", std::to_string(row.remote.port)}},
            value);
  };
  out.family("tcpdwell_ports_used", Kind::Gauge,
             "Local ports taken towards a destination, TIME_WAIT included.");
  for (const PortRow& row : state.recent.ports)
    if (row.live + row.time_wait > 0) add(row, row.live + row.time_wait);
  out.add({{"netns", ""}, {"laddr", ""}, {"raddr", "other"}, {"rport", ""}},
          state.other_ports.live + state.other_ports.time_wait);
  out.family("tcpdwell_ports_range", Kind::Gauge,
             "Ports of net.ipv4.ip_local_port_range that are not reserved.");
  for (const PortRow& row : state.recent.ports)
    if (row.live + row.time_wait > 0) add(row, row.range);
}

/// Those of which most are bound, so that the number of series has a limit.
void add_bound_ports(Writer& out, const LiveState& state) {
  constexpr std::size_t kMostNamespaces = 20;
  std::vector<LocalPorts> all;
  for (const NamespacePorts& ns : state.recent.local_ports)
    if (ns.ports.bound.value_or(0) > 0) all.push_back(ns.ports);
  std::stable_sort(all.begin(), all.end(),
                   [](const LocalPorts& a, const LocalPorts& b) { return *a.bound > *b.bound; });
  if (all.size() > kMostNamespaces) all.resize(kMostNamespaces);
  const auto add = [&out](const LocalPorts& ports, std::uint64_t value) {
    out.add({{"netns", std::to_string(ports.netns)}, {"vrf", std::string(ports.vrf.view())}},
            value);
  };
  out.family("tcpdwell_ports_bound", Kind::Gauge,
             "Local ports that bind() took, for all destinations, at most in the last minutes.");
  for (const LocalPorts& ports : all) add(ports, *ports.bound);
  out.family("tcpdwell_ports_unconnected", Kind::Gauge,
             "Local ports that bind() took and that no connection has, then.");
  for (const LocalPorts& ports : all) add(ports, ports.unconnected.value_or(0));
  out.family("tcpdwell_ports_available", Kind::Gauge,
             "Local ports that a network namespace gives to connect(), bound ones among them.");
  for (const LocalPorts& ports : all) add(ports, ports.available());
}

void add_owners(Writer& out, const LiveState& state) {
  // A process that is named like one of ours is counted with it: a series may appear once only.
  std::map<std::string, std::array<std::uint64_t, kStateCount>> named;
  for (const OwnerRow& owner : state.survey.owners) {
    const std::string name = owner.comm ? std::string(owner.comm->view()) : "other";
    auto& sockets = named[name.empty() ? "?" : name];
    for (std::size_t i = 0; i < kStateCount; ++i) sockets[i] += owner.sockets[i];
  }
  out.family("tcpdwell_open_sockets_owner", Kind::Gauge,
             "Sockets by the name of the process that owns them.");
  for (const auto& [name, sockets] : named)
    for (const State s : kLifeOrder)
      if (sockets[number_of(s)] > 0)
        out.add({{"comm", name}, {"state", state_name(s)}}, sockets[number_of(s)]);
}

void add_containers(Writer& out, const std::vector<ContainerRow>& rows) {
  const auto add = [&](const auto ContainerRow::*figures, const auto& text_of) {
    for (const ContainerRow& row : rows)
      for (const State s : kLifeOrder)
        if (const std::uint64_t figure = (row.*figures)[number_of(s)])
          out.add({{"namespace", row.pod_namespace},
                   {"pod", row.pod},
                   {"container", row.container},
                   {"state", state_name(s)}},
                  text_of(figure));
  };
  out.family("tcpdwell_container_sockets", Kind::Gauge,
             "Sockets by the container that made them, and their state.");
  add(&ContainerRow::sockets, [](std::uint64_t count) { return std::to_string(count); });
  out.family("tcpdwell_container_oldest_seconds", Kind::Gauge,
             "How long the oldest socket of a container has been in its state, at least.");
  add(&ContainerRow::oldest_ns, [](std::uint64_t ns) { return seconds(ns); });
}

/// Those whose queue is fullest first, then those that have dropped most.
std::vector<ListenerRow> worst(std::vector<ListenerRow> rows, std::size_t most) {
  const auto rank = [](const ListenerRow& row) {
    return std::tuple(row.most == 0 ? 0 : 1000 * row.waiting / row.most, row.drops);
  };
  std::sort(rows.begin(), rows.end(), [&](const ListenerRow& a, const ListenerRow& b) {
    return std::tuple(rank(b), a.netns, a.local.port, a.local.addr) <
           std::tuple(rank(a), b.netns, b.local.port, b.local.addr);
  });
  if (rows.size() > most) rows.resize(most);
  return rows;
}

void add_listeners(Writer& out, const std::vector<ListenerRow>& rows) {
  const auto labels_of = [](const ListenerRow& row) {
    return Labels{{"netns", std::to_string(row.netns)},
                  {"laddr", address_text(row.family, row.local)},
                  {"lport", std::to_string(row.local.port)}};
  };
  const auto add = [&](std::uint64_t ListenerRow::*figure) {
    for (const ListenerRow& row : rows) out.add(labels_of(row), row.*figure);
  };
  out.family("tcpdwell_listen_queue", Kind::Gauge, "Connections that nobody has accepted yet.");
  add(&ListenerRow::waiting);
  out.family("tcpdwell_listen_queue_limit", Kind::Gauge,
             "Connections that may wait to be accepted; the queue is full with one more.");
  add(&ListenerRow::most);
  out.family("tcpdwell_listen_drops_total", Kind::Counter,
             "SYNs and ACKs that a listening socket dropped, for want of room above all.");
  add(&ListenerRow::drops);
  if (std::none_of(rows.begin(), rows.end(),
                   [](const ListenerRow& row) { return row.overflows.has_value(); }))
    return;
  out.family("tcpdwell_listen_overflows_total", Kind::Counter,
             "SYNs and last ACKs of handshakes that found the accept queue full.");
  for (const ListenerRow& row : rows)
    if (row.overflows) out.add(labels_of(row), *row.overflows);
}

/// Those with most sockets, then all others as one.
std::vector<ListenPortRow> busiest(std::vector<ListenPortRow> rows, std::size_t most) {
  const auto all_of = [](const ListenPortRow& row) {
    return std::accumulate(row.sockets.begin(), row.sockets.end(), std::uint64_t{0});
  };
  std::sort(rows.begin(), rows.end(), [&](const ListenPortRow& a, const ListenPortRow& b) {
    return std::tuple(all_of(b), a.netns, a.port) < std::tuple(all_of(a), b.netns, b.port);
  });
  if (rows.size() <= most) return rows;
  ListenPortRow others;
  for (std::size_t i = most; i < rows.size(); ++i)
    for (std::size_t state = 0; state < kStateCount; ++state)
      others.sockets[state] += rows[i].sockets[state];
  rows.resize(most);
  rows.push_back(others);
  return rows;
}

void add_listen_ports(Writer& out, const std::vector<ListenPortRow>& rows) {
  out.family("tcpdwell_listen_port_sockets", Kind::Gauge,
             "Sockets at a local port at which some listen, by their state.");
  for (const ListenPortRow& row : rows) {
    const bool others = row.port == 0;
    for (const State s : kLifeOrder)
      if (const std::uint64_t count = row.sockets[number_of(s)])
        out.add({{"netns", others ? "" : std::to_string(row.netns)},
                 {"lport", others ? "other" : std::to_string(row.port)},
                 {"state", state_name(s)}},
                count);
  }
}

void add_findings(Writer& out, const LiveState& state) {
  constexpr std::pair<std::string_view, Severity> kKinds[] = {
      {"close_wait_leak", Severity::Warning},     {"close_wait_leak", Severity::Critical},
      {"port_exhaustion", Severity::Warning},     {"port_exhaustion", Severity::Critical},
      {"connect_refused", Severity::Warning},     {"connect_timeout", Severity::Warning},
      {"connect_unreachable", Severity::Warning}, {"keep_alive_mismatch", Severity::Warning},
      {"syn_backlog", Severity::Warning},         {"time_wait_on_server", Severity::Note},
      {"fin_wait2_held", Severity::Warning},      {"close_wait_chain", Severity::Warning},
      {"not_accepted", Severity::Critical},       {"accept_queue_full", Severity::Warning},
      {"slow_handshakes", Severity::Warning},     {"idle_dropped", Severity::Warning}};
  std::map<std::pair<std::string, Severity>, std::uint64_t> counts;
  for (const auto& [kind, severity] : kKinds) counts[{std::string(kind), severity}] = 0;
  for (const Finding& finding : state.recent.findings) ++counts[{finding.kind, finding.severity}];
  out.family("tcpdwell_findings", Kind::Gauge, "Findings of the last five to ten minutes.");
  for (const auto& [what, count] : counts)
    out.add({{"kind", what.first}, {"severity", std::string(name_of(what.second))}}, count);
}

void add_process(Writer& out, const ProcessFigures& process) {
  out.family("tcpdwell_build_info", Kind::Gauge, "Always 1; the labels have the values.");
  out.add({{"version", process.version},
           {"kernel", process.kernel},
           {"arch", process.arch},
           {"minisockets", process.minisockets}},
          1);
  out.family("process_cpu_seconds_total", Kind::Counter,
             "Processor time of this process, without the kernel program's.");
  out.add({}, seconds(process.cpu_ns));
  out.family("process_resident_memory_bytes", Kind::Gauge, "Resident memory of this process.");
  if (process.resident_bytes) out.add({}, *process.resident_bytes);
  out.family("process_start_time_seconds", Kind::Gauge, "When this process started, Unix time.");
  out.add({}, seconds(static_cast<std::uint64_t>(process.start_wall_ns)));
}

}  // namespace

std::string label_value(std::string_view text) {
  std::string value;
  for (const char c : printable(text)) {
    if (c == '\\' || c == '"') value += '\\';
    value += c;
  }
  return value;
}

std::string_view content_type_of(MetricsFormat format) {
  return format == MetricsFormat::OpenMetrics
             ? "application/openmetrics-text; version=1.0.0; charset=utf-8"
             : "text/plain; version=0.0.4; charset=utf-8";
}

std::string metrics_text(const LiveState& state, const ProcessFigures& process,
                         MetricsFormat format, const std::vector<ContainerRow>& containers,
                         std::size_t most_listeners) {
  Writer out(format);
  add_dwells(out, state);
  add_lives(out, state.totals.lives);
  add_sockets(out, state);
  add_transitions(out, state.totals);
  add_failed(out, state.failed_connects);
  add_ports(out, state);
  add_bound_ports(out, state);
  add_owners(out, state);
  add_containers(out, containers);
  add_listeners(out, worst(state.survey.listeners, most_listeners));
  add_listen_ports(out, busiest(state.survey.listen_ports, most_listeners));
  add_findings(out, state);
  out.family("tcpdwell_lost_total", Kind::Counter, "Events lost, by place.");
  for (std::size_t place = 0; place < kLossPlaceCount; ++place)
    out.add({{"where", std::string(name_of(static_cast<LossPlace>(place)))}},
            state.totals.lost[place]);
  out.family("tcpdwell_not_followed_total", Kind::Counter,
             "Always 0: open connections are not followed, the kernel counts them.");
  out.add({}, 0);
  add_process(out, process);
  return out.end();
}

}  // namespace tcpdwell
