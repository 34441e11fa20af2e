// SPDX-License-Identifier: BSD-2-Clause
#include "capture/confine.h"

#include <fcntl.h>
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

namespace tcpdwell {
namespace {

#ifdef __SANITIZE_ADDRESS__
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
  char* const none[] = {nullptr};
  EXPECT_EQ(confined([&] { return errno_of(execve("/bin/true", none, none)); }), EPERM);
  EXPECT_EQ(confined([] { return errno_of(ptrace(PTRACE_TRACEME, 0, nullptr, nullptr)); }), EPERM);
  EXPECT_EQ(confined([] { return errno_of(socket(AF_INET, SOCK_STREAM, 0)); }), EPERM);
  EXPECT_EQ(confined([] { return errno_of(fork()); }), EPERM);
  EXPECT_EQ(confined([] { return errno_of(syscall(SYS_mount, "none", "/", "tmpfs", 0, nullptr)); }), EPERM);
  EXPECT_EQ(confined([] { return errno_of(syscall(SYS_setns, 0, 0)); }), EPERM);
  EXPECT_EQ(confined([] {
              bpf_attr attr{};
              return errno_of(syscall(SYS_bpf, BPF_PROG_LOAD, &attr, sizeof attr));
            }),
            EPERM);
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
