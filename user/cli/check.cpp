// SPDX-License-Identifier: BSD-2-Clause
/// `tcpdwell check`.
#include "capture/check.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>

#include "cli/commands.h"
#include "enrich/host.h"
#include "util/escape.h"
#include "util/json.h"
#include "util/layout.h"
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

std::string as_json(const CheckReport& report, const Header& host) {
  std::string out;
  JsonText json(out);
  json.begin_object().field("type", "check").field("kernel", host.kernel).field("arch", host.arch);
  json.field("ok", status_of(report.items) == 0);
  json.list("checks", report.items, [&](const CheckItem& check) {
    json.begin_object()
        .field("name", check.name)
        .field("ok", check.ok)
        .field("needed", check.needed);
    json.field("detail", check.detail)
        .field("serves", check.serves)
        .field("mend", check.mend)
        .end_object();
  });
  json.list("states", report.states, [&](const StateCheck& check) {
    json.begin_object().field("state", name_of(check.state)).field("dwell", check.worth);
    json.field("detail", check.detail).field("mend", check.mend).end_object();
  });
  json.end_object();
  return out + '\n';
}

/// State by state: what a dwell is worth here, how it is learned, what would make it better.
std::string states_text(const std::vector<StateCheck>& states, bool colour, std::size_t columns) {
  std::string out = "\nstate        dwell\n";
  for (const StateCheck& check : states) {
    const char* paint = !colour ? "" : check.worth == "exact" ? "\x1b[32m" : "\x1b[33m";
    out += fmt::format("{:<11}  {}{:<17}{}  ", name_of(check.state), paint, check.worth,
                       colour ? "\x1b[0m" : "");
    const std::string mend = check.mend.empty() ? "" : "; better with " + check.mend;
    append_paragraph(out, check.detail + mend, 32, 32, columns);
  }
  return out;
}

std::string as_text(const CheckReport& report, const Header& host, bool colour,
                    std::size_t columns) {
  const std::vector<CheckItem>& checks = report.items;
  std::size_t width = 0;
  for (const CheckItem& check : checks) width = std::max(width, check.name.size());
  std::string out = fmt::format("kernel {} ({})\n\n", printable(host.kernel), host.arch);
  for (const CheckItem& check : checks) {
    const char* word = check.ok ? "yes" : check.needed ? "NO" : "no";
    const char* paint = !colour        ? ""
                        : check.ok     ? "\x1b[32m"
                        : check.needed ? "\x1b[31m"
                                       : "\x1b[33m";
    out +=
        fmt::format("{}{:<3}{}  {:<{}}  ", paint, word, colour ? "\x1b[0m" : "", check.name, width);
    // Further lines of a narrow terminal have its whole width.
    constexpr std::size_t kLeast = 24;
    const std::size_t beside = width + 7;
    append_paragraph(out, check.detail, beside, columns < beside + kLeast ? kIndent : beside,
                     columns);
    if (check.ok) continue;
    out.append(kIndent, ' ');
    append_paragraph(out, "needed for: " + check.serves, kIndent, kIndent + 2, columns);
    if (check.mend.empty()) continue;
    out.append(kIndent, ' ');
    append_paragraph(out, "what helps: " + check.mend, kIndent, kIndent + 2, columns);
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
  const Status status = print(
      *format == Format::Json ? as_json(report, host)
                              : as_text(report, host, want_colour(invocation.raw, STDOUT_FILENO),
                                        columns == 0 ? 80 : columns));
  if (!status) return status.error();
  return status_of(report.items);
}

}  // namespace tcpdwell
