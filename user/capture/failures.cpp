// SPDX-License-Identifier: BSD-2-Clause
#include "capture/failures.h"

#include <bpf/libbpf.h>
#include <fmt/format.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdarg>
#include <cstdio>
#include <cstring>
#include <string>

#include "capture/minisockets.h"
#include "capture/probe.h"

namespace tcpdwell {
namespace {

/// What libbpf had to say, for the message of a failure. libbpf's printer takes no context.
struct LibbpfLog {
  std::string text;
  bool verbose = false;
};
LibbpfLog& libbpf_log() {
  static LibbpfLog log;
  return log;
}

int collect_message(libbpf_print_level level, const char* format, va_list args) {
  LibbpfLog& log = libbpf_log();
  if (log.verbose) return std::vfprintf(stderr, format, args);
  if (level != LIBBPF_WARN) return 0;
  char line[512];
  const int length = std::vsnprintf(line, sizeof line, format, args);
  log.text += line;
  return length;
}

std::string first_line(const std::string& text) { return text.substr(0, text.find('\n')); }

}  // namespace

void listen_to_libbpf(bool verbose) {
  libbpf_log() = {"", verbose};
  libbpf_set_print(collect_message);
}

std::string setcap_words() {
  std::array<char, 4096> path{};
  const ssize_t length = readlink("/proc/self/exe", path.data(), path.size());
  const std::string self(path.data(), length > 0 ? static_cast<std::size_t>(length) : 0);
  const auto facts = timer_facts();
  const bool hidden = !facts && facts.error().fault == Fault::Permission;
  return fmt::format("setcap cap_bpf,cap_perfmon{}+ep {}", hidden ? ",cap_syslog" : "",
                     self.empty() ? "tcpdwell" : self);
}

Error permission_error(int code) {
  std::string names;
  for (const MissingCapability& missing : missing_capabilities())
    names += (names.empty() ? "" : " and ") + missing.name;
  if (names.empty())
    return {Fault::Permission,
            "the kernel refused to load the program although CAP_BPF and CAP_PERFMON "
            "are there (a security module or lockdown?): " +
                first_line(libbpf_log().text),
            code};
  return {Fault::Permission,
          fmt::format("not permitted: {} missing; run as root, or: {}", names, setcap_words()),
          code};
}

Status check_kernel() {
  if (!kernel_has_btf() && kernel_btf_is_readable())
    return Error{Fault::Runtime,
                 "cannot load the kernel's types (/sys/kernel/btf/vmlinux): too little memory?",
                 ENOMEM};
  if (!kernel_has_btf())
    return Error{Fault::Unsupported,
                 "this kernel has no BTF (/sys/kernel/btf/vmlinux): it needs "
                 "CONFIG_DEBUG_INFO_BTF=y"};
  if (!kernel_has_tracepoint("inet_sock_set_state"))
    return Error{Fault::Unsupported,
                 "this kernel has no tracepoint sock/inet_sock_set_state (Linux 4.16)"};
  if (!kernel_has_ringbuf())
    return Error{Fault::Unsupported,
                 "this kernel has no BPF ring buffer (Linux 5.8): use 5.12 or later"};
  if (!kernel_has_tracing_sk_storage() || !kernel_has_tracing_cookie())
    return Error{Fault::Unsupported,
                 "this kernel keeps neither socket storage nor socket cookies for tracing "
                 "programs (Linux 5.11, 5.12): use 5.12 or later"};
  return Ok;
}

Error load_error(int code) {
  if (code == EPERM) return permission_error(code);
  if (code == EACCES || code == EINVAL || code == EOPNOTSUPP || code == ESRCH || code == ENOENT)
    return {Fault::Unsupported,
            fmt::format("this kernel cannot run the program ({}): {}", std::strerror(code),
                        first_line(libbpf_log().text)),
            code};
  return {Fault::Runtime,
          fmt::format("cannot load or attach the program: {}: {}", std::strerror(code),
                      first_line(libbpf_log().text)),
          code};
}

}  // namespace tcpdwell
