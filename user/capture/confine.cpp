// SPDX-License-Identifier: BSD-2-Clause
#include "capture/confine.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <linux/bpf.h>
#include <linux/capability.h>
#include <linux/landlock.h>
#include <pwd.h>
#include <sched.h>
#include <seccomp.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <charconv>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <memory>
#include <optional>

#include "capture/probe.h"

namespace tcpdwell {
namespace {

/// Sanitizers and counters of coverage make system calls of their own, and write files at the end.
#ifndef __has_feature  // clang's; GCC defines macros
#define __has_feature(name) 0
#endif
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__) ||       \
    __has_feature(address_sanitizer) || __has_feature(thread_sanitizer) || \
    defined(TCPDWELL_COVERAGE)
constexpr bool kInstrumented = true;
#else
constexpr bool kInstrumented = false;
#endif

constexpr std::uint64_t bit(unsigned capability) { return std::uint64_t{1} << capability; }
constexpr unsigned kCapBpf = 39;  // include/uapi/linux/capability.h of Linux 5.8
constexpr uid_t kNobody = 65534;  // DEFAULT_OVERFLOWUID, include/linux/highuid.h

// clang-format off
/// Reading the ring, waiting, writing to what is open, the child's end.
constexpr auto kAllowed = std::to_array<int>({
    SCMP_SYS(read), SCMP_SYS(readv), SCMP_SYS(pread64), SCMP_SYS(write), SCMP_SYS(writev),
    SCMP_SYS(pwrite64), SCMP_SYS(close), SCMP_SYS(lseek), SCMP_SYS(fstat), SCMP_SYS(stat),
    SCMP_SYS(lstat), SCMP_SYS(newfstatat), SCMP_SYS(statx), SCMP_SYS(access), SCMP_SYS(faccessat),
    SCMP_SYS(faccessat2), SCMP_SYS(getdents64), SCMP_SYS(readlink), SCMP_SYS(readlinkat),
    SCMP_SYS(getcwd), SCMP_SYS(fsync), SCMP_SYS(fdatasync), SCMP_SYS(flock), SCMP_SYS(munmap),
    SCMP_SYS(mremap), SCMP_SYS(madvise), SCMP_SYS(brk), SCMP_SYS(futex), SCMP_SYS(epoll_wait),
    SCMP_SYS(epoll_pwait), SCMP_SYS(epoll_ctl), SCMP_SYS(poll), SCMP_SYS(ppoll),
    SCMP_SYS(timerfd_create), SCMP_SYS(timerfd_settime), SCMP_SYS(clock_gettime),
    SCMP_SYS(clock_nanosleep), SCMP_SYS(nanosleep), SCMP_SYS(gettimeofday), SCMP_SYS(rt_sigaction),
    SCMP_SYS(rt_sigprocmask), SCMP_SYS(rt_sigreturn), SCMP_SYS(restart_syscall),
    SCMP_SYS(sched_yield), SCMP_SYS(wait4), SCMP_SYS(waitid), SCMP_SYS(getpid), SCMP_SYS(gettid),
    SCMP_SYS(getrandom), SCMP_SYS(uname), SCMP_SYS(exit), SCMP_SYS(exit_group),
});

/// Of sockets that are there: neither socket() nor connect(), bind() or listen().
constexpr auto kAllowedClients = std::to_array<int>(
    {SCMP_SYS(accept4), SCMP_SYS(recvfrom), SCMP_SYS(recvmsg), SCMP_SYS(sendto), SCMP_SYS(sendmsg),
     SCMP_SYS(shutdown), SCMP_SYS(getsockname), SCMP_SYS(getpeername), SCMP_SYS(getsockopt)});

/// In a directory of its own; which one is Landlock's to know.
constexpr auto kAllowedFiles =
    std::to_array<int>({SCMP_SYS(rename), SCMP_SYS(renameat), SCMP_SYS(renameat2), SCMP_SYS(unlink),
                        SCMP_SYS(unlinkat)});
// clang-format on

/// Threads, which a C library that may not use clone3() makes by clone().
constexpr auto kAllowedThreads =
    std::to_array<int>({SCMP_SYS(set_robust_list), SCMP_SYS(rseq), SCMP_SYS(sched_getaffinity)});

constexpr auto kAllowedBpf =
    std::to_array<std::uint64_t>({BPF_MAP_LOOKUP_ELEM, BPF_MAP_LOOKUP_BATCH, BPF_PROG_TEST_RUN,
                                  BPF_OBJ_GET_INFO_BY_FD, BPF_MAP_GET_NEXT_KEY});
constexpr auto kAllowedFcntl = std::to_array<std::uint64_t>(
    {F_DUPFD_CLOEXEC, F_GETFD, F_SETFD, F_GETFL, F_SETFL, F_GETLK, F_SETLK});
/// A terminal's size and modes, what waits in a socket. Not TIOCSTI, which types into whoever reads
/// the terminal next.
constexpr auto kAllowedIoctl = std::to_array<std::uint64_t>({
    TIOCGWINSZ, TCGETS, TCSETS, TCSETSW, TCSETSF, TCFLSH, FIONREAD, 0x802c542a, 0x402c542b,
    0x402c542c, 0x402c542d,  // TCGETS2 and its like, which newer C libraries use
});

struct FilterFree {
  void operator()(void* filter) const { seccomp_release(filter); }
};

Error failed(const std::string& what, int code) {
  return {Fault::Runtime, fmt::format("cannot {}: {}", what, std::strerror(code)), code};
}

bool set_capabilities(std::uint64_t effective, std::uint64_t permitted) {
  __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
  std::array<__user_cap_data_struct, 2> data{};
  data[0].effective = static_cast<__u32>(effective);
  data[0].permitted = static_cast<__u32>(permitted);
  data[1].effective = static_cast<__u32>(effective >> 32);
  data[1].permitted = static_cast<__u32>(permitted >> 32);
  return syscall(SYS_capset, &header, data.data()) == 0;
}

bool may_use_maps() {
  bpf_attr none{};
  none.map_fd = ~0U;
  return syscall(SYS_bpf, BPF_MAP_LOOKUP_ELEM, &none, sizeof none) == 0 || errno != EPERM;
}

/// For what might be executed.
void drop_for_others(std::uint64_t kept) {
  // Without CAP_SETPCAP this fails, and without capabilities it does not matter.
  for (unsigned capability = 0; prctl(PR_CAPBSET_READ, capability) >= 0; ++capability)
    if (capability >= 64 || (kept & bit(capability)) == 0) prctl(PR_CAPBSET_DROP, capability);
  prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
}

/// This thread: the C library would have all threads follow, and one that is confined may not.
Status become(const User& user) {
  prctl(PR_SET_KEEPCAPS, 1);  // until drop_capabilities()
  if (syscall(SYS_setgroups, 0, nullptr) != 0 ||
      syscall(SYS_setresgid, user.gid, user.gid, user.gid) != 0 ||
      syscall(SYS_setresuid, user.uid, user.uid, user.uid) != 0) {
    const int code = errno;
    return Error{Fault::Permission,
                 fmt::format("cannot become user {}: {} (needs CAP_SETUID and CAP_SETGID; --user "
                             "root goes on as root)",
                             user.name, std::strerror(code)),
                 code};
  }
  // Other processes of that user are not to look into this one, or take what it has open.
  prctl(PR_SET_DUMPABLE, 0);
  return Ok;
}

/// Said at once, and not when the first file is full.
Status may_make_files(const User& user, const std::string& directory) {
  if (directory.empty() || faccessat(AT_FDCWD, directory.c_str(), W_OK | X_OK, AT_EACCESS) == 0)
    return Ok;
  return Error{Fault::Permission,
               fmt::format("user {} may not make files in {}", user.name, directory), errno};
}

Status drop_capabilities(std::uint64_t kept) {
  constexpr std::uint64_t kBpf = bit(kCapBpf);
  if (set_capabilities(kept, kept | kBpf) && !may_use_maps() &&
      set_capabilities(kept | kBpf, kept | kBpf))
    return Ok;
  // Whoever has not got what may stay has no more use for it.
  if (!set_capabilities(kept, kept) && !set_capabilities(0, 0))
    return failed("drop capabilities", errno);
  return Ok;
}

Status forbid_new_privileges() {
  if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0) return Ok;
  return failed("set no_new_privs (is prctl() forbidden here?)", errno);
}

