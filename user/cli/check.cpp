// SPDX-License-Identifier: BSD-2-Clause
/// `tcpdwell check`.
#include "capture/check.h"

#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>

#include <algorithm>

#include "cli/commands.h"
#include "enrich/host.h"
#include "util/escape.h"
#include "util/output.h"

namespace tcpdwell {
namespace {

constexpr std::size_t kIndent = 5;  ///< of what is said of a check below its line

/// 0, or the status with which tracing would fail.
int status_of(const std::vector<CheckItem>& checks) {
  bool permission = false, unsupported = false;
  for (const CheckItem& check : checks) {
    if (check.ok || !check.needed) continue;
    (check.permission ? permission : unsupported) = true;
  }
  if (unsupported) return static_cast<int>(Fault::Unsupported);
  return permission ? static_cast<int>(Fault::Permission) : 0;
}

void append_json_member(std::string& out, std::string_view name, std::string_view text) {
  out += fmt::format(",\"{}\":", name);
  append_json_string(out, text);
}

void append_json_states(std::string& out, const std::vector<StateCheck>& states) {
  out += ",\"states\":[";
  const char* separator = "";
  for (const StateCheck& check : states) {
    out += fmt::format("{}{{\"state\":\"{}\"", separator, name_of(check.state));
    append_json_member(out, "dwell", check.worth);
    append_json_member(out, "detail", check.detail);
    append_json_member(out, "mend", check.mend);
    out += '}';
    separator = ",";
  }
  out += ']';
}

std::string as_json(const CheckReport& report, const Header& host) {
  const std::vector<CheckItem>& checks = report.items;
  std::string out = "{\"type\":\"check\",\"kernel\":";
  append_json_string(out, host.kernel);
  out += ",\"arch\":";
  append_json_string(out, host.arch);
  out += fmt::format(",\"ok\":{},\"checks\":[", status_of(checks) == 0);
  const char* separator = "";
  for (const CheckItem& check : checks) {
    out += separator;
    separator = ",";
    out += "{\"name\":";
    append_json_string(out, check.name);
    out += fmt::format(",\"ok\":{},\"needed\":{}", check.ok, check.needed);
    append_json_member(out, "detail", check.detail);
    append_json_member(out, "serves", check.serves);
    append_json_member(out, "mend", check.mend);
    out += '}';
  }
  out += ']';
  append_json_states(out, report.states);
  return out + "}\n";
}

/// Appends `text`, whose line has `used` columns so far, in lines of `columns`; those after the first
/// begin at `indent`.
void append_wrapped(std::string& out, std::string_view text, std::size_t used, std::size_t indent, std::size_t columns) {
  while (!text.empty()) {
    const std::size_t end = std::min(text.find(' '), text.size());
    if (used + end > columns && used > indent) {
      while (out.back() == ' ') out.pop_back();
      out += '\n';
      out.append(indent, ' ');
      used = indent;
    }
    const std::size_t taken = std::min(end + 1, text.size());
    out += text.substr(0, taken);
    used += taken;
    text.remove_prefix(taken);
  }
  out += '\n';
}

/// State by state: what a dwell is worth here, how it is learned, what would make it better.
std::string states_text(const std::vector<StateCheck>& states, bool colour, std::size_t columns) {
  std::string out = "\nstate        dwell\n";
  for (const StateCheck& check : states) {
    const char* paint = !colour ? "" : check.worth == "exact" ? "\x1b[32m" : "\x1b[33m";
    out += fmt::format("{:<11}  {}{:<17}{}  ", name_of(check.state), paint, check.worth, colour ? "\x1b[0m" : "");
    const std::string mend = check.mend.empty() ? "" : "; better with " + check.mend;
    append_wrapped(out, check.detail + mend, 32, 32, columns);
  }
  return out;
}

std::string as_text(const CheckReport& report, const Header& host, bool colour, std::size_t columns) {
  const std::vector<CheckItem>& checks = report.items;
  std::size_t width = 0;
  for (const CheckItem& check : checks) width = std::max(width, check.name.size());
  std::string out = fmt::format("kernel {} ({})\n\n", printable(host.kernel), host.arch);
  for (const CheckItem& check : checks) {
    const char* word = check.ok ? "yes" : check.needed ? "NO" : "no";
    const char* paint = !colour ? "" : check.ok ? "\x1b[32m" : check.needed ? "\x1b[31m" : "\x1b[33m";
    out += fmt::format("{}{:<3}{}  {:<{}}  ", paint, word, colour ? "\x1b[0m" : "", check.name, width);
    append_wrapped(out, check.detail, width + 7, width + 7, columns);
    if (check.ok) continue;
    out.append(kIndent, ' ');
    append_wrapped(out, "needed for: " + check.serves, kIndent, kIndent + 2, columns);
    if (check.mend.empty()) continue;
    out.append(kIndent, ' ');
    append_wrapped(out, "what helps: " + check.mend, kIndent, kIndent + 2, columns);
  }
  const bool fine = status_of(checks) == 0;
  out += states_text(report.states, colour, columns);
  return out + (fine ? "\ntcpdwell can trace here.\n" : "\ntcpdwell cannot trace here.\n");
}

}  // namespace

Result<int> run_check(const Invocation& invocation) {
  auto format = parse_format(invocation.raw);
  if (!format) return format.error();
  if (*format == Format::Csv) return Error{Fault::Usage, "--format csv: check knows text and json"};
  const CheckReport report = run_checks();
  const Header host = describe_host();
  const std::size_t columns = terminal_columns(STDOUT_FILENO);
  FdOutput out(STDOUT_FILENO, "standard output", false);
  Status status = out.write(*format == Format::Json ? as_json(report, host)
                                                    : as_text(report, host, want_colour(invocation.raw, STDOUT_FILENO),
                                                              columns == 0 ? 80 : columns));
  if (status) status = out.flush();
  if (!status && status.error().os_errno != EPIPE) return status.error();
  return status_of(report.items);
}

}  // namespace tcpdwell
