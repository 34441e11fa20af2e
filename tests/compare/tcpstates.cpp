// SPDX-License-Identifier: BSD-2-Clause
/// What tcpdwell and libbpf-tools' tcpstates say about the same connections, with the truth of the
/// script that made them in between. scripts/compare builds and runs it.
#include <fcntl.h>
#include <fmt/format.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/wait.h>

#include <algorithm>
#include <csignal>
#include <cstdlib>
#include <fstream>
#include <map>
#include <sstream>

#include "support/collect.h"
#include "support/diag.h"
#include "support/local.h"
#include "support/netns.h"
#include "support/peer.h"

namespace tcpdwell::test {
namespace {

/// A tcpstates of its own, over the whole host, into a file.
class TcpStates {
 public:
  TcpStates() {
    const Fd out(sys(mkostemp(file_, O_CLOEXEC), "mkostemp"));
    pid_ = sys(fork(), "fork");
    if (pid_ == 0) {
      see_tracepoints();
      dup2(out.get(), STDOUT_FILENO);
      execlp("stdbuf", "stdbuf", "-oL", "tcpstates", nullptr);
      _exit(127);
    }
    // Its heading comes when it is attached.
    for (int tries = 0; tries < 100 && text().empty(); ++tries) usleep(100'000);
    if (text().empty()) throw std::runtime_error("tcpstates does not start here");
  }
  ~TcpStates() {
    stop();
    unlink(file_);
  }
  TcpStates(const TcpStates&) = delete;
  TcpStates& operator=(const TcpStates&) = delete;
  std::string stop() {
    if (pid_ < 0) return text();
    kill(pid_, SIGINT);
    int status = 0;
    waitpid(std::exchange(pid_, -1), &status, 0);
    return text();
  }

 private:
  /// It looks its tracepoint up in tracefs, which is not mounted everywhere: in this process's own
  /// view of the file system it is.
  static void see_tracepoints() {
    if (unshare(CLONE_NEWNS) != 0) return;
    mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr);
    mount("none", "/sys/kernel/tracing", "tracefs", 0, nullptr);
  }
  std::string text() const {
    std::ifstream in(file_);
    return {std::istreambuf_iterator<char>(in), {}};
  }
  char file_[32] = "/tmp/tcpdwell-compare-XXXXXX";
  pid_t pid_ = -1;
};

struct Truth {
  State state;
  Stamp entered, left;
};

struct Connection {
  const char* title;
  Ports ports;
  std::vector<Truth> truth;

  void enter(State state, Stamp when) {
    if (!truth.empty()) truth.back().left = when;
    if (state != State::Close) truth.push_back({state, when, {}});
  }
};

class Compare {
 public:
  Compare() : tracer_(start_tracer(netns_.inode(), Minisockets::Auto)) {}
  void run();

 private:
  void held_in_syn_recv(Connection& connection);
  Local connected(Connection& connection, Remote& remote);
  void closed_from_both_sides(Connection& connection);
  void orphaned(Connection& connection);
  void wait_until_gone(Connection& connection);
  void hold(unsigned ms) { drain_for(*tracer_, collected_, std::chrono::milliseconds(ms)); }
  std::string ours(const Connection& connection, State state) const;
  static std::string theirs(const std::string& text, const Connection& connection, State state);

