// SPDX-License-Identifier: BSD-2-Clause
#include "capture/confine.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <linux/bpf.h>
#include <linux/landlock.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

namespace tcpdwell {
namespace {

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__) || defined(TCPDWELL_COVERAGE)
constexpr bool kFiltersSystemCalls = false;
#else
constexpr bool kFiltersSystemCalls = true;
#endif

/// What `attempt` gives in a process that is confined: a test cannot take it back.
int confined(const std::function<int()>& attempt, const Keep& keep = {}) {
  const pid_t child = fork();
  if (child == 0) _exit(confine(keep) ? attempt() : 255);
  int status = 0;
  waitpid(child, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

int errno_of(long result) { return result < 0 ? errno : 0; }
int errno_of(const void* mapped) { return mapped == MAP_FAILED ? errno : 0; }

std::string field(const std::string& name) {
  std::ifstream file("/proc/self/status");
  for (std::string line; std::getline(file, line);)
    if (line.rfind(name + ":", 0) == 0)
      return line.substr(std::min(line.find_first_not_of("\t ", name.size() + 1), line.size()));
  return "";
}

class Confine : public testing::Test {
 protected:
  void SetUp() override {
    if (!kFiltersSystemCalls)
      GTEST_SKIP() << "an instrumented build makes system calls of its own: not filtered";
    char made[] = "/tmp/confine-test-XXXXXX";
    ASSERT_NE(mkdtemp(made), nullptr);
    directory_ = made;
    std::ofstream(file("there")) << "content";
  }
  void TearDown() override {
    if (!directory_.empty()) std::filesystem::remove_all(directory_);
  }
  std::string file(const std::string& name) const { return directory_ + "/" + name; }

  std::string directory_;
};

TEST(ConfineAlways, LeavesNoCapability) {
  EXPECT_EQ(confined([] {
              for (const char* set : {"CapInh", "CapPrm", "CapEff", "CapAmb"})
                if (field(set) != "0000000000000000") return 1;
              return field("NoNewPrivs") == "1" ? 0 : 2;
            }),
            0);
}

using Attempts = std::vector<std::pair<const char*, std::function<int()>>>;

/// By the filter, not for want of a capability: without one it would fail with something else, or
/// succeed.
void expect_refused(const Attempts& attempts) {
  std::string refused;
  for (const auto& [name, attempt] : attempts) {
    const int outcome = confined(attempt);
    EXPECT_EQ(outcome, EPERM) << name;
    if (outcome == EPERM) refused += std::string(refused.empty() ? "" : " ") + name;
  }
  fmt::print("refused with EPERM: {}\n", refused);
}

TEST_F(Confine, RefusesWhatATracerNeedsNot) {
  static char* const none[] = {nullptr};
  static bpf_attr attr{};
  const auto bpf = [](int command) {
    return errno_of(syscall(SYS_bpf, command, &attr, sizeof attr));
  };
  expect_refused({
      {"execve", [] { return errno_of(execve("/bin/true", none, none)); }},
      {"execveat",
       [] { return errno_of(syscall(SYS_execveat, AT_FDCWD, "/bin/true", none, none, 0)); }},
      {"fork", [] { return errno_of(fork()); }},
      {"clone3", [] { return errno_of(syscall(SYS_clone3, nullptr, 0)); }},
      {"ptrace", [] { return errno_of(ptrace(PTRACE_TRACEME, 0, nullptr, nullptr)); }},
      {"process_vm_readv",
       [] {
         return errno_of(syscall(SYS_process_vm_readv, getppid(), nullptr, 0, nullptr, 0, 0));
       }},
      {"process_vm_writev",
       [] {
         return errno_of(syscall(SYS_process_vm_writev, getppid(), nullptr, 0, nullptr, 0, 0));
       }},
      {"pidfd_open", [] { return errno_of(syscall(SYS_pidfd_open, getppid(), 0)); }},
      {"pidfd_getfd", [] { return errno_of(syscall(SYS_pidfd_getfd, -1, 0, 0)); }},
      {"pidfd_send_signal",
       [] { return errno_of(syscall(SYS_pidfd_send_signal, -1, 0, nullptr, 0)); }},
      {"kill", [] { return errno_of(kill(getppid(), 0)); }},
      {"kill(own group)", [] { return errno_of(kill(0, 0)); }},
      {"tgkill(other)", [] { return errno_of(syscall(SYS_tgkill, getppid(), getppid(), 0)); }},
      {"rt_sigqueueinfo",
       [] { return errno_of(syscall(SYS_rt_sigqueueinfo, getppid(), 0, nullptr)); }},
      {"socket", [] { return errno_of(socket(AF_INET, SOCK_STREAM, 0)); }},
      {"socketpair",
       [] { return errno_of(syscall(SYS_socketpair, AF_UNIX, SOCK_STREAM, 0, nullptr)); }},
      {"connect", [] { return errno_of(connect(0, nullptr, 0)); }},
      {"bind", [] { return errno_of(bind(0, nullptr, 0)); }},
      {"io_uring_setup", [] { return errno_of(syscall(SYS_io_uring_setup, 1, nullptr)); }},
      {"io_uring_enter",
       [] { return errno_of(syscall(SYS_io_uring_enter, -1, 0, 0, 0, nullptr, 0)); }},
      {"userfaultfd", [] { return errno_of(syscall(SYS_userfaultfd, 0)); }},
      {"mount", [] { return errno_of(syscall(SYS_mount, "none", "/", "tmpfs", 0, nullptr)); }},
      {"chroot", [] { return errno_of(chroot("/")); }},
      {"setns", [] { return errno_of(syscall(SYS_setns, 0, 0)); }},
      {"unshare", [] { return errno_of(syscall(SYS_unshare, 0)); }},
      {"setuid", [] { return errno_of(syscall(SYS_setuid, 0)); }},
      {"setresuid", [] { return errno_of(syscall(SYS_setresuid, 0, 0, 0)); }},
      {"setgroups", [] { return errno_of(syscall(SYS_setgroups, 0, nullptr)); }},
      {"capset", [] { return errno_of(syscall(SYS_capset, nullptr, nullptr)); }},
      {"prctl", [] { return errno_of(syscall(SYS_prctl, 0, 0, 0, 0, 0)); }},
      {"perf_event_open",
       [] { return errno_of(syscall(SYS_perf_event_open, nullptr, 0, -1, -1, 0)); }},
      {"init_module", [] { return errno_of(syscall(SYS_init_module, nullptr, 0, "")); }},
      {"keyctl", [] { return errno_of(syscall(SYS_keyctl, 0, 0, 0, 0, 0)); }},
      {"clock_settime", [] { return errno_of(syscall(SYS_clock_settime, 0, nullptr)); }},
      {"bpf(PROG_LOAD)", [&] { return bpf(BPF_PROG_LOAD); }},
      {"bpf(MAP_CREATE)", [&] { return bpf(BPF_MAP_CREATE); }},
      {"bpf(MAP_UPDATE_ELEM)", [&] { return bpf(BPF_MAP_UPDATE_ELEM); }},
      {"bpf(LINK_CREATE)", [&] { return bpf(BPF_LINK_CREATE); }},
      {"bpf(OBJ_PIN)", [&] { return bpf(BPF_OBJ_PIN); }},
      {"bpf(PROG_ATTACH)", [&] { return bpf(BPF_PROG_ATTACH); }},
      {"bpf(RAW_TRACEPOINT_OPEN)", [&] { return bpf(BPF_RAW_TRACEPOINT_OPEN); }},
  });
}

TEST_F(Confine, RefusesToChangeFiles) {
  const std::string there = file("there"), fresh = file("new");
  const auto open_as = [](std::string path, int flags) {
    return [path = std::move(path), flags] { return errno_of(open(path.c_str(), flags, 0600)); };
  };
  struct {
    std::uint64_t flags, mode, resolve;
  } how{O_WRONLY, 0, 0};
  const int ours = open(there.c_str(), O_RDWR | O_CLOEXEC);
  ASSERT_GE(ours, 0);
  expect_refused({
      {"open(core_pattern, O_WRONLY)", open_as("/proc/sys/kernel/core_pattern", O_WRONLY)},
      {"open(/etc/shadow, O_RDWR)", open_as("/etc/shadow", O_RDWR)},
      {"open(/etc/passwd, O_CREAT)", open_as("/etc/passwd", O_CREAT | O_EXCL | O_WRONLY)},
      {"open(O_WRONLY)", open_as(there, O_WRONLY)},
      {"open(O_RDWR)", open_as(there, O_RDWR)},
      {"open(O_APPEND)", open_as(there, O_WRONLY | O_APPEND)},
      {"open(O_TRUNC)", open_as(there, O_TRUNC)},
      {"open(O_CREAT)", open_as(fresh, O_CREAT)},
      {"open(O_TMPFILE)", open_as(directory_, O_TMPFILE | O_RDWR)},
      {"open(3)", open_as(there, O_ACCMODE)},
      {"open() proper",
       [&] {
#ifdef SYS_open
         return errno_of(syscall(SYS_open, there.c_str(), O_WRONLY, 0));
#else
         return EPERM;
#endif
       }},
      {"openat2",
       [&] { return errno_of(syscall(SYS_openat2, AT_FDCWD, there.c_str(), &how, sizeof how)); }},
      {"open_by_handle_at",
       [] { return errno_of(syscall(SYS_open_by_handle_at, AT_FDCWD, nullptr, 0)); }},
      {"rename", [&] { return errno_of(rename(there.c_str(), fresh.c_str())); }},
      {"unlink", [&] { return errno_of(unlink(there.c_str())); }},
      {"rmdir", [&] { return errno_of(rmdir(directory_.c_str())); }},
      {"link", [&] { return errno_of(link(there.c_str(), fresh.c_str())); }},
      {"symlink", [&] { return errno_of(symlink(there.c_str(), fresh.c_str())); }},
      {"mkdir", [&] { return errno_of(mkdir(fresh.c_str(), 0700)); }},
      {"mknod", [&] { return errno_of(mknod(fresh.c_str(), S_IFREG | 0600, 0)); }},
      {"truncate", [&] { return errno_of(truncate(there.c_str(), 0)); }},
      {"ftruncate", [&] { return errno_of(ftruncate(ours, 0)); }},
      {"fallocate", [&] { return errno_of(fallocate(ours, 0, 0, 1)); }},
      {"chmod", [&] { return errno_of(chmod(there.c_str(), 04755)); }},
      {"fchmod", [&] { return errno_of(fchmod(ours, 04755)); }},
      {"chown", [&] { return errno_of(chown(there.c_str(), 0, 0)); }},
      {"fchown", [&] { return errno_of(fchown(ours, 0, 0)); }},
      {"setxattr",
       [&] { return errno_of(syscall(SYS_setxattr, there.c_str(), "user.x", "", 0, 0)); }},
      {"utimensat", [&] { return errno_of(utimensat(AT_FDCWD, there.c_str(), nullptr, 0)); }},
      {"memfd_create", [] { return errno_of(memfd_create("", 0)); }},
      {"ioctl(TIOCSTI)", [&] { return errno_of(ioctl(ours, TIOCSTI, "x")); }},
      {"ioctl(TIOCSCTTY)", [&] { return errno_of(ioctl(ours, TIOCSCTTY, 0)); }},
      {"ioctl(FS_IOC_SETFLAGS)", [&] { return errno_of(ioctl(ours, 0x40086602, nullptr)); }},
      {"fcntl(F_SETOWN)", [&] { return errno_of(fcntl(ours, F_SETOWN, getppid())); }},
      {"fcntl(F_NOTIFY)", [&] { return errno_of(fcntl(ours, F_NOTIFY, 0)); }},
  });
  close(ours);
  EXPECT_EQ(std::filesystem::file_size(there), 7U);
}

TEST_F(Confine, RefusesCodeThatIsMade) {
  constexpr std::size_t kPage = 4096;
  static void* const page =
      mmap(nullptr, kPage, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  const auto map = [](int how) {
    return
        [how] { return errno_of(mmap(nullptr, kPage, how, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)); };
  };
  expect_refused({
      {"mmap(PROT_EXEC)", map(PROT_EXEC)},
      {"mmap(all)", map(PROT_READ | PROT_WRITE | PROT_EXEC)},
      {"mprotect(PROT_EXEC)",
       [] { return errno_of(mprotect(page, kPage, PROT_READ | PROT_EXEC)); }},
      {"pkey_mprotect",
       [] { return errno_of(syscall(SYS_pkey_mprotect, page, kPage, PROT_READ | PROT_EXEC, -1)); }},
      {"shmat", [] { return errno_of(syscall(SYS_shmat, 0, nullptr, 0)); }},
      {"personality", [] { return errno_of(syscall(SYS_personality, 0x0400000)); }},
  });
  EXPECT_EQ(confined(map(PROT_READ | PROT_WRITE)), 0);
  EXPECT_EQ(confined([] { return errno_of(mprotect(page, kPage, PROT_READ)); }), 0);
}

TEST_F(Confine, LetsMapsAndFilesBeReadAndWhatIsOpenWritten) {
  EXPECT_EQ(confined([] {
              bpf_attr attr{};
              attr.map_fd = ~0U;
              return errno_of(syscall(SYS_bpf, BPF_MAP_LOOKUP_ELEM, &attr, sizeof attr));
            }),
            EBADF);
  const int null = open("/dev/null", O_WRONLY | O_CLOEXEC);
  EXPECT_EQ(confined([&] { return errno_of(write(null, "x", 1)); }), 0);
  close(null);
  EXPECT_EQ(confined([&] { return errno_of(open(file("there").c_str(), O_RDONLY | O_CLOEXEC)); }),
            0);
  EXPECT_EQ(confined([] { return errno_of(raise(0)); }), 0);
}

TEST_F(Confine, WhoHasClientsTalksToThemAndMakesNoConnectionsOfItsOwn) {
  EXPECT_EQ(confined([] { return errno_of(accept4(-1, nullptr, nullptr, 0)); }), EPERM);
  const auto attempt = [](const std::function<long()>& call) {
    Keep keep;
    keep.clients = true;
    return confined([&] { return errno_of(call()); }, keep);
  };
  EXPECT_EQ(attempt([] { return accept4(-1, nullptr, nullptr, 0); }), EBADF);
  EXPECT_EQ(attempt([] { return send(-1, "", 0, 0); }), EBADF);
  EXPECT_EQ(attempt([] { return shutdown(-1, SHUT_RDWR); }), EBADF);
  EXPECT_EQ(attempt([] { return socket(AF_INET, SOCK_STREAM, 0); }), EPERM);
  EXPECT_EQ(attempt([] { return connect(-1, nullptr, 0); }), EPERM);
  EXPECT_EQ(attempt([] { return bind(-1, nullptr, 0); }), EPERM);
  EXPECT_EQ(attempt([] { return listen(-1, 1); }), EPERM);
  EXPECT_EQ(attempt([] { return setsockopt(-1, SOL_SOCKET, SO_ATTACH_FILTER, nullptr, 0); }),
            EPERM);
  EXPECT_EQ(attempt([] { return unlink("/tmp/confine-test"); }), EPERM);
}

constexpr int kNew = O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC;

TEST_F(Confine, WhoMakesFilesMakesNewOnesAlone) {
  Keep keep;
  keep.files_in = directory_;
  const auto attempt = [&](const std::function<long()>& call) {
    return confined([&] { return errno_of(call()); }, keep);
  };
  EXPECT_EQ(attempt([&] { return open(file("new").c_str(), kNew, 0600); }), 0);
  EXPECT_EQ(attempt([&] { return open(file("there").c_str(), kNew, 0600); }), EEXIST);
  EXPECT_EQ(
      attempt([&] { return open(file("there").c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0600); }),
      EPERM);
  EXPECT_EQ(attempt([&] { return open(file("there").c_str(), O_WRONLY); }), EPERM);
  EXPECT_EQ(attempt([&] { return open(file("newer").c_str(), O_WRONLY | O_CREAT, 0600); }), EPERM);
  EXPECT_EQ(attempt([&] {
              return open(file("newer").c_str(), O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW, 0600);
            }),
            EPERM);
  EXPECT_EQ(attempt([&] { return rename(file("new").c_str(), file("newer").c_str()); }), 0);
  EXPECT_EQ(attempt([&] { return unlink(file("newer").c_str()); }), 0);
  EXPECT_EQ(attempt([&] { return ftruncate(-1, 0); }), EPERM);
}

bool has_landlock() {
  return syscall(SYS_landlock_create_ruleset, nullptr, 0, LANDLOCK_CREATE_RULESET_VERSION) >= 1;
}

TEST_F(Confine, WhoMakesFilesMakesThemInOneDirectory) {
  if (!has_landlock()) GTEST_SKIP() << "this kernel has no Landlock, or not for this process";
  const std::string inside = file("inside");
  std::filesystem::create_directory(inside);
  std::ofstream(inside + "/there") << "content";
  Keep keep;
  keep.files_in = inside;
  const auto attempt = [&](const std::function<long()>& call) {
    return confined([&] { return errno_of(call()); }, keep);
  };
  EXPECT_EQ(attempt([&] { return open((inside + "/new").c_str(), kNew, 0600); }), 0);
  EXPECT_EQ(attempt([&] { return open(file("new").c_str(), kNew, 0600); }), EACCES);
  EXPECT_EQ(attempt([&] { return open((inside + "/../new").c_str(), kNew, 0600); }), EACCES);
  EXPECT_EQ(attempt([&] { return unlink(file("there").c_str()); }), EACCES);
  EXPECT_NE(attempt([&] { return rename((inside + "/there").c_str(), file("there").c_str()); }), 0);
  EXPECT_NE(attempt([&] { return rename(file("there").c_str(), (inside + "/here").c_str()); }), 0);
  EXPECT_TRUE(std::filesystem::exists(file("there")));
  EXPECT_TRUE(std::filesystem::exists(inside + "/there"));
}

TEST_F(Confine, WhoReadsTracesRunsNothingAndTalksToNobody) {
  const auto attempt = [](const std::function<int()>& call) {
    const pid_t child = fork();
    if (child == 0) _exit(confine_reading() ? call() : 255);
    int status = 0;
    waitpid(child, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  };
  static char* const none[] = {nullptr};
  static bpf_attr attr{};
  EXPECT_EQ(attempt([] { return errno_of(execve("/bin/true", none, none)); }), EPERM);
  EXPECT_EQ(attempt([] { return errno_of(fork()); }), EPERM);
  EXPECT_EQ(attempt([] { return errno_of(socket(AF_UNIX, SOCK_STREAM, 0)); }), EPERM);
  EXPECT_EQ(attempt([] { return errno_of(kill(getppid(), 0)); }), EPERM);
  EXPECT_EQ(attempt([] { return errno_of(ptrace(PTRACE_TRACEME, 0, nullptr, nullptr)); }), EPERM);
  EXPECT_EQ(
      attempt([] { return errno_of(syscall(SYS_bpf, BPF_MAP_LOOKUP_ELEM, &attr, sizeof attr)); }),
      EPERM);
  EXPECT_EQ(attempt([] {
              return errno_of(
                  mmap(nullptr, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
            }),
            EPERM);
  EXPECT_EQ(attempt([] { return field("NoNewPrivs") == "1" ? 0 : 1; }), 0);
  EXPECT_EQ(attempt([&] {
              return errno_of(open(file("new").c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0600));
            }),
            0);
  EXPECT_EQ(attempt([] {
              int outcome = 1;
              std::thread([&] { outcome = errno_of(socket(AF_UNIX, SOCK_STREAM, 0)); }).join();
              return outcome;
            }),
            EPERM);
}

/// Those of root: only it can become somebody else.
class ConfineRoot : public Confine {
 protected:
  void SetUp() override {
    if (geteuid() != 0) GTEST_SKIP() << "needs root";
    Confine::SetUp();
    if (IsSkipped()) return;
    auto user = choose_user("");
    ASSERT_TRUE(user.ok());
    keep_.user = *user;
  }
  Keep keep_;
};

TEST_F(ConfineRoot, BecomesNobodyWithNoOtherGroup) {
  ASSERT_TRUE(keep_.user);
  EXPECT_EQ(confined(
                [] {
                  const std::string nobody = "65534\t65534\t65534\t65534";
                  if (field("Uid") != nobody || field("Gid") != nobody) return 1;
                  if (field("Groups").find_first_not_of(" \t") != std::string::npos) return 2;
                  for (const char* set : {"CapInh", "CapPrm", "CapEff", "CapAmb", "CapBnd"})
                    if (field(set) != "0000000000000000") return 3;
                  // Its own memory is root's now, and not that of other processes of the same user.
                  struct stat st {};
                  return stat("/proc/self/mem", &st) == 0 && st.st_uid == 0 ? 0 : 4;
                },
                keep_),
            0);
  char ours[] = "/tmp/tcpdwell-confine-XXXXXX";
  close(mkstemp(ours));
  EXPECT_EQ(confined([&] { return errno_of(open(ours, O_RDONLY)); }, keep_), EACCES);
  unlink(ours);
}

TEST_F(ConfineRoot, SignalsItsCommandAndNobodyElse) {
  const pid_t command = fork();
  if (command == 0) {
    pause();
    _exit(0);
  }
  keep_.child = command;
  EXPECT_EQ(confined([] { return errno_of(kill(getppid(), 0)); }, keep_), EPERM);
  EXPECT_EQ(confined([&] { return errno_of(kill(-command, 0)); }, keep_), EPERM);
  EXPECT_EQ(confined([&] { return errno_of(kill(command, SIGTERM)); }, keep_), 0);
  int status = 0;
  waitpid(command, &status, 0);
  EXPECT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGTERM);
}

TEST_F(ConfineRoot, SaysAtOnceWhereAUserMayMakeNoFiles) {
  keep_.files_in = directory_;
  const pid_t child = fork();
  if (child == 0) {
    const Status status = confine(keep_);
    _exit(!status && status.error().fault == Fault::Permission ? 0 : 1);
  }
  int status = 0;
  waitpid(child, &status, 0);
  EXPECT_EQ(status, 0);
}

TEST_F(ConfineRoot, ChoosesUsersByNameAndNumber) {
  EXPECT_EQ(choose_user("nobody").value()->uid, 65534U);
  EXPECT_EQ(choose_user("12345").value()->uid, 12345U);
  EXPECT_EQ(choose_user("12345").value()->gid, 12345U);
  EXPECT_FALSE(choose_user("root").value());
  EXPECT_FALSE(choose_user("0").value());
  for (const char* none : {"no such user", "-1", "4294967295", "1x"})
    EXPECT_EQ(choose_user(none).error().fault, Fault::Usage) << none;
}

}  // namespace
}  // namespace tcpdwell
