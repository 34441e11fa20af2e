// SPDX-License-Identifier: BSD-2-Clause
#include <fmt/format.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <string_view>
#include <utility>

#include "serve/http.h"
#include "serve/owned.h"
#include "util/escape.h"

namespace tcpdwell {
namespace {

constexpr std::size_t kMostHead = 16U << 10;
constexpr std::string_view kEndOfHead = "\r\n\r\n";

Error failed(const std::string& path, std::string_view how, int os_errno = 0) {
  return {Fault::Runtime, fmt::format("{}: {}", path, how), os_errno};
}

Error failed_by_errno(const std::string& path) { return os_error(Fault::Runtime, errno, path); }

}  // namespace

Result<std::string_view> body_of(std::string_view answer, const std::string& from) {
  const std::size_t head = answer.find(kEndOfHead);
  if (head == std::string_view::npos) return failed(from, "the answer is cut off");
  if (answer.compare(0, 7, "HTTP/1.") != 0) return failed(from, "the answer is not HTTP's");
  if (answer.compare(8, 5, " 200 ") != 0)
    return failed(from, printable(answer.substr(0, answer.find('\r'))));
  return answer.substr(head + kEndOfHead.size());
}

UnixAnswer::UnixAnswer(Descriptor fd, std::string from, const Limits& limits)
    : fd_(std::move(fd)),
      from_(std::move(from)),
      limits_(limits),
      deadline_ns_(now_ns() + limits.ns) {}

Result<std::unique_ptr<UnixAnswer>> UnixAnswer::get(const std::string& socket_path,
                                                    const std::string& path_and_query,
                                                    const Limits& limits) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (socket_path.size() >= sizeof address.sun_path)
    return failed(socket_path, "too long", ENAMETOOLONG);
  std::memcpy(address.sun_path, socket_path.data(), socket_path.size());
  // Never waits but in receive(): somebody who accepts nobody would hold us in connect() too.
  Descriptor made(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!made) return failed_by_errno(socket_path);
  const int fd = made.get();
  std::unique_ptr<UnixAnswer> answer(new UnixAnswer(std::move(made), socket_path, limits));
  if (connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0)
    return errno == EAGAIN ? failed(socket_path, "accepts nobody") : failed_by_errno(socket_path);
  // HTTP/1.0: the answer comes as it is, and ends with the connection.
  const std::string request = "GET " + path_and_query + " HTTP/1.0\r\n\r\n";
  if (send(fd, request.data(), request.size(), MSG_NOSIGNAL) !=
      static_cast<ssize_t>(request.size()))
    return failed_by_errno(socket_path);
  if (Status status = answer->take_head(); !status) return status.error();
  return answer;
}

Status UnixAnswer::take_head() {
  std::array<char, 4096> piece{};
  for (;;) {
    auto got = receive(piece.data(), piece.size());
    if (!got) return got.error();
    early_.append(piece.data(), *got);
    const bool whole = early_.find(kEndOfHead) != std::string::npos;
    if (!whole && early_.size() > kMostHead) return failed(from_, "the answer has no body");
    if (*got != 0 && !whole) continue;
    const auto body = body_of(early_, from_);
    if (!body) return body.error();
    early_.erase(0, early_.size() - body->size());
    return Ok;
  }
}

Result<std::size_t> UnixAnswer::read(char* data, std::size_t size) {
  if (early_.empty()) return receive(data, size);
  const std::size_t got = early_.copy(data, size);
  early_.erase(0, got);
  return got;
}

Result<std::size_t> UnixAnswer::receive(char* data, std::size_t size) {
  for (;;) {
    const std::uint64_t now = now_ns();
    const std::uint64_t left_ms =
        now < deadline_ns_ ? (deadline_ns_ - now + 999'999) / 1'000'000 : 0;
    pollfd waiting{fd_.get(), POLLIN, 0};
    const int ready = left_ms == 0 ? 0 : poll(&waiting, 1, static_cast<int>(left_ms));
    if (ready < 0 && errno == EINTR) continue;
    if (ready == 0)
      return failed(from_, fmt::format("the answer is not whole after {} s", limits_.ns / kSecond));
    const ssize_t got = recv(fd_.get(), data, size, 0);
    if (got < 0 && (errno == EINTR || errno == EAGAIN)) continue;
    if (got < 0) return failed_by_errno(from_);
    received_ += static_cast<std::uint64_t>(got);
    if (received_ > limits_.bytes)
      return failed(from_, fmt::format("the answer is longer than {} bytes", limits_.bytes));
    return static_cast<std::size_t>(got);
  }
}

}  // namespace tcpdwell
