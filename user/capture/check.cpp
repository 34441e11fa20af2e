// SPDX-License-Identifier: BSD-2-Clause
#include "capture/check.h"

#include <fmt/format.h>
#include <linux/capability.h>
#include <unistd.h>

#include <optional>
#include <utility>

#include "capture/failures.h"
#include "capture/minisockets.h"
#include "capture/probe.h"
#include "capture/tracer.h"

namespace tcpdwell {
namespace {

CheckItem item(std::string name, bool ok, std::string serves, std::string mend) {
  CheckItem check;
  check.name = std::move(name);
  check.ok = ok;
  check.detail = ok ? "there" : "missing";
  check.serves = std::move(serves);
  if (!ok) check.mend = std::move(mend);
  return check;
}

bool missing(std::string_view name) {
  for (const MissingCapability& capability : missing_capabilities())
    if (capability.name == name) return true;
  return false;
}

constexpr const char* kMiniStates = "SYN_RECV, orphaned FIN_WAIT2, TIME_WAIT";

CheckItem fentry_check() {
  const std::string obstacle = fentry_obstacle("tw_timer_handler");
  CheckItem check =
      item("fentry", obstacle.empty(),
           std::string("the best way to follow ") + kMiniStates + ", and who accepts", "");
  check.needed = false;
  if (!check.ok) {
    check.detail = obstacle;
    check.mend = missing_capabilities().empty()
                     ? "a kernel with CONFIG_FUNCTION_TRACER and "
                       "CONFIG_DYNAMIC_FTRACE_WITH_DIRECT_CALLS, not locked down"
                     : "first the capabilities above";
  }
  return check;
}

CheckItem timer_check() {
  const auto facts = timer_facts();
  CheckItem check = item("timer tracepoints", facts.ok(),
                         std::string("the other way to follow ") + kMiniStates, "");
  check.needed = false;
  if (!facts) {
    check.detail = facts.error().message;
    check.permission = facts.error().fault == Fault::Permission;
    check.mend = check.permission
                     ? "CAP_SYSLOG with kernel.kptr_restrict below 2: " + setcap_words()
                     : "a kernel with the timer tracepoints";
  }
  return check;
}

StateCheck exact(State state, std::string how) { return {state, "exact", std::move(how), ""}; }

constexpr const char* kMendMini = "fentry, or the timer tracepoints: see above";

StateCheck syn_recv_check(Minisockets way) {
  if (way != Minisockets::Off)
    return exact(
        State::SynRecv,
        fmt::format("request sockets, through {}; unknown after a SYN cookie", name_of(way)));
  return {State::SynRecv, "unknown", "a server's request sockets are not followed", kMendMini};
}

/// FIN_WAIT2 of an orphan, and TIME_WAIT, live in time-wait sockets.
StateCheck time_wait_check(State state, Minisockets way) {
  const bool orphan = state == State::FinWait2;
  if (way == Minisockets::Fentry) return exact(state, "time-wait sockets, through fentry");
  if (way == Minisockets::Off)
    return {state, orphan ? "unknown" : "not observed",
            orphan ? "exact while a process has it open; time-wait sockets are not followed"
                   : "time-wait sockets are not followed",
            kMendMini};
  if (kernel_has_field("inet_timewait_sock", "tw_entry_stamp"))
    return {state, "exact or at_least",
            "time-wait sockets, through timer: exact with TCP timestamps; without, perhaps a bound",
            "fentry"};
  return {state, "exact or at_least", "time-wait sockets, through timer: often a bound", "fentry"};
}

/// What the trial run found, state by state.
std::vector<StateCheck> state_checks(std::optional<Minisockets> way) {
  std::vector<StateCheck> states;
  for (const State state : kLifeOrder) {
    if (state == State::Unknown || state == State::Close) continue;
    if (!way)
      states.push_back({state, "not observed", "the program does not run here", "see above"});
    else if (state == State::SynRecv)
      states.push_back(syn_recv_check(*way));
    else if (state == State::FinWait2 || state == State::TimeWait)
      states.push_back(time_wait_check(state, *way));
    else
      states.push_back(exact(state, "the tracepoint"));
  }
  return states;
}

/// The proof of all the others: the real program, in the real kernel, for a moment.
std::vector<CheckItem> trial_run(std::optional<Minisockets>& way) {
  auto tracer = Tracer::start({});
  CheckItem loads = item("program loads and attaches", tracer.ok(), "everything", "");
  if (!tracer) {
    loads.detail = tracer.error().message;
    loads.permission = tracer.error().fault == Fault::Permission;
    return {loads};
  }
  way = (*tracer)->minisockets();
  const auto instructions = (*tracer)->verified_instructions();
  loads.detail =
      instructions ? fmt::format("verified, {} instructions", *instructions) : "verified";
  CheckItem followed =
      item("request and time-wait sockets", (*tracer)->minisockets() != Minisockets::Off,
           kMiniStates, "see fentry and timer tracepoints above");
  followed.needed = false;
  followed.detail = followed.ok
                        ? fmt::format("followed through {}", name_of((*tracer)->minisockets()))
                        : "not observed: these states print no number";
  if (!(*tracer)->minisockets_note().empty())
    followed.detail += " (" + (*tracer)->minisockets_note() + ")";
  return {loads, followed};
}

CheckItem capability(const char* name) {
  CheckItem check =
      item(name, !missing(name), "loading and attaching", "run as root, or: " + setcap_words());
  check.permission = true;
  return check;
}

/// One that some details depend on.
CheckItem extra_capability(const char* name, unsigned number, std::string serves) {
  std::string lower(name);
  for (char& c : lower) c = static_cast<char>(c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c);
  CheckItem check = item(name, has_capability(number), std::move(serves),
                         "add " + lower + " to the capabilities that setcap gives");
  check.needed = false;
  check.permission = true;
  return check;
}

CheckItem storage_check() {
  CheckItem check = item("iterator over socket storage", kernel_lets_walk_storage(),
                         "other network namespaces: what nobody has accepted or has open any more",
                         "a host that does not refuse iterators over maps");
  check.needed = false;
  return check;
}

}  // namespace

CheckReport run_checks() {
  const char* upgrade = "use Linux 5.12 or later";
  std::vector<CheckItem> checks = {
      item("BTF", kernel_has_btf(), "everything", "a kernel with CONFIG_DEBUG_INFO_BTF=y"),
      item("tracepoint sock/inet_sock_set_state", kernel_has_tracepoint("inet_sock_set_state"),
           "every state", "use Linux 4.16 or later with CONFIG_INET"),
      item("ring buffer", kernel_has_ringbuf(), "every line", "use Linux 5.8 or later"),
      item("socket storage in tracing programs", kernel_has_tracing_sk_storage(), "every dwell",
           upgrade),
      item("socket cookie in tracing programs", kernel_has_tracing_cookie(), "connection ids",
           upgrade),
      capability("CAP_BPF"),
      capability("CAP_PERFMON"),
      extra_capability(
          "CAP_SYS_PTRACE", CAP_SYS_PTRACE,
          "finding other network namespaces, for their older sockets and for --netns PID"),
      extra_capability("CAP_SYS_ADMIN", CAP_SYS_ADMIN,
                       "entering other network namespaces, for their older sockets"),
      storage_check(),
      fentry_check(),
      timer_check(),
  };
  if (geteuid() == 0)
    for (const auto& [name, number] :
         {std::pair("CAP_SETUID", CAP_SETUID), std::pair("CAP_SETGID", CAP_SETGID)})
      checks.push_back(
          extra_capability(name, number, "becoming a user other than root, once attached"));
  std::optional<Minisockets> way;
  for (CheckItem& check : trial_run(way)) checks.push_back(std::move(check));
  return {std::move(checks), state_checks(way)};
}

}  // namespace tcpdwell