  Netns netns_;
  Wire wire_{Delivery::Softirq};
  Diag diag_;
  TcpStates tcpstates_;
  std::unique_ptr<Tracer> tracer_;
  Collector collected_;
};

void Compare::held_in_syn_recv(Connection& connection) {
  Listener listener(Net::V4, connection.ports.local);
  Remote remote(wire_, Net::V4, connection.ports);
  connection.enter(State::SynRecv, remote.send(kSyn));
  remote.expect(kSyn | kAck);
  hold(100);
  connection.enter(State::Established, remote.send(kAck));
  Local local = listener.accept();
  hold(50);
  connection.enter(State::CloseWait, remote.send(kFin | kAck));
  hold(150);
  connection.enter(State::LastAck, local.close());
  remote.expect(kFin | kAck);
  hold(40);
  connection.enter(State::Close, remote.send(kAck));
}

Local Compare::connected(Connection& connection, Remote& remote) {
  Local local(Net::V4, connection.ports.local);
  connection.enter(State::SynSent, local.connect(connection.ports.remote));
  remote.expect(kSyn);
  hold(60);
  connection.enter(State::Established, remote.send(kSyn | kAck));
  hold(200);
  return local;
}

void Compare::closed_from_both_sides(Connection& connection) {
  Remote remote(wire_, Net::V4, connection.ports);
  Local local = connected(connection, remote);
  connection.enter(State::FinWait1, local.close());
  hold(300);
  connection.enter(State::Closing, remote.send(kFin | kAck));
  hold(400);
  remote.expect(kFin | kAck);
  connection.enter(State::TimeWait, remote.send(kAck));
}

void Compare::orphaned(Connection& connection) {
  Remote remote(wire_, Net::V4, connection.ports);
  remote.use_timestamps();
  Local local = connected(connection, remote);
  connection.enter(State::FinWait1, local.close());
  remote.expect(kFin | kAck);
  hold(100);
  connection.enter(State::FinWait2, remote.send(kAck));
  hold(500);
  connection.enter(State::TimeWait, remote.send(kFin | kAck));
}

void Compare::wait_until_gone(Connection& connection) {
  Stamp gone{monotonic_ns(), 0};
  while (diag_.state(Family::V4, host_endpoint(Net::V4, kKernelHost, connection.ports.local),
                     host_endpoint(Net::V4, kPeerHost, connection.ports.remote))) {
    gone.before = monotonic_ns();
    hold(2);
  }
  gone.after = monotonic_ns();
  connection.enter(State::Close, gone);
}

std::string milliseconds(std::uint64_t ns) { return fmt::format("{:.1f}", ns / 1e6); }

std::string Compare::ours(const Connection& connection, State state) const {
  for (const Transition& line : collected_.transitions) {
    if (line.from != state || line.socket.remote.port != connection.ports.remote) continue;
    if (line.dwell.bound == Bound::Unknown) return "?";
    return (line.dwell.bound == Bound::AtLeast ? ">=" : "") + milliseconds(line.dwell.ns);
  }
  return "-";
}

/// SKADDR PID COMM LADDR LPORT RADDR RPORT OLDSTATE -> NEWSTATE MS
std::string Compare::theirs(const std::string& text, const Connection& connection, State state) {
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    std::istringstream in(line);
    std::vector<std::string> words;
    for (std::string word; in >> word;) words.push_back(word);
    if (words.size() < 11) continue;
    const std::size_t end = words.size();
    if (words[end - 5] != std::to_string(connection.ports.remote)) continue;
    if (parse_state(words[end - 4]) == state) {
      return fmt::format("{:.1f}", std::strtod(words[end - 1].c_str(), nullptr));
    }
  }
  return "no such line";
}

void Compare::run() {
  Connection passive{"accepted", {7001, 20001}, {}};
  Connection crossing{"closed from both sides", {7002, 20002}, {}};
  Connection orphan{"closed first", {7003, 20003}, {}};
  held_in_syn_recv(passive);
  closed_from_both_sides(crossing);
  orphaned(orphan);
  fmt::print(stderr, "waiting for the kernel's minute of TIME_WAIT\n");
  wait_until_gone(crossing);
  wait_until_gone(orphan);
  hold(500);
  finish(*tracer_, collected_);
  const std::string text = tcpstates_.stop();

  fmt::print("{:<24}{:<13}{:>12}{:>12}{:>16}\n", "connection", "state, ms", "tcpdwell", "truth",
             "tcpstates");
  for (const Connection* connection : {&passive, &crossing, &orphan}) {
    const char* title = connection->title;
    for (const Truth& truth : connection->truth) {
      const Span span = between(truth.entered, truth.left);
      fmt::print("{:<24}{:<13}{:>12}{:>12}{:>16}\n", std::exchange(title, ""), name_of(truth.state),
                 ours(*connection, truth.state), milliseconds((span.shortest + span.longest) / 2),
                 theirs(text, *connection, truth.state));
    }
  }
}

}  // namespace
}  // namespace tcpdwell::test

int main() {
  if (const auto why = tcpdwell::test::why_no_kernel_tests()) {
    fmt::print(stderr, "compare: {}\n", *why);
    return 3;
  }
  try {
    tcpdwell::test::Compare().run();
  } catch (const std::exception& error) {
    fmt::print(stderr, "compare: {}\n", error.what());
    return 1;
  }
  return 0;
}
