// SPDX-License-Identifier: BSD-2-Clause
/// Bytes as a client sends them to `serve`: through its server, over a unix socket and in its
/// thread; and what of them is a request's target, Host and Accept, through what reads and answers
/// these, whose every answer must be what its type says.
#include <poll.h>
#include <rapidjson/reader.h>
#include <strings.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <memory>
#include <string>
#include <utility>

#include "aggregate/host_activity.h"
#include "fuzz/require.h"
#include "routes/routes.h"
#include "serve/http.h"
#include "serve/request.h"
#include "unit/trace/events_for_tests.h"

using namespace tcpdwell;

namespace {

/// A host with sockets in every state, of processes with any names.
class Host {
 public:
  Host() {
    HostActivity activity;
    static_cast<void>(activity.header(sample_header()));
    RandomEvents random{1};
    for (std::size_t i = 0; i < 60; ++i) {
      Connection open;
      open.socket = random.transition().socket;
      open.socket.cgroup_id = 0;
      open.seen_wall_ns = 5;
      open.state = static_cast<State>(1 + i % (kStateCount - 1));
      open.stays.push({open.state, {Bound::Exact, i}});
      survey_.listed.push_back(open);
      OwnerRow& owner = survey_.owners.emplace_back();
      owner.comm = open.socket.owner.comm;
      owner.sockets[static_cast<std::size_t>(open.state)] = 1;
    }
    survey_.matching = survey_.listed.size();
    activity.survey(survey_, {}, 1);
    state_ = activity.look(1, 1);
  }
  /// Whatever list is asked for.
  HttpReply answer(Routes& site, HttpRequest request) {
    request.arrived_ns = 0;
    auto reply = site.answer(request);
    while (!reply) {
      const auto task = exchange.next(now_ += 60'000'000'000);
      TD_REQUIRE(task.make);
      auto state = std::make_shared<LiveState>(state_);
      if (task.wish) state->wish = *task.wish;
      exchange.put(std::move(state));
      reply = site.answer(request);
    }
    return std::move(*reply);
  }
  StateExchange exchange;

 private:
  Survey survey_;
  LiveState state_;
  std::uint64_t now_ = 1;
};

class Folder {
 public:
  Folder() {
    std::string path = std::filesystem::temp_directory_path() / "tcpdwell-fuzz-XXXXXX";
    TD_REQUIRE(mkdtemp(path.data()) != nullptr);
    path_ = path;
  }
  ~Folder() { std::filesystem::remove_all(path_); }
  std::string socket() const { return path_ / "socket"; }

 private:
  std::filesystem::path path_;
};

class Server {
 public:
  Server() : site_(host_.exchange, sample_header(), 1) {
    HttpOptions options;
    options.unix_path = folder_.socket();
    auto made = HttpServer::listen(options);
    TD_REQUIRE(made);
    server_ = std::move(made).value();
    HttpSite site;
    site.answer = [this](const HttpRequest& request) { return host_.answer(site_, request); };
    site.events_path = "/api/events";
    site.event = [this](std::uint64_t since_ns) { return site_.event(since_ns); };
    site.confine = [] { return Status(Ok); };
    TD_REQUIRE(server_->start(std::move(site)));
    address_.sun_family = AF_UNIX;
    const std::string path = folder_.socket();
    TD_REQUIRE(path.size() < sizeof address_.sun_path);
    std::memcpy(address_.sun_path, path.data(), path.size());
  }

  /// Says all of it, then nothing more; what comes back, to the end.
  std::string talk(std::string_view said) {
    const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    TD_REQUIRE(fd >= 0 &&
               connect(fd, reinterpret_cast<const sockaddr*>(&address_), sizeof address_) == 0);
    // It may have ended the connection already.
    static_cast<void>(send(fd, said.data(), said.size(), MSG_NOSIGNAL));
    shutdown(fd, SHUT_WR);
    std::string heard, piece(1U << 16, '\0');
    for (;;) {
      pollfd waiting{fd, POLLIN, 0};
      TD_REQUIRE(poll(&waiting, 1, 30'000) == 1);
      const ssize_t got = recv(fd, piece.data(), piece.size(), 0);
      if (got <= 0) break;
      heard.append(piece, 0, static_cast<std::size_t>(got));
    }
    close(fd);
    return heard;
  }

 private:
  Folder folder_;
  Host host_;
  Routes site_;
  std::unique_ptr<HttpServer> server_;
  sockaddr_un address_{};
};

bool is_one_line(const std::string& text) {
  return std::none_of(text.begin(), text.end(),
                      [](unsigned char c) { return c < 0x20 || c == 0x7f; });
}

bool is_json(const std::string& text) {
  rapidjson::StringStream stream(text.c_str());
  rapidjson::BaseReaderHandler<> nothing;
  return text.find('\0') == std::string::npos &&
         !rapidjson::Reader()
              .Parse<rapidjson::kParseValidateEncodingFlag>(stream, nothing)
              .IsError();
}

void check(HttpReply reply) {
  TD_REQUIRE(is_one_line(reply.type) && is_one_line(reply.csp));
  if (reply.more)
    for (std::string piece = reply.more(); !piece.empty(); piece = reply.more()) {
      TD_REQUIRE(piece.size() < 128U << 10);
      reply.body += piece;
    }
  if (reply.type == "application/x-ndjson") {
    const Played played = play(reply.body);
    TD_REQUIRE(played.report.ok() && played.report->complete && played.report->skipped == 0);
  } else if (reply.type == "application/json") {
    TD_REQUIRE(is_json(reply.body));
  } else if (reply.status >= 400) {
    TD_REQUIRE(!reply.body.empty() && reply.body.back() == '\n');
    reply.body.pop_back();
    TD_REQUIRE(is_one_line(reply.body));
  }
}

/// What stands behind `name` to the end of its line.
const char* header_of(const std::string& text, const char* name, std::string& value) {
  const std::size_t at = text.find(name);
  if (at == std::string::npos) return nullptr;
  const std::size_t begin = at + std::strlen(name);
  value = text.substr(begin, text.find_first_of("\r\n", begin) - begin);
  return value.c_str();
}

void ask(Host& host, Routes& site, const std::string& text) {
  std::string named_host, accept, target = text.substr(std::min(text.size(), text.find(' ') + 1));
  target.resize(std::min(target.size(), target.find_first_of(" \r\n")));
  const char* const named = header_of(text, "Host: ", named_host);
  if (names_loopback(named) && named != nullptr)
    TD_REQUIRE(named_host.rfind("127.", 0) == 0 ||
               strncasecmp(named_host.c_str(), "localhost", 9) == 0 ||
               named_host.rfind('[', 0) == 0);
  const std::size_t mark = target.find('?');
  const std::string path = target.substr(0, mark);
  const std::string query = mark == std::string::npos ? "" : target.substr(mark + 1);
  const char* const accepted = header_of(text, "Accept: ", accept);
  check(host.answer(
      site,
      request_of(path.c_str(), mark == std::string::npos ? nullptr : query.c_str(), accepted)));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static Host host;
  static Routes site(host.exchange, sample_header(), 1);
  static Server server;
  const std::string text(reinterpret_cast<const char*>(data), size);
  ask(host, site, text);
  const std::string heard = server.talk(text);
  TD_REQUIRE(heard.empty() || heard.compare(0, 5, "HTTP/") == 0);
  return 0;
}