class Landlock {
 public:
  /// Of what a kernel that has this version can forbid, all that changes or runs files.
  explicit Landlock(long version) {
    constexpr std::uint64_t kReading = LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR;
    const unsigned rights = version >= 5 ? 16 : version >= 3 ? 15 : version == 2 ? 14 : 13;
    landlock_ruleset_attr attr{};
    attr.handled_access_fs = ((std::uint64_t{1} << rights) - 1) & ~kReading;
    rules_ = static_cast<int>(
        syscall(SYS_landlock_create_ruleset, &attr, sizeof attr.handled_access_fs, 0));
  }
  ~Landlock() {
    if (rules_ >= 0) close(rules_);
  }
  Landlock(const Landlock&) = delete;
  Landlock& operator=(const Landlock&) = delete;

  bool allow_files_in(const std::string& directory) {
    const int fd = open(directory.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) return false;
    landlock_path_beneath_attr attr{};
    attr.allowed_access = LANDLOCK_ACCESS_FS_WRITE_FILE | LANDLOCK_ACCESS_FS_MAKE_REG |
                          LANDLOCK_ACCESS_FS_REMOVE_FILE;
    attr.parent_fd = fd;
    const bool added =
        syscall(SYS_landlock_add_rule, rules_, LANDLOCK_RULE_PATH_BENEATH, &attr, 0) == 0;
    const int code = errno;
    close(fd);
    errno = code;
    return added;
  }
  bool restrict() { return rules_ >= 0 && syscall(SYS_landlock_restrict_self, rules_, 0) == 0; }

