// SPDX-License-Identifier: BSD-2-Clause
#include "support/shadow.h"

#include <fmt/format.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <map>
#include <optional>
#include <set>
#include <sstream>
#include <tuple>

#include "support/truth.h"

namespace tcpdwell::test {
namespace {

constexpr std::uint64_t kSameMoment = kMillisecond / 2;

/// As in the trace: "TCP_FIN_WAIT1".
std::optional<State> state_in(const std::string& line, const std::string& key) {
  const auto at = line.find(key + "=TCP_");
  if (at == std::string::npos) return std::nullopt;
  std::istringstream rest(line.substr(at + key.size() + 5));
  std::string word;
  rest >> word;
  return parse_state(word);
}

unsigned number_in(const std::string& line, const std::string& key) {
  const auto at = line.find(" " + key + "=");
  return at == std::string::npos
             ? 0
             : static_cast<unsigned>(std::strtoul(line.c_str() + at + key.size() + 2, nullptr, 10));
}

struct Event {
  std::string task;  ///< name and thread id
  std::uint64_t mono_ns = 0;
  std::string timer;  ///< which one; empty for a change of state
  bool cancel = false;
  unsigned local_port = 0, remote_port = 0;
  State from = State::Unknown, to = State::Unknown;
};

/// " name-123  [001] ..s1.  2474.000043: inet_sock_set_state: family=…"
std::optional<Event> event_of(const std::string& line) {
  const auto cpu = line.find(" [");
  if (line.empty() || line[0] == '#' || cpu == std::string::npos) return std::nullopt;
  Event event;
  event.task = line.substr(0, line.find_last_not_of(' ', cpu) + 1);
  event.task.erase(0, event.task.find_first_not_of(' '));
  std::istringstream rest(line.substr(cpu));
  std::string skipped, name;
  double seconds = 0;
  char colon = 0;
  rest >> skipped >> skipped >> seconds >> colon >> name;
  event.mono_ns = static_cast<std::uint64_t>(seconds * 1e9);
  event.cancel = name == "timer_cancel:";
  if (const auto at = line.find(" timer="); at != std::string::npos) {
    event.timer = line.substr(at + 7, line.find_first_of(" \n", at + 7) - at - 7);
  }
  event.local_port = number_in(line, "sport");
  event.remote_port = number_in(line, "dport");
  event.from = state_in(line, "oldstate").value_or(State::Unknown);
  event.to = state_in(line, "newstate").value_or(State::Unknown);
  return event;
}

/// Every such change is a line of its own at the same moment.
bool is_one_line(const Event& event) {
  return event.timer.empty() && event.from != State::Listen && event.from != State::Close &&
         event.from != State::FinWait2 && event.from != State::Closing;
}

using Ports = std::pair<unsigned, unsigned>;
struct Told {
  std::uint64_t mono_ns;
  State to;
};

std::multimap<Ports, Told> everything_told(const Ledger& books) {
  std::multimap<Ports, Told> told;
  for (const auto& [id, account] : books.accounts()) {
    for (const Moment& moment : account.moments) {
      told.emplace(Ports{account.local_port, account.remote_port},
                   Told{moment.mono_ns, moment.state});
    }
  }
  return told;
}

std::string address_of_function(const std::string& wanted) {
  std::ifstream symbols("/proc/kallsyms");
  std::string address, type, name, line;
  while (std::getline(symbols, line)) {
    std::istringstream words(line);
    words >> address >> type >> name;
    if (name == wanted) return "0x" + address;
  }
  return "0x1";
}

void put(const std::string& path, const std::string& value) {
  std::ofstream file(path);
  file << value << std::flush;
  if (!file) fmt::print("no witness: cannot write {}\n", path);
}

}  // namespace

Shadow::Shadow() { open(); }

void Shadow::open() {
  char scratch[] = "/tmp/tcpdwell-trace-XXXXXX";
  if (mkdtemp(scratch) == nullptr) return;
  mount_ = scratch;
  if (mount("none", scratch, "tracefs", 0, nullptr) != 0) return;
  instance_ = fmt::format("{}/instances/tcpdwell-{}", mount_, getpid());
  if (mkdir(instance_.c_str(), 0700) != 0) return instance_.clear();
  char self[16] = {};
  prctl(PR_GET_NAME, self);
  const std::string others = fmt::format("common_pid != 0 && comm != \"{}\"", self);
  const std::string ours =
      fmt::format("(function == {} || function == {})", address_of_function("tw_timer_handler"),
                  address_of_function("reqsk_timer_handler"));
  put(instance_ + "/trace_clock", "mono");
  put(instance_ + "/buffer_size_kb", "32768");
  put(instance_ + "/events/sock/inet_sock_set_state/filter", others);
  put(instance_ + "/events/sock/inet_sock_set_state/enable", "1");
  put(instance_ + "/events/timer/timer_cancel/filter", others);
  put(instance_ + "/events/timer/timer_start/filter", ours);
  put(instance_ + "/events/timer/timer_expire_entry/filter", ours);
  for (const char* event : {"timer_cancel", "timer_start", "timer_expire_entry"}) {
    put(fmt::format("{}/events/timer/{}/enable", instance_, event), "1");
  }
}

Shadow::~Shadow() {
  if (!instance_.empty()) rmdir(instance_.c_str());
  if (mount_.empty()) return;
  umount(mount_.c_str());
  rmdir(mount_.c_str());
}

std::uint64_t Shadow::hidden(const Ledger& books) {
  if (instance_.empty()) return 0;
  put(instance_ + "/tracing_on", "0");
  const auto told = everything_told(books);
  const auto told_of = [&](unsigned local_port, unsigned remote_port) {
    return told.equal_range({local_port, remote_port});
  };
  std::map<std::string, std::vector<Event>> by_task;
  std::set<std::string> seeing, blind, timers;
  std::ifstream trace(instance_ + "/trace");
  for (std::string line; std::getline(trace, line);) {
    const auto event = event_of(line);
    if (!event) continue;
    if (!event->timer.empty()) {
      // A cancel tells the timer only: it is one of ours if it was started as one.
      if (!event->cancel) timers.insert(event->timer);
      if (timers.count(event->timer) != 0) by_task[event->task].push_back(*event);
      continue;
    }
    auto [first, last] = told_of(event->local_port, event->remote_port);
    // A line about SYN_SENT does not know the local port.
    if (first == last && event->from == State::SynSent) {
      std::tie(first, last) = told_of(0, event->remote_port);
    }
    if (first == last) continue;  // another namespace's
    by_task[event->task].push_back(*event);
    if (!is_one_line(*event)) continue;
    const bool is_told = std::any_of(first, last, [&](const auto& one) {
      const std::uint64_t when = one.second.mono_ns;
      return one.second.to == event->to && when + kSameMoment > event->mono_ns &&
             when < event->mono_ns + kSameMoment;
    });
    (is_told ? seeing : blind).insert(event->task);
  }
  std::uint64_t hidden = 0;
  for (const std::string& task : blind) {
    if (seeing.count(task) != 0) continue;
    hidden += by_task[task].size();
    fmt::print("hidden by the host: {} events while {} was current\n", by_task[task].size(), task);
  }
  return hidden;
}

}  // namespace tcpdwell::test
