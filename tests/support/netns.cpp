// SPDX-License-Identifier: BSD-2-Clause
#include "support/netns.h"

#include <fcntl.h>
#include <linux/capability.h>
#include <net/if.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include <algorithm>
#include <cstring>

namespace tcpdwell::test {
namespace {

Fd current_netns() {
  return Fd(sys(open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC), "open ns/net"));
}

void bring_loopback_up() {
  Fd any(sys(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0), "socket"));
  ifreq request{};
  std::strcpy(request.ifr_name, "lo");
  sys(ioctl(any.get(), SIOCGIFFLAGS, &request), "SIOCGIFFLAGS lo");
  request.ifr_flags = static_cast<short>(request.ifr_flags | IFF_UP);
  sys(ioctl(any.get(), SIOCSIFFLAGS, &request), "SIOCSIFFLAGS lo");
}

}  // namespace

std::optional<std::string> why_no_kernel_tests() {
  if (geteuid() != 0) return "needs root: loads BPF programs and makes network namespaces";
  if (prctl(PR_CAPBSET_READ, CAP_SYS_ADMIN) != 1) return "needs CAP_SYS_ADMIN, which is dropped";
  return std::nullopt;
}

Netns::Netns() : outer_(current_netns()) {
  sys(unshare(CLONE_NEWNET), "unshare(CLONE_NEWNET)");
  inner_ = current_netns();
  struct stat status {};
  sys(fstat(inner_.get(), &status), "fstat ns/net");
  inode_ = static_cast<std::uint32_t>(status.st_ino);
  bring_loopback_up();
}

Netns::~Netns() { setns(outer_.get(), CLONE_NEWNET); }

void Netns::enter() const { sys(setns(inner_.get(), CLONE_NEWNET), "setns"); }

// /proc/sys/net shows the namespace of the task that opens the file, so be in it for the moment;
// another Netns may have been entered since.
void Netns::set_sysctl(std::string_view name, std::string_view value) {
  std::string path = "/proc/sys/";
  path += name;
  std::replace(path.begin(), path.end(), '.', '/');
  const Fd here = current_netns();
  sys(setns(inner_.get(), CLONE_NEWNET), "setns");
  const Fd file(open(path.c_str(), O_WRONLY | O_CLOEXEC));
  const ssize_t written = file.get() < 0 ? -1 : write(file.get(), value.data(), value.size());
  const int error = errno;
  sys(setns(here.get(), CLONE_NEWNET), "setns");
  if (written < 0) throw std::system_error(error, std::generic_category(), path);
}

}  // namespace tcpdwell::test
