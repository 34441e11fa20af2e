// SPDX-License-Identifier: BSD-2-Clause
#include "support/shadow.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <optional>
#include <set>
#include <sstream>
#include <string_view>
#include <system_error>
#include <unordered_map>

#include "support/truth.h"

namespace tcpdwell::test {
namespace {

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
  HiddenEvent what;
  std::uint32_t thread = 0;
  std::string name;  ///< of the tracepoint
};

/// " name-123  [001] ..s1.  2474.000043: inet_sock_set_state: family=…"
std::optional<Event> event_of(const std::string& line) {
  const auto cpu = line.find(" [");
  if (line.empty() || line[0] == '#' || cpu == std::string::npos) return std::nullopt;
  Event event;
  std::string& task = event.what.task;
  task = line.substr(0, line.find_last_not_of(' ', cpu) + 1);
  task.erase(0, task.find_first_not_of(' '));
  event.thread =
      static_cast<std::uint32_t>(std::strtoul(task.c_str() + task.rfind('-') + 1, nullptr, 10));
  std::istringstream rest(line.substr(cpu));
  std::string skipped;
  double seconds = 0;
  char colon = 0;
  rest >> skipped >> skipped >> seconds >> colon >> event.name;
  event.what.mono_ns = static_cast<std::uint64_t>(seconds * 1e9);
  if (const auto at = line.find(" timer="); at != std::string::npos) {
    event.what.timer = line.substr(at + 7, line.find_first_of(" \n", at + 7) - at - 7);
  }
  event.what.local_port = number_in(line, "sport");
  event.what.remote_port = number_in(line, "dport");
  event.what.from = state_in(line, "oldstate").value_or(State::Unknown);
  event.what.to = state_in(line, "newstate").value_or(State::Unknown);
  return event;
}

std::uint32_t key_of(unsigned local_port, unsigned remote_port) {
  return local_port << 16 | remote_port;
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

constexpr std::string_view kInstance = "tcpdwell-test-";  // and the process

/// Instances of tests that were killed.
void remove_left_behind(const std::string& instances) {
  std::error_code ignored;
  for (const auto& entry : std::filesystem::directory_iterator(instances, ignored)) {
    const std::string name = entry.path().filename();
    if (!name.starts_with(kInstance)) continue;
    const auto pid = std::strtol(name.c_str() + kInstance.size(), nullptr, 10);
    if (kill(static_cast<pid_t>(pid), 0) != 0 && errno == ESRCH) rmdir(entry.path().c_str());
  }
}

void put(const std::string& path, const std::string& value) {
  std::ofstream file(path);
  file << value << std::flush;
  if (!file) fmt::print("no witness: cannot write {}\n", path);
}

}  // namespace

Told::Told() : since_ns(monotonic_ns()) {}

void Told::add(const Transition& line) {
  ports_.insert(key_of(line.socket.local.port, line.socket.remote.port));
  // A change to SYN_SENT, and one from it, may not know the local port.
  if (line.from == State::SynSent || line.to == State::SynSent)
    ports_.insert(key_of(0, line.socket.remote.port));
  milliseconds_.insert(line.mono_ns / kMillisecond);
}

void Told::add(const Socket& socket, std::optional<std::uint64_t> mono_ns) {
  ports_.insert(key_of(socket.local.port, socket.remote.port));
  if (mono_ns) milliseconds_.insert(*mono_ns / kMillisecond);
}

void Told::happened(std::uint64_t mono_ns) { milliseconds_.insert(mono_ns / kMillisecond); }

bool Told::about(unsigned local_port, unsigned remote_port) const {
  return ports_.count(key_of(local_port, remote_port)) != 0;
}

bool Told::around(std::uint64_t mono_ns) const {
  const std::uint64_t then = mono_ns / kMillisecond;
  return milliseconds_.count(then - 1) + milliseconds_.count(then) +
             milliseconds_.count(then + 1) !=
         0;
}

Shadow::Shadow() {
  if (std::getenv("TCPDWELL_NOTHING_HIDDEN") == nullptr && geteuid() == 0) open();
}

void Shadow::open() {
  char scratch[] = "/tmp/tcpdwell-trace-XXXXXX";
  if (mkdtemp(scratch) == nullptr) return;
  if (mount("none", scratch, "tracefs", 0, nullptr) == 0) {
    tracefs_ = Fd(::open(scratch, O_PATH | O_DIRECTORY | O_CLOEXEC));
    umount2(scratch, MNT_DETACH);  // there for us until we end, however we end
  }
  rmdir(scratch);
  if (tracefs_.get() < 0) return;
  const std::string instances = fmt::format("/proc/self/fd/{}/instances", tracefs_.get());
  remove_left_behind(instances);
  canary_.emplace();
  instance_ = fmt::format("{}/{}{}", instances, kInstance, getpid());
  if (mkdir(instance_.c_str(), 0700) != 0) return instance_.clear();
  char self[16] = {};
  prctl(PR_GET_NAME, self);
  const std::string others = fmt::format("common_pid != 0 && comm != \"{}\"", self);
  // Looked up once: every test of a program has a Shadow.
  static const std::string ours =
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
}

std::vector<HiddenEvent> Shadow::hidden_of_all() {
  std::vector<HiddenEvent> hidden;
  if (instance_.empty()) return hidden;
  put(instance_ + "/tracing_on", "0");
  const auto seen = canary_->threads();
  if (!seen) {
    fmt::print("no witness: it is not known under which tasks programs ran\n");
    return hidden;
  }
  std::unordered_map<std::string, std::uint64_t> started;
  std::ifstream trace(instance_ + "/trace");
  for (std::string line; std::getline(trace, line);) {
    auto event = event_of(line);
    if (!event) continue;
    HiddenEvent& what = event->what;
    const auto timer = started.find(what.timer);
    // A cancel tells the timer only: it is of interest if it was started as one of ours.
    if (event->name == "timer_cancel:" && timer == started.end()) continue;
    if (timer != started.end()) what.timer_start_ns = timer->second;
    if (event->name == "timer_start:") what.timer_start_ns = started[what.timer] = what.mono_ns;
    if (seen->count(event->thread) == 0) hidden.push_back(std::move(what));
  }
  put(instance_ + "/tracing_on", "1");
  return hidden;
}

std::vector<HiddenEvent> Shadow::hidden(const Told& told) {
  std::vector<HiddenEvent> hidden = hidden_of_all();
  std::erase_if(hidden, [&](const HiddenEvent& event) {
    if (event.mono_ns < told.since_ns) return true;
    return event.timer.empty() ? !told.about(event.local_port, event.remote_port)
                               : !told.around(event.timer_start_ns);
  });
  return hidden;
}

std::uint64_t timers_in(const std::vector<HiddenEvent>& events) {
  std::set<std::string> timers;
  for (const HiddenEvent& event : events) timers.insert(event.timer);
  timers.erase("");
  return timers.size();
}

std::string text_of(const std::vector<HiddenEvent>& events) {
  std::map<std::string, unsigned> kinds;
  for (const HiddenEvent& event : events) {
    const std::string what = event.timer.empty()
                                 ? fmt::format("{}>{}", name_of(event.from), name_of(event.to))
                                 : "timer";
    ++kinds[fmt::format("{} while {} was current", what, event.task)];
  }
  std::string text;
  for (const auto& [kind, count] : kinds)
    text += fmt::format("{}{} {}", text.empty() ? "" : ", ", count, kind);
  return fmt::format("{} events ({})", events.size(), text);
}

namespace {
std::optional<Shadow> shadow;
std::optional<Told> told;
}  // namespace

void begin_shadow() { shadow.emplace(); }
void end_shadow() { shadow.reset(); }
Told& told_in_test(bool begins) {
  if (begins || !told) told.emplace();
  return *told;
}
std::vector<HiddenEvent> hidden_in_test() { return shadow->hidden(told_in_test()); }

std::vector<HiddenEvent> reckon_with_hidden() {
  auto events = hidden_in_test();
  if (!events.empty()) fmt::print("hidden by the host, and reckoned with: {}\n", text_of(events));
  return events;
}

}  // namespace tcpdwell::test
