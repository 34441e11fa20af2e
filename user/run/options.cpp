// SPDX-License-Identifier: BSD-2-Clause
#include "run/options.h"

#include <fmt/format.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <cstdlib>
#include <string_view>
#include <utility>

#include "enrich/cgroup_search.h"
#include "enrich/host.h"
#include "util/duration.h"
#include "util/number.h"

namespace tcpdwell {
namespace {

std::string joined(const std::vector<std::string>& parts) {
  return fmt::format("{}", fmt::join(parts, ","));
}

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

/// A trace knows namespaces by inode number; the host that has them may be another.
Status read_netns(const RawOptions& raw, Scope scope, Filter& filter) {
  if (raw.netns == "all") return Ok;
  if (scope == Scope::Trace) {
    const auto inode = whole_number<std::uint32_t>(raw.netns);
    if (!inode)
      return Error{Fault::Usage,
                   "--netns: in a trace a namespace is known by its inode number, or 'all'"};
    filter.netns = *inode;
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
    const auto id = whole_number<std::uint64_t>(raw.cgroup);
    if (!id)
      return Error{Fault::Usage,
                   fmt::format("--cgroup {}: a trace knows a cgroup by its id, the field `cgroup`, "
                               "which --by cgroup lists; on the host that was traced `stat -c %i "
                               "/sys/fs/cgroup/PATH` prints it",
                               raw.cgroup)};
    choice.filter.cgroups = {*id};
    return Ok;
  }
  auto found = find_cgroup(raw.cgroup, raw.host_root);
  if (!found) return found.error();
  choice.cgroup = {found->id, found->level};
  choice.filter.cgroups = {found->id};
  return Ok;
}

}  // namespace

Result<FilterChoice> parse_filter(const RawOptions& raw, Scope scope) {
  FilterChoice choice;
  for (const Status& status :
       {read_lists(raw, choice.filter), read_family(raw, choice.filter),
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
      {"text", ReportFormat::Text},        {"json", ReportFormat::Json}, {"csv", ReportFormat::Csv},
      {"html", ReportFormat::Html},        {"svg", ReportFormat::Svg},   {"dot", ReportFormat::Dot},
      {"perfetto", ReportFormat::Perfetto}};
  for (const auto& [word, format] : kFormats)
    if (word == raw.format) return format;
  return Error{
      Fault::Usage,
      fmt::format("--format {}: expected text, json, csv, html, svg, dot or perfetto", raw.format)};
}

Result<std::vector<Key>> parse_by(const RawOptions& raw) {
  if (raw.by.empty()) return std::vector<Key>{Key::State};
  auto keys = parse_keys(joined(raw.by));
  if (!keys) return Error{Fault::Usage, "--by: " + keys.error().message};
  return keys;
}

Result<TableKeys> parse_table_keys(const RawOptions& raw) {
  auto of = parse_of(raw.of);
  if (!of) return Error{Fault::Usage, "--of " + of.error().message};
  if (raw.by.empty())
    return TableKeys{*of, *of == Of::State ? std::vector{Key::State} : std::vector<Key>{}};
  auto keys = parse_keys(joined(raw.by), *of);
  if (!keys) return Error{Fault::Usage, "--by: " + keys.error().message};
  return TableKeys{*of, std::move(keys).value()};
}

Result<mode_t> parse_mode(const std::string& text) {
  const auto mode = whole_number<mode_t>(text, 8);
  if (!mode || *mode > 0777)
    return Error{Fault::Usage,
                 fmt::format("expected permissions in octal, such as 640, not '{}'", text)};
  return *mode;
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

Result<TableChoice> parse_table_choice(const RawOptions& raw) {
  auto format = parse_format(raw);
  if (!format) return format.error();
  auto filter = parse_filter(raw, Scope::Live);
  if (!filter) return filter.error();
  auto table = parse_table_keys(raw);
  if (!table) return table.error();
  return TableChoice{*format, std::move(filter).value(), std::move(table).value()};
}

}  // namespace tcpdwell
