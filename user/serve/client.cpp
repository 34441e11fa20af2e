// SPDX-License-Identifier: BSD-2-Clause
#include <fmt/format.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <string_view>
#include <utility>

#include "serve/http.h"
#include "util/escape.h"

namespace tcpdwell {
namespace {

struct Fd {
  int fd;
  ~Fd() {
    if (fd >= 0) close(fd);
  }
};

Error failed(const std::string& path, std::string_view how, int os_errno = 0) {
  return {Fault::Runtime, fmt::format("{}: {}", path, how), os_errno};
}

Error failed_by_errno(const std::string& path) {
  const int error = errno;
  return failed(path, std::strerror(error), error);
}

}  // namespace

Result<std::string> body_of(std::string answer, const std::string& from) {
  const std::size_t head = answer.find("\r\n\r\n");
  if (head == std::string::npos) return failed(from, "the answer is cut off");
  if (answer.compare(0, 7, "HTTP/1.") != 0) return failed(from, "the answer is not HTTP's");
  if (answer.compare(8, 5, " 200 ") != 0)
    return failed(from, printable(answer.substr(0, answer.find('\r'))));
  answer.erase(0, head + 4);
  return answer;
}

Result<std::string> get_over_unix(const std::string& socket_path, const std::string& path_and_query,
                                  int timeout_ms) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (socket_path.size() >= sizeof address.sun_path) return failed(socket_path, "too long");
  std::memcpy(address.sun_path, socket_path.data(), socket_path.size());
  const Fd connection{socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)};
  if (connection.fd < 0 ||
      connect(connection.fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0)
    return failed_by_errno(socket_path);
  // HTTP/1.0: the answer comes as it is, and ends with the connection.
  const std::string request = "GET " + path_and_query + " HTTP/1.0\r\n\r\n";
  if (send(connection.fd, request.data(), request.size(), MSG_NOSIGNAL) !=
      static_cast<ssize_t>(request.size()))
    return failed_by_errno(socket_path);
  std::string answer;
  std::string piece(1U << 18, '\0');
  for (;;) {
    pollfd waiting{connection.fd, POLLIN, 0};
    const int ready = poll(&waiting, 1, timeout_ms);
    if (ready < 0 && errno == EINTR) continue;
    if (ready <= 0) return failed(socket_path, "does not answer in time");
    const ssize_t got = recv(connection.fd, piece.data(), piece.size(), 0);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return failed_by_errno(socket_path);
    if (got == 0) break;
    answer.append(piece.data(), static_cast<std::size_t>(got));
  }
  return body_of(std::move(answer), socket_path);
}

}  // namespace tcpdwell
