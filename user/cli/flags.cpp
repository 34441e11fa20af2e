// SPDX-License-Identifier: BSD-2-Clause
#include "cli/flags.h"

#include <CLI/CLI.hpp>
#include <limits>

#include "cli/help.h"
#include "model/state.h"
#include "model/summary.h"
#include "util/number.h"

namespace tcpdwell {
namespace {

constexpr std::uint64_t kNoLimit = std::numeric_limits<std::uint64_t>::max();
/// Minisockets followed at once: more than any host has, and what a kernel map of them can hold.
constexpr std::uint64_t kMostMinisockets = 1U << 24;

/// A LIST flag may be given more than once: -p 1,2 -p 3.
CLI::Option* add_list(CLI::App& app, const char* name, std::vector<std::string>& to,
                      const char* help) {
  return app.add_option(name, to, help)->type_name("LIST")->allow_extra_args(false);
}

std::vector<std::string> way_words() {
  std::vector<std::string> words;
  for (const Minisockets way :
       {Minisockets::Auto, Minisockets::Fentry, Minisockets::Timer, Minisockets::Off})
    words.emplace_back(name_of(way));
  return words;
}

}  // namespace

std::string not_empty(const std::string& value) {
  return value.empty() ? "the value is empty" : "";
}

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
  raw.offers[add_list(app, "--state", raw.states,
                      "into or out of these states: time-wait,CLOSE_WAIT")]
      .words = state_words();
  raw.offers
      [app.add_option(
              "--netns", raw.netns,
              "network namespace of a process (4711), a path\n(/run/netns/blue), or all [all]")
           ->type_name("PID|PATH|all")]
          .files = true;
  raw.offers[app.add_option(
                    "--cgroup", raw.cgroup,
                    "made in this cgroup v2 or below it: a unit\n(web.service, web), a "
                    "container or pod by its\nname (shop/web-0/nginx, shop/web-0, nginx) or\n"
                    "id (its first 8 digits), a path below the\nmount "
                    "(system.slice/web.service) or from /,\nan id")
                 ->type_name("CGROUP")
                 ->check(not_empty)]
      .files = true;
  app.add_option("--min-dwell", raw.min_dwell, "dwells of at least this: 500us, 10ms, 2s, 1m")
      ->type_name("DURATION")
      ->check(not_empty);
  app.option_defaults()->group("Options");
}

void add_host_flag(CLI::App& app, RawOptions& raw) {
  raw.offers[app.add_option("--host-root", raw.host_root,
                            "where the host's files are, for names of containers [/]")
                 ->group("Output")
                 ->type_name("DIR")
                 ->check(not_empty)]
      .files = true;
}

void add_look_flags(CLI::App& app, RawOptions& raw) {
  app.option_defaults()->group("Output");
  raw.offers[app.add_option("--format", raw.format, "text, json or csv")->type_name("FORMAT")]
      .words = {"text", "json", "csv"};
  raw.offers[app.add_option("-o,--output", raw.output, "write to FILE instead of standard output")
                 ->type_name("FILE")]
      .files = true;
  app.add_option("--mode", raw.mode, "permissions of a new FILE, octal [600]")
      ->type_name("MODE")
      ->check([](const std::string& text) {
        const auto mode = parse_mode(text);
        return mode ? "" : mode.error().message;
      });
  app.add_flag("-w,--wide", raw.wide, "more columns");
  app.add_flag("-T,--time", raw.time, "wall-clock time of each line (a table has its own)");
  app.add_flag("--no-color", raw.no_color, "no colour (also: NO_COLOR in the environment)");
  app.add_flag("-q,--quiet", raw.quiet, "no summary, errors only");
  app.add_flag("-v,--verbose", raw.verbose, "say what happens; -vv: what libbpf says too");
  app.option_defaults()->group("Options");
}

void add_live_flags(CLI::App& app, RawOptions& raw) {
  app.option_defaults()->group("Tracing");
  app.add_option("--duration", raw.duration, "end after this: 500ms, 10s, 5m")
      ->type_name("DURATION")
      ->check(not_empty);
  app.add_option("--count", raw.count, "end after N transitions")
      ->type_name("N")
      ->check(whole_number_up_to(kNoLimit));
  app.add_option("--buffer", raw.buffer, "ring buffer, rounded up to a power of two [8M]")
      ->type_name("SIZE");
  raw.offers[app.add_option(
                    "--minisockets", raw.minisockets,
                    "how to follow request and time-wait sockets:\nauto, fentry, timer, off")
                 ->type_name("HOW")]
      .words = way_words();
  app.add_option("--max-time-wait", raw.max_time_wait,
                 "time-wait sockets followed at once [the host's limit]")
      ->type_name("N")
      ->check(whole_number_up_to(kMostMinisockets));
  app.add_option("--max-requests", raw.max_requests,
                 "request sockets followed at once [by host limits]")
      ->type_name("N")
      ->check(whole_number_up_to(kMostMinisockets));
  app.add_option("--user", raw.user,
                 "once attached, run as this user\n[if started by root: nobody, 65534]")
      ->type_name("NAME|UID")
      ->check(not_empty);
  app.option_defaults()->group("Options");
}

void add_by_flag(CLI::App& app, RawOptions& raw) {
  raw.offers
      [add_list(
           app, "--by", raw.by,
           "table rows by these, several too (comm,state), and\nwith end or path of whole "
           "connections:\nstate (TIME_WAIT), pid (4711), comm (nginx),\nlocal-port (443), "
           "remote-port (5432), remote\n(10.0.0.7), cgroup (4242, its id), netns\n(4026531840, "
           "its inode), end (reset_by_peer:\nwhy it ended), path\n"
           "(SYN_SENT>ESTABLISHED>FIN_WAIT1>CLOSE: the states\nit went through)")
           ->group("Output")]
          .words = key_words();
}

void add_limit_flag(CLI::App& app, RawOptions& raw) {
  app.add_option("--limit", raw.limit, "rows of a table in text [30]; 0: all")
      ->type_name("N")
      ->group("Output")
      ->check([](const std::string& text) {
        return whole_number<std::uint64_t>(text) ? "" : "'" + text + "' is no whole number";
      });
}

void add_of_flag(CLI::App& app, RawOptions& raw) {
  raw.offers[app.add_option(
                    "--of", raw.of,
                    "what the table is of: state, dwells in states\n[state]; life, whole "
                    "connections from the SYN to\nthe end or to TIME_WAIT; accept, how long a\n"
                    "server's connections wait to be accepted")
                 ->type_name("WHAT")
                 ->group("Output")]
      .words = {"state", "life", "accept"};
}

}  // namespace tcpdwell
