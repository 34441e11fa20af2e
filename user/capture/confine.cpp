// SPDX-License-Identifier: BSD-2-Clause
#include "capture/confine.h"

#include <fmt/format.h>
#include <linux/bpf.h>
#include <linux/capability.h>
#include <seccomp.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdint>
#include <cstring>
#include <memory>

namespace tcpdwell {
namespace {

/// Sanitizers make system calls of their own.
#ifndef __has_feature  // clang's; GCC defines macros
#define __has_feature(name) 0
#endif
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__) || __has_feature(address_sanitizer) || \
    __has_feature(thread_sanitizer)
constexpr bool kSanitized = true;
#else
constexpr bool kSanitized = false;
#endif

// include/uapi/linux/capability.h of Linux 5.8
constexpr unsigned kCapBpf = 39;

/// Reading the ring, waiting, writing and rotating files, the child's end.
constexpr auto kAllowed = std::to_array<int>({
    SCMP_SYS(read),          SCMP_SYS(readv),         SCMP_SYS(pread64),       SCMP_SYS(write),
    SCMP_SYS(writev),        SCMP_SYS(pwrite64),      SCMP_SYS(close),         SCMP_SYS(lseek),
    SCMP_SYS(fstat),         SCMP_SYS(stat),          SCMP_SYS(lstat),         SCMP_SYS(newfstatat),
    SCMP_SYS(statx),         SCMP_SYS(access),        SCMP_SYS(faccessat),     SCMP_SYS(faccessat2),
    SCMP_SYS(open),          SCMP_SYS(openat),        SCMP_SYS(getdents64),    SCMP_SYS(readlink),
    SCMP_SYS(readlinkat),    SCMP_SYS(getcwd),        SCMP_SYS(fcntl),         SCMP_SYS(ioctl),
    SCMP_SYS(fsync),         SCMP_SYS(fdatasync),     SCMP_SYS(ftruncate),     SCMP_SYS(rename),
    SCMP_SYS(renameat),      SCMP_SYS(renameat2),     SCMP_SYS(unlink),        SCMP_SYS(unlinkat),
    SCMP_SYS(mmap),          SCMP_SYS(munmap),        SCMP_SYS(mremap),        SCMP_SYS(mprotect),
    SCMP_SYS(madvise),       SCMP_SYS(brk),           SCMP_SYS(futex),         SCMP_SYS(epoll_wait),
    SCMP_SYS(epoll_pwait),   SCMP_SYS(epoll_ctl),     SCMP_SYS(poll),          SCMP_SYS(ppoll),
    SCMP_SYS(timerfd_create), SCMP_SYS(timerfd_settime), SCMP_SYS(clock_gettime), SCMP_SYS(clock_nanosleep),
    SCMP_SYS(nanosleep),     SCMP_SYS(gettimeofday),  SCMP_SYS(rt_sigaction),  SCMP_SYS(rt_sigprocmask),
    SCMP_SYS(rt_sigreturn),  SCMP_SYS(restart_syscall), SCMP_SYS(sched_yield), SCMP_SYS(wait4),
    SCMP_SYS(waitid),        SCMP_SYS(kill),          SCMP_SYS(tgkill),        SCMP_SYS(getpid),
    SCMP_SYS(gettid),        SCMP_SYS(getrandom),     SCMP_SYS(uname),         SCMP_SYS(exit),
    SCMP_SYS(exit_group),
});

/// Of sockets that are there: neither socket() nor connect(), bind() or listen().
constexpr auto kAllowedClients = std::to_array<int>({
    SCMP_SYS(accept4),    SCMP_SYS(recvfrom),   SCMP_SYS(recvmsg),     SCMP_SYS(sendto),
    SCMP_SYS(sendmsg),    SCMP_SYS(shutdown),   SCMP_SYS(getsockname), SCMP_SYS(getpeername),
    SCMP_SYS(getsockopt), SCMP_SYS(setsockopt), SCMP_SYS(sendfile),
});

constexpr auto kAllowedBpf = std::to_array<std::uint64_t>(
    {BPF_MAP_LOOKUP_ELEM, BPF_PROG_TEST_RUN, BPF_OBJ_GET_INFO_BY_FD, BPF_MAP_GET_NEXT_KEY});

struct FilterFree {
  void operator()(void* filter) const { seccomp_release(filter); }
};

Error failed(const char* what, int code) {
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

Status drop_capabilities(std::uint64_t kept) {
  // Without CAP_SETPCAP this fails, and without capabilities it does not matter.
  for (int capability = 0; prctl(PR_CAPBSET_READ, capability) >= 0; ++capability)
    if (capability >= 64 || (kept >> capability & 1) == 0) prctl(PR_CAPBSET_DROP, capability);
  prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
  constexpr std::uint64_t kBpf = std::uint64_t{1} << kCapBpf;
  if (set_capabilities(kept, kept | kBpf) && !may_use_maps() && set_capabilities(kept | kBpf, kept | kBpf)) return Ok;
  // Whoever has not got what may stay has no more use for it.
  if (!set_capabilities(kept, kept) && !set_capabilities(0, 0)) return failed("drop capabilities", errno);
  return Ok;
}

template <class Calls>
Status allow(void* filter, const Calls& calls) {
  for (const int call : calls)
    if (const int code = seccomp_rule_add(filter, SCMP_ACT_ALLOW, call, 0); code != 0 && code != -EDOM)
      return failed("allow a system call", -code);
  return Ok;
}

Status filter_system_calls(Keep keep) {
  const std::unique_ptr<void, FilterFree> filter(seccomp_init(SCMP_ACT_ERRNO(EPERM)));
  if (!filter) return failed("make a filter of system calls", ENOMEM);
  if (Status status = allow(filter.get(), kAllowed); !status) return status;
  if (keep == Keep::Clients)
    if (Status status = allow(filter.get(), kAllowedClients); !status) return status;
  for (const std::uint64_t command : kAllowedBpf)
    if (const int code = seccomp_rule_add(filter.get(), SCMP_ACT_ALLOW, SCMP_SYS(bpf), 1,
                                          SCMP_A0(SCMP_CMP_EQ, command)))
      return failed("allow bpf()", -code);
  if (const int code = seccomp_load(filter.get())) return failed("load a filter of system calls", -code);
  return Ok;
}

}  // namespace

Status confine(Keep keep) {
  const std::uint64_t kept = keep == Keep::Files ? std::uint64_t{1} << CAP_DAC_OVERRIDE : 0;
  if (Status status = drop_capabilities(kept); !status) return status;
  if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) return failed("set no_new_privs", errno);
  return kSanitized ? Status(Ok) : filter_system_calls(keep);
}

}  // namespace tcpdwell