 private:
  int rules_;
};

/// What a filter of system calls cannot see: where a path leads.
Status forbid_paths(const std::string& but_in) {
  const long version =
      syscall(SYS_landlock_create_ruleset, nullptr, 0, LANDLOCK_CREATE_RULESET_VERSION);
  if (version < 1)
    return Ok;  // none in this kernel, or not for this container: the filter has to do
  Landlock landlock(version);
  if (!but_in.empty() && !landlock.allow_files_in(but_in))
    return failed("keep files in " + but_in, errno);
  return landlock.restrict() ? Status(Ok) : failed("set rules of Landlock", errno);
}

/// Builds the filter; the first error stays.
class CallFilter {
 public:
  CallFilter() : filter_(seccomp_init(SCMP_ACT_ERRNO(EPERM))) {}

  template <class... Conditions>
  void allow(int call, Conditions... conditions) {
    const std::array<scmp_arg_cmp, sizeof...(conditions)> all{conditions...};
    const int code = !filter_
                         ? -ENOMEM
                         : seccomp_rule_add_array(filter_.get(), SCMP_ACT_ALLOW, call,
                                                  static_cast<unsigned>(all.size()), all.data());
    if (code != 0 && code != -EDOM && code_ == 0)
      code_ = -code;  // EDOM: no call of this architecture
  }
  template <class Calls>
  void allow_all(const Calls& calls) {
    for (const int call : calls) allow(call);
  }
  template <class Values>
  void allow_values(int call, unsigned argument, const Values& values) {
    for (const std::uint64_t value : values)
      allow(call, scmp_arg_cmp{argument, SCMP_CMP_EQ, value, 0});
  }
  /// Where the bits of `mask` in an argument are `value`.
  void allow_bits(int call, unsigned argument, std::uint64_t mask, std::uint64_t value) {
    allow(call, scmp_arg_cmp{argument, SCMP_CMP_MASKED_EQ, mask, value});
  }
  /// As a kernel that is older than it.
  void deny_as_unknown(int call) {
    if (filter_ && code_ == 0)
      code_ = -seccomp_rule_add(filter_.get(), SCMP_ACT_ERRNO(ENOSYS), call, 0);
  }
  Status load() {
    if (code_ == 0 && filter_) code_ = -seccomp_load(filter_.get());
    return code_ == 0 ? Status(Ok)
                      : failed("filter system calls (is seccomp() forbidden here?)", code_);
  }

 private:
  std::unique_ptr<void, FilterFree> filter_;
  int code_ = 0;
};

/// openat2() has its flags in memory, where no filter sees them: it is not allowed at all.
void allow_files(CallFilter& filter, bool new_ones) {
  constexpr int kTmpfile = O_TMPFILE & ~O_DIRECTORY;
  constexpr std::uint64_t kChanging = O_ACCMODE | O_CREAT | O_TRUNC | kTmpfile;
  constexpr std::uint64_t kNew = O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW;
  filter.allow_bits(SCMP_SYS(open), 1, kChanging, 0);
  filter.allow_bits(SCMP_SYS(openat), 2, kChanging, 0);
  if (!new_ones) return;
  filter.allow_bits(SCMP_SYS(open), 1, kChanging | kNew, kNew);
  filter.allow_bits(SCMP_SYS(openat), 2, kChanging | kNew, kNew);
  filter.allow_all(kAllowedFiles);
}

std::array<std::uint64_t, 1> only(pid_t process) { return {static_cast<std::uint64_t>(process)}; }

