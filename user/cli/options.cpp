// SPDX-License-Identifier: BSD-2-Clause
#include "cli/options.h"

#include <fmt/format.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <charconv>
#include <cstdlib>
#include <limits>
#include <string_view>

#include "cli/help.h"
#include "enrich/host.h"
#include "util/duration.h"

namespace tcpdwell {
namespace {

constexpr std::uint64_t kNoLimit = std::numeric_limits<std::uint64_t>::max();
/// Minisockets followed at once: more than any host has, and what a kernel map of them can hold.
constexpr std::uint64_t kMostMinisockets = 1U << 24;

/// A LIST flag may be given more than once: -p 1,2 -p 3.
CLI::Option* add_list(CLI::App& app, const char* name, std::vector<std::string>& to, const char* help) {
  return app.add_option(name, to, help)->type_name("LIST")->allow_extra_args(false);
}

/// An empty value is a script's unset variable, not "no limit".
std::string not_empty(const std::string& value) { return value.empty() ? "the value is empty" : ""; }

std::string joined(const std::vector<std::string>& parts) { return fmt::format("{}", fmt::join(parts, ",")); }

/// Parses a LIST flag when it was given.
template <class T>
Status read_list(const char* flag, const std::vector<std::string>& raw, T& to,
                 Result<T> (*parse)(std::string_view)) {
  if (raw.empty()) return Ok;
  auto parsed = parse(joined(raw));
  if (!parsed) return Error{Fault::Usage, fmt::format("{}: {}", flag, parsed.error().message)};
  to = std::move(parsed).value();
  return Ok;
}

Status read_lists(const RawOptions& raw, Filter& filter) {
  const Status results[] = {
      read_list("--pid", raw.pids, filter.pids, parse_pids),
      read_list("--comm", raw.comms, filter.comms, parse_comms),
      read_list("--local-port", raw.local_ports, filter.local_ports, parse_ports),
      read_list("--remote-port", raw.remote_ports, filter.remote_ports, parse_ports),
      read_list("--local", raw.local, filter.local, parse_cidrs),
      read_list("--remote", raw.remote, filter.remote, parse_cidrs),
      read_list("--state", raw.states, filter.states, parse_states),
  };
  for (const Status& result : results)
    if (!result) return result;
  return Ok;
}

Status read_family(const RawOptions& raw, Filter& filter) {
  if (raw.ipv4 && !raw.ipv6) filter.family = Family::V4;
  if (raw.ipv6 && !raw.ipv4) filter.family = Family::V6;
  return Ok;
}

std::optional<std::uint64_t> whole_number(const std::string& text) {
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

/// A trace knows namespaces by inode number; the host that has them may be another.
Status read_netns(const RawOptions& raw, Scope scope, Filter& filter) {
  if (raw.netns == "all") return Ok;
  if (scope == Scope::Trace) {
    const auto inode = whole_number(raw.netns);
    if (!inode || *inode > UINT32_MAX)
      return Error{Fault::Usage, "--netns: in a trace a namespace is known by its inode number, or 'all'"};
    filter.netns = static_cast<std::uint32_t>(*inode);
    return Ok;
  }
  auto inode = netns_inode(raw.netns);
  if (!inode) return inode.error();
  filter.netns = *inode;
  return Ok;
}

Status read_cgroup(const RawOptions& raw, Scope scope, FilterChoice& choice) {
  if (raw.cgroup.empty()) return Ok;
  if (scope == Scope::Trace) {
    const auto id = whole_number(raw.cgroup);
    if (!id) return Error{Fault::Usage, "--cgroup: in a trace a cgroup is known by its id (the field `cgroup`)"};
    choice.filter.cgroups = {*id};
    return Ok;
  }
  auto found = find_cgroup(raw.cgroup);
  if (!found) return found.error();
  choice.cgroup = {found->id, found->level};
  choice.filter.cgroups = {found->id};
  return Ok;
}

}  // namespace

void add_filter_flags(CLI::App& app, RawOptions& raw) {
  app.option_defaults()->group("Which connections");
  add_list(app, "-p,--pid", raw.pids, "owned by these processes");
  add_list(app, "-n,--comm", raw.comms, "owned by processes of these names");
  add_list(app, "-L,--local-port", raw.local_ports, "local ports, also ranges: 80,8000-8010");
  add_list(app, "-D,--remote-port", raw.remote_ports, "remote ports, also ranges");
  app.add_flag("-4,--ipv4", raw.ipv4, "IPv4 sockets");
  app.add_flag("-6,--ipv6", raw.ipv6, "IPv6 sockets");
  add_list(app, "--local", raw.local, "local addresses: 10.0.0.0/8,::1")->type_name("CIDR");
  add_list(app, "--remote", raw.remote, "remote addresses")->type_name("CIDR");
  add_list(app, "--state", raw.states, "into or out of these states: time-wait,CLOSE_WAIT");
  app.add_option("--netns", raw.netns, "network namespace of a process, a path, or all")->type_name("PID|PATH|all");
  app.add_option("--cgroup", raw.cgroup, "owners in this cgroup v2 or below it")->type_name("PATH")->check(not_empty);
  app.add_option("--min-dwell", raw.min_dwell, "dwells of at least this: 500us, 10ms, 2s, 1m")->type_name("DURATION")->check(not_empty);
  app.option_defaults()->group("Options");
}

void add_look_flags(CLI::App& app, RawOptions& raw) {
  app.option_defaults()->group("Output");
  app.add_option("--format", raw.format, "text, json or csv")->type_name("FORMAT");
  app.add_option("-o,--output", raw.output, "write to FILE instead of standard output")->type_name("FILE");
  app.add_flag("-w,--wide", raw.wide, "more columns");
  app.add_flag("-T,--time", raw.time, "wall-clock time of each line");
  app.add_flag("--no-color", raw.no_color, "no colour (also: NO_COLOR in the environment)");
  app.add_flag("-q,--quiet", raw.quiet, "no summary, errors only");
  app.add_flag("-v,--verbose", raw.verbose, "say what happens");
  app.option_defaults()->group("Options");
}

void add_live_flags(CLI::App& app, RawOptions& raw) {
  app.option_defaults()->group("Tracing");
  app.add_option("--duration", raw.duration, "end after this: 500ms, 10s, 5m")->type_name("DURATION")->check(not_empty);
  app.add_option("--count", raw.count, "end after N transitions")->type_name("N")->check(whole_number_up_to(kNoLimit));
  app.add_option("--buffer", raw.buffer, "ring buffer, rounded up to a power of two [8M]")->type_name("SIZE");
  app.add_option("--minisockets", raw.minisockets, "how to follow request and time-wait sockets:\nauto, fentry, timer, off")
      ->type_name("HOW");
  app.add_option("--max-time-wait", raw.max_time_wait, "time-wait sockets followed at once [the host's limit]")
      ->type_name("N")->check(whole_number_up_to(kMostMinisockets));
  app.add_option("--max-requests", raw.max_requests, "request sockets followed at once [by host limits]")
      ->type_name("N")->check(whole_number_up_to(kMostMinisockets));
  app.option_defaults()->group("Options");
}

void add_by_flag(CLI::App& app, RawOptions& raw) {
  add_list(app, "--by", raw.by,
           "table rows by these, among state pid comm remote\nlocal-port remote-port cgroup netns end path")->group("Output");
}

Result<FilterChoice> parse_filter(const RawOptions& raw, Scope scope) {
  FilterChoice choice;
  for (const Status& status : {read_lists(raw, choice.filter), read_family(raw, choice.filter),
                               read_netns(raw, scope, choice.filter), read_cgroup(raw, scope, choice)})
    if (!status) return status.error();
  if (raw.min_dwell.empty()) return choice;
  auto ns = parse_duration_ns(raw.min_dwell);
  if (!ns) return Error{Fault::Usage, "--min-dwell: " + ns.error().message};
  choice.filter.min_dwell_ns = *ns;
  return choice;
}

Result<Format> parse_format(const RawOptions& raw) {
  if (raw.format == "text") return Format::Text;
  if (raw.format == "json") return Format::Json;
  if (raw.format == "csv") return Format::Csv;
  return Error{Fault::Usage, fmt::format("--format {}: expected text, json or csv", raw.format)};
}

Result<ReportFormat> parse_report_format(const RawOptions& raw) {
  static constexpr std::pair<std::string_view, ReportFormat> kFormats[] = {
      {"text", ReportFormat::Text}, {"json", ReportFormat::Json}, {"csv", ReportFormat::Csv},
      {"html", ReportFormat::Html}, {"svg", ReportFormat::Svg},   {"dot", ReportFormat::Dot},
      {"perfetto", ReportFormat::Perfetto}};
  for (const auto& [word, format] : kFormats)
    if (word == raw.format) return format;
  return Error{Fault::Usage,
               fmt::format("--format {}: expected text, json, csv, html, svg, dot or perfetto", raw.format)};
}

Result<std::vector<Key>> parse_by(const RawOptions& raw) {
  if (raw.by.empty()) return std::vector<Key>{Key::State};
  auto keys = parse_keys(joined(raw.by));
  if (!keys) return Error{Fault::Usage, "--by: " + keys.error().message};
  return keys;
}

std::size_t terminal_columns(int fd) {
  winsize size{};
  return fd >= 0 && ioctl(fd, TIOCGWINSZ, &size) == 0 ? size.ws_col : 0;
}

bool want_colour(const RawOptions& raw, int fd) {
  if (raw.no_color || !isatty(fd)) return false;
  const char* no_color = std::getenv("NO_COLOR");
  if (no_color != nullptr && *no_color != '\0') return false;
  const char* term = std::getenv("TERM");
  return term != nullptr && std::string_view(term) != "dumb";
}

}  // namespace tcpdwell
