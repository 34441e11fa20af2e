// SPDX-License-Identifier: BSD-2-Clause
#include "serve/listen.h"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <cstring>
#include <optional>
#include <string_view>

#include "serve/loopback.h"
#include "util/descriptor.h"
#include "util/number.h"

namespace tcpdwell {
namespace {

constexpr int kBacklog = 64;

struct TcpAddress {
  sockaddr_storage storage{};
  socklen_t size = 0;
  bool loopback = false;
};

std::optional<TcpAddress> parse(std::string_view text) {
  const std::size_t colon = text.rfind(':');
  if (colon == std::string_view::npos) return std::nullopt;
  const auto port = whole_number<std::uint16_t>(text.substr(colon + 1));
  if (!port) return std::nullopt;
  std::string host(text.substr(0, colon));
  TcpAddress address;
  auto* const v4 = reinterpret_cast<sockaddr_in*>(&address.storage);
  auto* const v6 = reinterpret_cast<sockaddr_in6*>(&address.storage);
  if (host == "localhost") host = "127.0.0.1";
  if (inet_pton(AF_INET, host.c_str(), &v4->sin_addr) == 1) {
    v4->sin_family = AF_INET;
    v4->sin_port = htons(*port);
    address.size = sizeof *v4;
    address.loopback = is_loopback(v4->sin_addr);
    return address;
  }
  if (host.empty()) host = "[::]";
  if (host.size() < 2 || host.front() != '[' || host.back() != ']') return std::nullopt;
  if (inet_pton(AF_INET6, host.substr(1, host.size() - 2).c_str(), &v6->sin6_addr) != 1)
    return std::nullopt;
  v6->sin6_family = AF_INET6;
  v6->sin6_port = htons(*port);
  address.size = sizeof *v6;
  address.loopback = is_loopback(v6->sin6_addr);
  return address;
}

Error failed(const std::string& name, int code) {
  if (code == EADDRINUSE)
    return {Fault::Runtime,
            fmt::format("cannot listen on {}: the port is in use; give another --listen", name),
            code};
  return os_error(Fault::Runtime, code, "cannot listen on " + name);
}

/// A directory that is not there is named.
Error failed_unix(const std::string& path, int code) {
  const std::string directory = path.substr(0, path.rfind('/') + 1);
  const std::string what = "cannot listen on " + path;
  if (code == ENOENT && !directory.empty())
    return {Fault::Runtime, fmt::format("{}: there is no directory {}", what, directory), code};
  return os_error(Fault::Runtime, code, what);
}

std::string name_of(int fd) {
  sockaddr_storage storage{};
  socklen_t size = sizeof storage;
  getsockname(fd, reinterpret_cast<sockaddr*>(&storage), &size);
  char text[INET6_ADDRSTRLEN] = "";
  if (storage.ss_family == AF_INET) {
    const auto* v4 = reinterpret_cast<const sockaddr_in*>(&storage);
    inet_ntop(AF_INET, &v4->sin_addr, text, sizeof text);
    return fmt::format("{}:{}", text, ntohs(v4->sin_port));
  }
  const auto* v6 = reinterpret_cast<const sockaddr_in6*>(&storage);
  inet_ntop(AF_INET6, &v6->sin6_addr, text, sizeof text);
  return fmt::format("[{}]:{}", text, ntohs(v6->sin6_port));
}

/// Whether the path is a socket that was left behind; 0, or why it is not ours to take.
int take_over(const sockaddr_un& address) {
  struct stat st {};
  if (lstat(address.sun_path, &st) != 0) return errno == ENOENT ? 0 : errno;
  if (!S_ISSOCK(st.st_mode)) return EEXIST;
  const Descriptor probe(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (connect(probe.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0 ||
      errno != ECONNREFUSED)
    return EADDRINUSE;
  return unlink(address.sun_path) == 0 ? 0 : errno;
}

}  // namespace

Result<Listening> listen_tcp(const std::string& text) {
  const auto address = parse(text);
  if (!address)
    return Error{Fault::Usage,
                 fmt::format("--listen {}: expected an address and a port, as 127.0.0.1:9978, "
                             "[::1]:9978 or :9978",
                             text)};
  Descriptor fd(socket(address->storage.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  const int on = 1;
  if (!fd || setsockopt(fd.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) != 0 ||
      bind(fd.get(), reinterpret_cast<const sockaddr*>(&address->storage), address->size) != 0 ||
      ::listen(fd.get(), kBacklog) != 0)
    return failed(text, errno);
  const std::string name = name_of(fd.get());
  return Listening{fd.take(), name, address->loopback};
}

Result<Listening> listen_unix(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof address.sun_path)
    return Error{Fault::Usage, fmt::format("--socket {}: longer than {} bytes", path,
                                           sizeof address.sun_path - 1)};
  std::memcpy(address.sun_path, path.data(), path.size());
  if (const int code = take_over(address)) {
    if (code == EADDRINUSE)
      return Error{Fault::Runtime,
                   fmt::format("cannot listen on {}: another tcpdwell serve answers there; give "
                               "another --socket, or none with --socket ''",
                               path),
                   code};
    return failed_unix(path, code);
  }
  Descriptor fd(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!fd) return failed_unix(path, errno);
  // Before any other thread: the mask belongs to the process.
  const mode_t before = umask(0177);
  const bool bound =
      bind(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0;
  umask(before);  // leaves errno as it is
  if (!bound || ::listen(fd.get(), kBacklog) != 0) return failed_unix(path, errno);
  struct stat made {};
  lstat(path.c_str(), &made);
  return Listening{fd.take(), path, false, true, made.st_dev, made.st_ino};
}

void remove_unix(const Listening& listening) {
  struct stat now {};
  if (listening.is_unix && lstat(listening.name.c_str(), &now) == 0 &&
      now.st_dev == listening.dev && now.st_ino == listening.ino)
    unlink(listening.name.c_str());
}

}  // namespace tcpdwell