void allow_what_all_need(CallFilter& filter) {
  filter.allow_all(kAllowed);
  filter.allow_bits(SCMP_SYS(mmap), 2, PROT_EXEC, 0);
  filter.allow_bits(SCMP_SYS(mprotect), 2, PROT_EXEC, 0);
  filter.allow_values(SCMP_SYS(fcntl), 1, kAllowedFcntl);
  for (const std::uint64_t request : kAllowedIoctl)
    filter.allow_bits(SCMP_SYS(ioctl), 1, UINT32_MAX, request);
  filter.allow_values(SCMP_SYS(tgkill), 0, only(getpid()));
}

Status filter_system_calls(const Keep& keep) {
  CallFilter filter;
  allow_what_all_need(filter);
  if (keep.clients) filter.allow_all(kAllowedClients);
  allow_files(filter, !keep.files_in.empty());
  filter.allow_values(SCMP_SYS(bpf), 0, kAllowedBpf);
  // By a link that is there: it begins its walk anew.
  if (keep.looks)
    filter.allow_values(SCMP_SYS(bpf), 0, std::to_array<std::uint64_t>({BPF_ITER_CREATE}));
  if (keep.child > 0) filter.allow_values(SCMP_SYS(kill), 0, only(keep.child));
  return filter.load();
}

/// Of /etc/passwd. getpwnam() asks what else the host has users in too, by libraries of the host,
/// which a static program cannot load: such a user has a number.
template <class Match>
std::optional<passwd> find_passwd(Match match) {
  const std::unique_ptr<std::FILE, int (*)(std::FILE*)> file(std::fopen("/etc/passwd", "re"),
                                                             &std::fclose);
  while (const passwd* const entry = file ? fgetpwent(file.get()) : nullptr)
    if (match(*entry)) return *entry;
  return {};
}

Result<User> find_user(const std::string& asked) {
  User user;
  user.name = asked;
  const auto [end, error] = std::from_chars(asked.data(), asked.data() + asked.size(), user.uid);
  const bool number = error == std::errc() && end == asked.data() + asked.size() &&
                      user.uid != static_cast<uid_t>(-1);
  const auto entry = find_passwd([&](const passwd& candidate) {
    return number ? candidate.pw_uid == user.uid : asked == candidate.pw_name;
  });
  if (!entry && !number)
    return Error{Fault::Usage,
                 fmt::format("--user {}: there is no such user in /etc/passwd", asked)};
  if (entry) user.uid = entry->pw_uid;
  user.gid = entry ? entry->pw_gid : user.uid;
  return user;
}

}  // namespace

Status confine_reading() {
  if (Status status = forbid_new_privileges(); !status || kInstrumented) return status;
  CallFilter filter;
  allow_what_all_need(filter);
  // What util/create does for -o.
  filter.allow_all(std::to_array<int>(
      {SCMP_SYS(open), SCMP_SYS(openat), SCMP_SYS(fstatfs), SCMP_SYS(ftruncate)}));
  filter.allow_all(kAllowedThreads);
  filter.allow_bits(SCMP_SYS(clone), 0, CLONE_THREAD, CLONE_THREAD);
  filter.deny_as_unknown(SCMP_SYS(clone3));
  return filter.load();
}

Result<std::optional<User>> choose_user(const std::string& asked) {
  using Choice = std::optional<User>;
  if (asked.empty())
    return geteuid() == 0 ? Choice(User{kNobody, kNobody, "nobody (65534)"}) : Choice();
  auto user = find_user(asked);
  if (!user) return user.error();
  if (user->uid == geteuid()) return Choice();
  if (!has_capability(CAP_SETUID) || !has_capability(CAP_SETGID))
    return Error{Fault::Permission,
                 fmt::format("--user {}: needs CAP_SETUID and CAP_SETGID, or root", asked), EPERM};
  return Choice(std::move(user).value());
}

Status confine(const Keep& keep) {
  const bool changes = keep.user.has_value() && !kInstrumented;
  std::uint64_t kept = 0;
  if (!keep.files_in.empty() && !keep.user && has_capability(CAP_DAC_OVERRIDE))
    kept |= bit(CAP_DAC_OVERRIDE);
  if (keep.child > 0 && changes && has_capability(CAP_KILL)) kept |= bit(CAP_KILL);
  drop_for_others(kept);
  Status first = Ok;
  const auto note = [&first](Status done) {
    if (first && !done) first = std::move(done);
  };
  if (changes) note(become(*keep.user));
  note(drop_capabilities(kept));
  if (changes) note(may_make_files(*keep.user, keep.files_in));
  note(forbid_new_privileges());
  if (kInstrumented) return first;
  note(forbid_paths(keep.files_in));
  note(filter_system_calls(keep));
  return first;
}

}  // namespace tcpdwell
