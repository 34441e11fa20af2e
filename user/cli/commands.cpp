// SPDX-License-Identifier: BSD-2-Clause
/// The command line: what CLI11 is told of each command. Help, manual page and completions are made
/// of it.
#include "cli/commands.h"

#include <CLI/CLI.hpp>
#include <limits>
#include <memory>

#include "cli/flags.h"
#include "cli/help.h"

namespace tcpdwell {
namespace {

using Run = Result<int> (*)(const Invocation&);

/// `usage` is what follows "tcpdwell " in help.
CLI::App* add_command(CLI::App& app, Invocation& invocation, const char* name, const char* summary,
                      const char* usage, Run run) {
  CLI::App* const sub = app.add_subcommand(name, summary);
  sub->formatter(std::make_shared<HelpFormat>(usage));
  sub->callback(
      [&invocation, run] { invocation.action = [&invocation, run] { return run(invocation); }; });
  return sub;
}

/// Of the commands that trace until another command ends.
void add_tracing_flags(CLI::App& app, RawOptions& raw) {
  app.footer(
      "With a command, its connections are shown: what it, its children and theirs open\n"
      "and accept. Tracing ends when it ends. One that runs longer than the trace gets\n"
      "SIGTERM, and SIGKILL 5 s later.");
  app.add_flag("--all", raw.all, "beside a COMMAND: all connections of the host")
      ->group("Which connections");
  add_filter_flags(app, raw);
  add_look_flags(app, raw);
  add_host_flag(app, raw);
  add_live_flags(app, raw);
  add_by_flag(app, raw);
  add_limit_flag(app, raw);
}

void add_trace(CLI::App& app, Invocation& invocation) {
  CLI::App* sub =
      add_command(app, invocation, "trace", "print every transition as it happens (the default)",
                  "[trace] [OPTIONS] [-- COMMAND [ARG...]]", run_trace);
  add_tracing_flags(*sub, invocation.raw);
  sub->add_flag("--existing", invocation.raw.existing,
                "in text, a line for each socket that existed before")
      ->group("Output");
}

void add_stat(CLI::App& app, Invocation& invocation) {
  CLI::App* sub = add_command(app, invocation, "stat",
                              "a table of dwell per state, each interval or at the end",
                              "stat [INTERVAL [COUNT]] [OPTIONS] [-- COMMAND [ARG...]]", run_stat);
  sub->add_option("INTERVAL", invocation.interval, "seconds, or with a unit: 500ms, 1m")
      ->type_name("");
  sub->add_option("COUNT", invocation.tables, "end after this many tables")
      ->type_name("")
      ->check(whole_number_up_to(std::numeric_limits<std::uint64_t>::max()));
  add_tracing_flags(*sub, invocation.raw);
  add_of_flag(*sub, invocation.raw);
}

void add_record(CLI::App& app, Invocation& invocation) {
  CLI::App* sub = add_command(app, invocation, "record", "write a JSON trace to a file",
                              "record -o FILE [OPTIONS] [-- COMMAND [ARG...]]", run_record);
  add_tracing_flags(*sub, invocation.raw);
  sub->get_option("--output")
      ->required()
      ->description("FILE.zst and FILE.gz are compressed; - is stdout");
  invocation.raw.offers[sub->get_option("--format")->description("json (the only one)")].words = {
      "json"};
  sub->add_flag("--force", invocation.force, "overwrite FILE even if it is no trace")
      ->group("Output");
  sub->add_option("--rotate", invocation.rotate,
                  "a new file after this size (100M, as it is on disk)\nor time (1h): FILE becomes "
                  "FILE-<time>-<number>")
      ->type_name("SIZE|DURATION")
      ->group("Output");
  sub->add_option(
         "--keep", invocation.keep,
         "with --rotate: keep the N newest finished files,\nand what is not known to be older")
      ->type_name("N")
      ->check(whole_number_up_to(1'000'000))
      ->group("Output");
  invocation.raw
      .offers[sub->add_option(
                     "--lines", invocation.lines,
                     "a line a transition [transitions],\nor one a connection: connections")
                  ->type_name("WHAT")
                  ->group("Output")]
      .words = {"transitions", "connections"};
  sub->add_option("--flush", invocation.flush,
                  "with --lines connections: write a line for\nwhat is open this often: 10s, 1m")
      ->type_name("DURATION")
      ->check(not_empty)
      ->group("Output");
  sub->callback([&] {
    if (invocation.raw.format == "text") invocation.raw.format = "json";
    invocation.action = [&] { return run_record(invocation); };
  });
}

void add_report(CLI::App& app, Invocation& invocation) {
  CLI::App* sub = add_command(app, invocation, "report",
                              "tables, findings and pictures from traces, without root",
                              "report FILE... [OPTIONS]", run_report);
  auto& offers = invocation.raw.offers;
  offers[sub->add_option("FILE", invocation.files,
                         "traces, plain or compressed; also quoted globs;\n- is standard input")
             ->required()
             ->type_name("")]
      .files = true;
  sub->footer("Exit status: 0 fine, 1 cannot write, 2 bad usage or input file.");
  add_filter_flags(*sub, invocation.raw);
  add_look_flags(*sub, invocation.raw);
  add_by_flag(*sub, invocation.raw);
  add_of_flag(*sub, invocation.raw);
  add_limit_flag(*sub, invocation.raw);
  offers[sub->get_option("--format")
             ->description("text, json, csv, html (a page), svg or dot (the\nstate diagram), "
                           "perfetto (for ui.perfetto.dev)")]
      .words = {"text", "json", "csv", "html", "svg", "dot", "perfetto"};
  offers[sub->add_option("--table", invocation.table,
                         "with --format csv, what it holds: states, ends,\nedges, ports, series, "
                         "slowest, stuck "
                         "or findings\n[states]")
             ->type_name("NAME")
             ->group("Output")]
      .words = {"states", "ends", "edges", "ports", "series", "slowest", "stuck", "findings"};
}

void add_diff(CLI::App& app, Invocation& invocation) {
  CLI::App* sub =
      add_command(app, invocation, "diff", "two traces side by side: what dwells differently",
                  "diff A B [OPTIONS]", run_diff);
  auto& offers = invocation.raw.offers;
  offers[sub->add_option("A", invocation.before, "the trace before (or a quoted glob of several)")
             ->required()
             ->type_name("")]
      .files = true;
  offers[sub->add_option("B", invocation.after, "the trace after")->required()->type_name("")]
      .files = true;
  sub->footer("Exit status: 0 fine, differing or not, 1 cannot write, 2 bad usage or input\nfile.");
  add_filter_flags(*sub, invocation.raw);
  add_look_flags(*sub, invocation.raw);
  add_by_flag(*sub, invocation.raw);
  add_limit_flag(*sub, invocation.raw);
  offers[sub->get_option("--format")->description("text, json or html")].words = {"text", "json",
                                                                                  "html"};
}

void add_stuck(CLI::App& app, Invocation& invocation) {
  RawOptions& raw = invocation.raw;
  CLI::App* sub =
      add_command(app, invocation, "stuck", "sockets that exist now, oldest in their state first",
                  "stuck [OPTIONS]", run_stuck);
  sub->footer(
      "Listening sockets are shown with -a, -l or --state listen. An age after >= is a\n"
      "lower bound: for most states the kernel does not keep when a socket entered\n"
      "them. A running 'tcpdwell serve' does: stuck asks it over its unix socket.\n"
      "A terminal shows the columns that fit, -w and a pipe show all.");
  add_filter_flags(*sub, raw);
  sub->get_option("--state")->description("in one of these states: time-wait,CLOSE_WAIT");
  sub->add_option("--older", raw.min_dwell,
                  "in their state for at least this: 30s, 5m (--min-dwell)")
      ->type_name("DURATION")
      ->group("Which connections")
      ->check(not_empty);
  sub->add_flag("-l,--listening", raw.listening, "listening sockets only")
      ->group("Which connections");
  sub->add_flag("-a,--all", raw.all, "listening sockets too")->group("Which connections");
  raw.offers[sub->add_option(
                    "--socket", invocation.socket,
                    "unix socket of a serve to ask; '' asks none\n[" + invocation.socket + "]")
                 ->type_name("PATH")
                 ->group("Tracing")]
      .files = true;
  sub->get_option("--socket")->each([&](const std::string& path) {
    invocation.socket_given = !path.empty();
  });
  add_look_flags(*sub, raw);
  add_host_flag(*sub, raw);
}

void add_top(CLI::App& app, Invocation& invocation) {
  RawOptions& raw = invocation.raw;
  CLI::App* sub = add_command(app, invocation, "top", "full-screen live view",
                              "top [INTERVAL] [OPTIONS]", run_top);
  sub->footer("Press ? for the keys. --state and --min-dwell choose what is listed.");
  sub->add_option("INTERVAL", invocation.interval,
                  "seconds between pictures, or with a unit: 500ms, 1m [1]")
      ->type_name("");
  add_filter_flags(*sub, raw);
  sub->get_option("--state")->description("in these states: time-wait,CLOSE_WAIT");
  sub->get_option("--min-dwell")->description("in their state for at least this: 10ms, 2s, 1m");
  sub->option_defaults()->group("Output");
  sub->add_flag("--no-color", raw.no_color, "no colour (also: NO_COLOR in the environment)");
  sub->add_flag("-v,--verbose", raw.verbose, "say what happens while it starts; -vv: libbpf too");
  sub->option_defaults()->group("Options");
  add_host_flag(*sub, raw);
  add_live_flags(*sub, raw);
  add_by_flag(*sub, raw);
  raw
      .offers[sub->get_option("--by")->description(
          "a table of its own by these, among state pid comm\nremote local-port remote-port cgroup "
          "netns")]
      .words = {"state", "pid", "comm", "remote", "local-port", "remote-port", "cgroup", "netns"};
}

void add_serve(CLI::App& app, Invocation& invocation) {
  RawOptions& raw = invocation.raw;
  CLI::App* sub =
      add_command(app, invocation, "serve", "Prometheus metrics, JSON and a live page over HTTP",
                  "serve [OPTIONS]", run_serve);
  sub->footer(
      "Answers GET of /metrics, /healthz, /api/states, /api/stuck, /api/connections,\n"
      "/api/findings, /api/sockets, /api/events, and of /, a live page. It changes\n"
      "nothing. It has no authentication: anyone who can reach the address can read\n"
      "everything. 'tcpdwell stuck' asks it over its unix socket. SIGHUP starts recent\n"
      "findings afresh; SIGTERM ends it.");
  sub->add_option("--listen", invocation.listen,
                  "ADDRESS:PORT, also several [127.0.0.1:9978, [::1]:9978]")
      ->type_name("LIST")
      ->delimiter(',')
      ->allow_extra_args(false)
      ->check(not_empty)
      ->group("Where");
  raw.offers[sub->add_option(
                    "--socket", invocation.socket,
                    "unix socket, for its owner alone; '' is none\n[" + invocation.socket + "]")
                 ->type_name("PATH")
                 ->group("Where")]
      .files = true;
  sub->add_option("--top", invocation.top,
                  "containers and listeners with metrics of their own [20]")
      ->type_name("N")
      ->check(whole_number_up_to(1000))
      ->group("Output");
  add_filter_flags(*sub, raw);
  // Refused with a word on queries (run_serve), so not offered.
  for (const char* refused : {"--state", "--min-dwell"}) sub->get_option(refused)->group("");
  sub->add_flag("-q,--quiet", raw.quiet, "errors only")->group("Output");
  sub->add_flag("-v,--verbose", raw.verbose, "say what happens; -vv: libbpf too")->group("Output");
  add_host_flag(*sub, raw);
  add_live_flags(*sub, raw);
}

void add_explain(CLI::App& app, Invocation& invocation) {
  CLI::App* sub =
      add_command(app, invocation, "explain", "what a state means, who waits for whom, what to do",
                  "explain [STATE] [OPTIONS]", run_explain);
  invocation.raw
      .offers[sub->add_option("STATE", invocation.state, "a netstat state name, e.g. time-wait")
                  ->type_name("")]
      .words = state_words();
  sub->footer("Without a state: the diagram, how connections close, and the list of states.");
  sub->add_flag("--no-color", invocation.raw.no_color, "no colour");
}

void add_check(CLI::App& app, Invocation& invocation) {
  CLI::App* sub =
      add_command(app, invocation, "check", "what this kernel and these privileges allow",
                  "check [OPTIONS]", run_check);
  sub->footer(
      "Exit status: 0 when tracing works here, 3 when a privilege is missing,\n4 when the kernel "
      "lacks something.");
  invocation.raw
      .offers[sub->add_option("--format", invocation.raw.format, "text or json")
                  ->type_name("FORMAT")]
      .words = {"text", "json"};
  sub->add_flag("--no-color", invocation.raw.no_color, "no colour");
}

}  // namespace

bool takes_program(std::string_view command) {
  return command == "trace" || command == "record" || command == "stat";
}

void offer_commands(CLI::App& app, Invocation& invocation) {
  app.description(
      "How long TCP connections stay in each state, who owns them, and why they ended.");
  app.name("tcpdwell");
  app.set_version_flag("--version", "tcpdwell " TCPDWELL_VERSION);
  app.require_subcommand(1);
  app.formatter(std::make_shared<HelpFormat>("[COMMAND] [OPTIONS] [-- PROGRAM [ARG...]]"));
  app.footer(
      "'tcpdwell COMMAND --help' lists its options. The default COMMAND is trace.\n"
      "Exit status: 0 fine, 1 run-time failure, 2 bad usage or input file,\n"
      "3 not permitted, 4 this kernel cannot; with -- PROGRAM, the program's own.");
  for (auto* add : {add_trace, add_stat, add_record, add_report, add_diff, add_stuck, add_top,
                    add_serve, add_explain, add_check})
    add(app, invocation);
}

}  // namespace tcpdwell
