// SPDX-License-Identifier: BSD-2-Clause
#include "run/notify.h"

#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstddef>
#include <cstdlib>
#include <cstring>

#include "util/number.h"

namespace tcpdwell {
namespace {

std::optional<std::uint64_t> number_in(const char* name) {
  const char* const text = std::getenv(name);
  return text == nullptr ? std::nullopt : whole_number<std::uint64_t>(text);
}

Descriptor connected_to(std::string_view path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.empty() || (path[0] != '/' && path[0] != '@') || path.size() >= sizeof address.sun_path)
    return {};
  std::memcpy(address.sun_path, path.data(), path.size());
  if (path[0] == '@') address.sun_path[0] = '\0';  // an abstract socket's name has no final NUL
  const auto size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + path.size() +
                                           (path[0] == '@' ? 0 : 1));
  Descriptor fd(socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), size) == 0) return fd;
  return {};
}

}  // namespace

Notifier::Notifier() {
  if (const char* path = std::getenv("NOTIFY_SOCKET")) fd_ = connected_to(path);
  const auto period = number_in("WATCHDOG_USEC");
  const auto pid = number_in("WATCHDOG_PID");
  const bool ours = !pid || *pid == static_cast<std::uint64_t>(getpid());
  if (fd_ && ours && period && *period > 0) watchdog_ns_ = *period * 1000 / 2;
}

void Notifier::tell(std::string_view what) const {
  if (fd_) [[maybe_unused]]
    const ssize_t told = send(fd_.get(), what.data(), what.size(), MSG_NOSIGNAL);
}

}  // namespace tcpdwell
