// SPDX-License-Identifier: BSD-2-Clause
#include "capture/confine.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <linux/bpf.h>
#include <sys/ptrace.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <fstream>
#include <functional>
#include <string>
#include <utility>
#include <vector>

namespace tcpdwell {
namespace {

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr bool kFiltersSystemCalls = false;
#else
constexpr bool kFiltersSystemCalls = true;
#endif

/// What `attempt` gives in a process that is confined: a test cannot take it back.
int confined(const std::function<int()>& attempt, Keep keep = Keep::Nothing) {
  const pid_t child = fork();
  if (child == 0) _exit(confine(keep) ? attempt() : 255);
  int status = 0;
  waitpid(child, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

int errno_of(long result) { return result < 0 ? errno : 0; }

std::string field(const std::string& name) {
  std::ifstream file("/proc/self/status");
  for (std::string line; std::getline(file, line);)
    if (line.rfind(name + ":", 0) == 0) return line.substr(line.find_first_not_of("\t ", name.size() + 1));
  return "";
}

TEST(Confine, LeavesNoCapability) {
  EXPECT_EQ(confined([] {
              for (const char* set : {"CapInh", "CapPrm", "CapEff", "CapAmb"})
                if (field(set) != "0000000000000000") return 1;
              return field("NoNewPrivs") == "1" ? 0 : 2;
            }),
            0);
}

TEST(Confine, RefusesWhatATracerNeedsNot) {
  if (!kFiltersSystemCalls) GTEST_SKIP() << "the sanitizer makes system calls of its own: not filtered";
  static char* const none[] = {nullptr};
  static bpf_attr attr{};
  const auto bpf = [](int command) { return errno_of(syscall(SYS_bpf, command, &attr, sizeof attr)); };
  const std::vector<std::pair<const char*, std::function<int()>>> attempts = {
      {"execve", [] { return errno_of(execve("/bin/true", none, none)); }},
      {"execveat",
       [] { return errno_of(syscall(SYS_execveat, AT_FDCWD, "/bin/true", none, none, 0)); }},
      {"fork", [] { return errno_of(fork()); }},
      {"ptrace", [] { return errno_of(ptrace(PTRACE_TRACEME, 0, nullptr, nullptr)); }},
      {"process_vm_readv",
       [] {
         return errno_of(syscall(SYS_process_vm_readv, getppid(), nullptr, 0, nullptr, 0, 0));
       }},
      {"socket", [] { return errno_of(socket(AF_INET, SOCK_STREAM, 0)); }},
      {"socketpair",
       [] { return errno_of(syscall(SYS_socketpair, AF_UNIX, SOCK_STREAM, 0, nullptr)); }},
      {"connect", [] { return errno_of(connect(0, nullptr, 0)); }},
      {"bind", [] { return errno_of(bind(0, nullptr, 0)); }},
      {"mount", [] { return errno_of(syscall(SYS_mount, "none", "/", "tmpfs", 0, nullptr)); }},
      {"setns", [] { return errno_of(syscall(SYS_setns, 0, 0)); }},
      {"unshare", [] { return errno_of(syscall(SYS_unshare, 0)); }},
      {"setuid", [] { return errno_of(syscall(SYS_setuid, 0)); }},
      {"capset", [] { return errno_of(syscall(SYS_capset, nullptr, nullptr)); }},
      {"perf_event_open",
       [] { return errno_of(syscall(SYS_perf_event_open, nullptr, 0, -1, -1, 0)); }},
      {"init_module", [] { return errno_of(syscall(SYS_init_module, nullptr, 0, "")); }},
      {"clock_settime", [] { return errno_of(syscall(SYS_clock_settime, 0, nullptr)); }},
      {"bpf(PROG_LOAD)", [&] { return bpf(BPF_PROG_LOAD); }},
      {"bpf(MAP_CREATE)", [&] { return bpf(BPF_MAP_CREATE); }},
      {"bpf(MAP_UPDATE_ELEM)", [&] { return bpf(BPF_MAP_UPDATE_ELEM); }},
      {"bpf(LINK_CREATE)", [&] { return bpf(BPF_LINK_CREATE); }},
      {"bpf(OBJ_PIN)", [&] { return bpf(BPF_OBJ_PIN); }},
      {"bpf(PROG_ATTACH)", [&] { return bpf(BPF_PROG_ATTACH); }},
      {"bpf(RAW_TRACEPOINT_OPEN)", [&] { return bpf(BPF_RAW_TRACEPOINT_OPEN); }},
  };
  std::string refused;
  for (const auto& [name, attempt] : attempts) {
    // By the filter, not for want of a capability: without one it would fail with something else, or succeed.
    const int outcome = confined(attempt);
    EXPECT_EQ(outcome, EPERM) << name;
    if (outcome == EPERM) refused += std::string(refused.empty() ? "" : " ") + name;
  }
  fmt::print("refused with EPERM: {}\n", refused);
}

TEST(Confine, LetsMapsBeReadAndFilesBeWritten) {
  EXPECT_EQ(confined([] {
              bpf_attr attr{};
              attr.map_fd = ~0U;
              return errno_of(syscall(SYS_bpf, BPF_MAP_LOOKUP_ELEM, &attr, sizeof attr));
            }),
            EBADF);
  EXPECT_EQ(confined([] {
              const int fd = open("/dev/null", O_WRONLY | O_CLOEXEC);
              return fd < 0 ? errno : errno_of(write(fd, "x", 1));
            }),
            0);
}

TEST(Confine, WhoHasClientsTalksToThemAndMakesNoConnectionsOfItsOwn) {
  if (!kFiltersSystemCalls) GTEST_SKIP() << "the sanitizer makes system calls of its own: not filtered";
  EXPECT_EQ(confined([] { return errno_of(accept4(-1, nullptr, nullptr, 0)); }), EPERM);
  const auto attempt = [](const std::function<long()>& call) {
    return confined([&] { return errno_of(call()); }, Keep::Clients);
  };
  EXPECT_EQ(attempt([] { return accept4(-1, nullptr, nullptr, 0); }), EBADF);
  EXPECT_EQ(attempt([] { return send(-1, "", 0, 0); }), EBADF);
  EXPECT_EQ(attempt([] { return shutdown(-1, SHUT_RDWR); }), EBADF);
  EXPECT_EQ(attempt([] { return socket(AF_INET, SOCK_STREAM, 0); }), EPERM);
  EXPECT_EQ(attempt([] { return connect(-1, nullptr, 0); }), EPERM);
  EXPECT_EQ(attempt([] { return bind(-1, nullptr, 0); }), EPERM);
  EXPECT_EQ(attempt([] { return listen(-1, 1); }), EPERM);
}

}  // namespace
}  // namespace tcpdwell
