// SPDX-License-Identifier: BSD-2-Clause
#include "serve/http.h"

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <csignal>
#include <cstring>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

namespace tcpdwell {
namespace {

/// A server whose every answer is as long as a short one may be.
class Server {
 public:
  explicit Server(std::size_t most_waiting) {
    std::signal(SIGPIPE, SIG_IGN);  // as main() does: clients go when they like
    std::string folder = std::filesystem::temp_directory_path() / "tcpdwell-test-XXXXXX";
    EXPECT_NE(mkdtemp(folder.data()), nullptr);
    folder_ = folder;
    HttpOptions options;
    options.unix_path = path();
    options.most_waiting = most_waiting;
    auto made = HttpServer::listen(options);
    EXPECT_TRUE(made.ok());
    server_ = std::move(made).value();
    HttpSite site;
    site.answer = [](const HttpRequest&) {
      HttpReply reply;
      reply.body.assign(HttpServer::kMostAtOnce, 'x');
      return std::optional(std::move(reply));
    };
    site.confine = [] { return Status(Ok); };
    EXPECT_TRUE(server_->start(std::move(site)).ok());
  }
  ~Server() {
    server_.reset();
    std::filesystem::remove_all(folder_);
  }
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  std::string path() const { return folder_ / "socket"; }

 private:
  std::filesystem::path folder_;
  std::unique_ptr<HttpServer> server_;
};

/// Asks, and reads no more than it is told to.
class Client {
 public:
  explicit Client(const Server& server) : fd_(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::strncpy(address.sun_path, server.path().c_str(), sizeof address.sun_path - 1);
    EXPECT_EQ(connect(fd_, reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
    constexpr std::string_view kAsk = "GET / HTTP/1.0\r\n\r\n";
    EXPECT_EQ(send(fd_, kAsk.data(), kAsk.size(), 0), static_cast<ssize_t>(kAsk.size()));
  }
  ~Client() { close(fd_); }
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;

  std::string status() {
    std::string text(12, '\0');
    EXPECT_EQ(recv(fd_, text.data(), text.size(), MSG_WAITALL), 12);
    return text.substr(9);
  }
  std::size_t read_to_the_end() {
    std::string piece(1U << 16, '\0');
    std::size_t all = 0;
    for (ssize_t got; (got = recv(fd_, piece.data(), piece.size(), 0)) > 0;)
      all += static_cast<std::size_t>(got);
    return all;
  }

 private:
  int fd_;
};

TEST(HttpServer, WhatWaitsForAllClientsIsBounded) {
  // The kernel takes some of each answer: the rest of one waits, and another one would be too much.
  const Server server(HttpServer::kMostAtOnce + 4096);
  Client first(server);
  EXPECT_EQ(first.status(), "200");
  EXPECT_EQ(Client(server).status(), "503");
  EXPECT_GE(first.read_to_the_end(), HttpServer::kMostAtOnce);
  EXPECT_EQ(Client(server).status(), "200");
}

TEST(HttpServer, WhereThereIsRoomClientsWaitForNoOther) {
  const Server server(HttpOptions().most_waiting);
  Client first(server), second(server);
  EXPECT_EQ(first.status(), "200");
  EXPECT_EQ(second.status(), "200");
}

}  // namespace
}  // namespace tcpdwell
