// SPDX-License-Identifier: BSD-2-Clause
#include "serve/http.h"

#include <event2/buffer.h>
#include <event2/event.h>
#include <event2/http.h>
#include <event2/listener.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <future>
#include <list>
#include <thread>
#include <utility>

#include "serve/clients.h"
#include "serve/listen.h"
#include "serve/owned.h"
#include "serve/request.h"

namespace tcpdwell {
namespace {

constexpr std::uint64_t kParkedNs = 10 * kSecond;  ///< for there to be an answer
constexpr ssize_t kMostHeaderBytes = 8192;

const char* reason_of(int status) {
  switch (status) {
    case 200:
      return "OK";
    case 204:
      return "No Content";
    case 400:
      return "Bad Request";
    case 403:
      return "Forbidden";
    case 404:
      return "Not Found";
    case 405:
      return "Method Not Allowed";
    case 503:
      return "Service Unavailable";
  }
  return "Error";
}

HttpReply refusal(int status, const std::string& why) {
  return {status, "text/plain; charset=utf-8", why + "\n", nullptr, ""};
}

/// A number, as libevent's for methods that it does not know is none of its enumeration.
unsigned method_of(evhttp_request* request) {
  return static_cast<unsigned>(evhttp_request_get_command(request));
}

HttpRequest parsed(evhttp_request* request) {
  const evhttp_uri* const uri = evhttp_request_get_evhttp_uri(request);
  HttpRequest parsed =
      request_of(uri != nullptr ? evhttp_uri_get_path(uri) : nullptr,
                 uri != nullptr ? evhttp_uri_get_query(uri) : nullptr,
                 evhttp_find_header(evhttp_request_get_input_headers(request), "Accept"));
  parsed.arrived_ns = now_ns();
  return parsed;
}

}  // namespace

struct HttpServer::Impl {
  /// One listening socket with its own evhttp, so that a request is known to have come by it.
  struct Door {
    Impl* server;
    Listening listening;
    Http http;
  };
  /// A request that is not answered yet, or not wholly. A client that has gone takes its connection
  /// from the request, which is ours to end then.
  struct Open {
    enum class Kind { Parked, Long, Stream };
    Kind kind;
    Impl* server;
    evhttp_request* request;
    HttpRequest parsed;
    std::function<std::string()> more;
    std::uint64_t told_ns = 0;
    bool over = false;
    bool gone() const { return evhttp_request_get_connection(request) == nullptr; }
  };

  ~Impl();
  Status listen(const HttpOptions& options);
  void run(std::promise<Status>& confined);
  void on_request(Door& door, evhttp_request* request);
  bool try_answer(evhttp_request* request, const HttpRequest& parsed);
  void reply(evhttp_request* request, HttpReply answer);
  void begin_stream(evhttp_request* request, HttpRequest parsed);
  void next_piece(Open& open);
  void serve_open();
  std::size_t count(Open::Kind kind) const;

  Base base;  ///< goes last: what follows is of it
  std::list<Door> doors;
  std::vector<std::string> names;
  HttpSite site;
  Clients clients;
  std::list<Open> open;
  Event wakeup, timer;
  int wake_fd = -1;
  std::thread thread;
  std::atomic<bool> ending = false;
  std::atomic<std::uint64_t> beats = 0;
};

HttpServer::Impl::~Impl() {
  if (thread.joinable()) {
    ending = true;
    const std::uint64_t one = 1;
    [[maybe_unused]] const ssize_t told = write(wake_fd, &one, sizeof one);
    thread.join();
  }
  // Requests that wait belong to us until they are answered.
  for (Open& one : open)
    if (!one.over && one.gone()) evhttp_send_reply_end(one.request);
  // Who is confined may not: then it stays, nobody answers there, and the next serve takes its
  // place.
  for (Door& door : doors)
    if (door.listening.is_unix) unlink(door.listening.name.c_str());
  doors.clear();
  wakeup.reset();
  timer.reset();
  if (wake_fd >= 0) close(wake_fd);
}

Status HttpServer::Impl::listen(const HttpOptions& options) {
  event_set_log_callback([](int, const char*) {});  // what clients do wrong is no news
  base.reset(event_base_new());
  wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  if (!base || wake_fd < 0) return Error{Fault::Runtime, "cannot make an event loop for HTTP"};
  std::vector<Result<Listening>> made;
  for (const std::string& address : options.addresses) made.push_back(listen_tcp(address));
  for (const std::string& address : options.addresses_if_any)
    if (auto one = listen_tcp(address); one || one.error().os_errno == EADDRINUSE)
      made.push_back(std::move(one));
  if (!options.unix_path.empty()) made.push_back(listen_unix(options.unix_path));
  Status status = Ok;
  for (Result<Listening>& one : made) {
    if (!one) {
      if (status) status = one.error();
      continue;
    }
    Door& door = doors.emplace_back(Door{this, *one, Http(evhttp_new(base.get()))});
    names.push_back(door.listening.name);
    evhttp* const http = door.http.get();
    evhttp_bind_listener(
        http, evconnlistener_new(base.get(), nullptr, nullptr,
                                 LEV_OPT_CLOSE_ON_FREE | LEV_OPT_CLOSE_ON_EXEC, 0, one->fd));
    evhttp_set_timeout(http, Clients::kSilenceSeconds);
    evhttp_set_max_headers_size(http, kMostHeaderBytes);
    evhttp_set_max_body_size(http, 0);
    // Those that are not answered are refused by us, with the methods that are.
    evhttp_set_allowed_methods(http, UINT16_MAX);
    evhttp_set_bevcb(
        http,
        [](event_base* base, void* self) { return static_cast<Impl*>(self)->clients.add(base); },
        this);
    evhttp_set_gencb(
        http,
        [](evhttp_request* request, void* door_of) {
          auto& door = *static_cast<Door*>(door_of);
          door.server->on_request(door, request);
        },
        &door);
  }
  return status;
}

std::size_t HttpServer::Impl::count(Open::Kind kind) const {
  return static_cast<std::size_t>(std::count_if(
      open.begin(), open.end(), [&](const Open& one) { return one.kind == kind && !one.over; }));
}

void HttpServer::Impl::on_request(Door& door, evhttp_request* request) {
  clients.request_came(request);
  evhttp_request_set_on_complete_cb(
      request,
      [](evhttp_request* done, void* self) {
        static_cast<Impl*>(self)->clients.request_done(done);
      },
      this);
  const unsigned method = method_of(request);
  if (method != EVHTTP_REQ_GET && method != EVHTTP_REQ_HEAD) {
    evhttp_add_header(evhttp_request_get_output_headers(request), "Allow", "GET, HEAD");
    return reply(request, refusal(405, "There is nothing here to change: GET or HEAD."));
  }
  const char* const host = evhttp_find_header(evhttp_request_get_input_headers(request), "Host");
  if (door.listening.loopback && !names_loopback(host))
    return reply(request, refusal(403, "This listens on loopback and answers to its names alone."));
  HttpRequest asked = parsed(request);
  if (asked.path == site.events_path) return begin_stream(request, std::move(asked));
  if (!try_answer(request, asked))
    open.push_back({Open::Kind::Parked, this, request, std::move(asked), nullptr});
}

bool HttpServer::Impl::try_answer(evhttp_request* request, const HttpRequest& asked) {
  auto answer = site.answer(asked);
  if (!answer) return false;
  reply(request, std::move(*answer));
  return true;
}

void HttpServer::Impl::reply(evhttp_request* request, HttpReply answer) {
  const bool head = method_of(request) == EVHTTP_REQ_HEAD;
  if (answer.more && !head && count(Open::Kind::Long) >= kMostLongAnswers)
    answer = refusal(503, "Too many long answers are under way: ask again in a moment.");
  evkeyvalq* const headers = evhttp_request_get_output_headers(request);
  const std::string csp = answer.csp.empty() ? "default-src 'none'" : answer.csp;
  const std::pair<const char*, const char*> always[] = {
      {"Content-Type", answer.type.c_str()},    {"Cache-Control", "no-store"},
      {"Content-Security-Policy", csp.c_str()}, {"X-Content-Type-Options", "nosniff"},
      {"Referrer-Policy", "no-referrer"},       {"Cross-Origin-Resource-Policy", "same-origin"},
  };
  for (const auto& [name, value] : always) evhttp_add_header(headers, name, value);
  if (answer.status == 503) evhttp_add_header(headers, "Retry-After", "1");
  if (answer.more && !head) {
    open.push_back({Open::Kind::Long, this, request, {}, std::move(answer.more)});
    evhttp_send_reply_start(request, answer.status, reason_of(answer.status));
    return next_piece(open.back());
  }
  const Buffer body(evbuffer_new());
  if (head) {
    evhttp_add_header(headers, "Content-Length", std::to_string(answer.body.size()).c_str());
  } else {
    evbuffer_add(body.get(), answer.body.data(), answer.body.size());
  }
  evhttp_send_reply(request, answer.status, reason_of(answer.status), body.get());
}

void HttpServer::Impl::next_piece(Open& one) {
  const std::string piece = one.more();
  if (piece.empty()) {
    one.over = true;
    evhttp_send_reply_end(one.request);
    return;
  }
  const Buffer buffer(evbuffer_new());
  evbuffer_add(buffer.get(), piece.data(), piece.size());
  evhttp_send_reply_chunk_with_cb(
      one.request, buffer.get(),
      [](evhttp_connection*, void* of) {
        auto& open = *static_cast<Open*>(of);
        open.server->next_piece(open);
      },
      &one);
}

void HttpServer::Impl::begin_stream(evhttp_request* request, HttpRequest asked) {
  if (count(Open::Kind::Stream) >= kMostStreams)
    return reply(request, refusal(503, "Too many pages are open: close one."));
  clients.begins_stream(request);
  evkeyvalq* const headers = evhttp_request_get_output_headers(request);
  evhttp_add_header(headers, "Content-Type", "text/event-stream");
  evhttp_add_header(headers, "Cache-Control", "no-store");
  evhttp_add_header(headers, "X-Content-Type-Options", "nosniff");
  evhttp_add_header(headers, "Cross-Origin-Resource-Policy", "same-origin");
  if (method_of(request) == EVHTTP_REQ_HEAD)
    return evhttp_send_reply(request, 200, "OK", nullptr);
  evhttp_send_reply_start(request, 200, "OK");
  open.push_back({Open::Kind::Stream, this, request, std::move(asked), nullptr});
}

/// Answers what can be answered now, and ends what has nobody on the other side.
void HttpServer::Impl::serve_open() {
  const std::uint64_t now = now_ns();
  for (Open& one : open) {
    if (one.over) continue;
    if (one.gone()) {
      one.over = true;
      evhttp_send_reply_end(one.request);  // frees it
      continue;
    }
    if (one.kind == Open::Kind::Parked) {
      if (now - one.parsed.arrived_ns > kParkedNs) {
        reply(one.request, refusal(503, "There is no answer yet: ask again in a moment."));
        one.over = true;
      } else {
        one.over = try_answer(one.request, one.parsed);
      }
    } else if (one.kind == Open::Kind::Stream) {
      if (const auto data = site.event(one.told_ns)) {
        one.told_ns = now;
        const Buffer buffer(evbuffer_new());
        evbuffer_add_printf(buffer.get(), "data: %s\n\n", data->c_str());
        evhttp_send_reply_chunk(one.request, buffer.get());
      }
    }
  }
  open.remove_if([](const Open& one) { return one.over; });
}

void HttpServer::Impl::run(std::promise<Status>& confined) {
  const Status status = site.confine();
  confined.set_value(status);
  if (!status) return;
  wakeup.reset(event_new(
      base.get(), wake_fd, EV_READ | EV_PERSIST,
      [](int fd, short, void* self) {
        std::uint64_t times = 0;
        [[maybe_unused]] const ssize_t got = read(fd, &times, sizeof times);
        auto& server = *static_cast<Impl*>(self);
        if (server.ending) event_base_loopbreak(server.base.get());
        server.serve_open();
      },
      this));
  timer.reset(event_new(
      base.get(), -1, EV_PERSIST,
      [](int, short, void* self) {
        auto& server = *static_cast<Impl*>(self);
        ++server.beats;
        server.clients.sweep();
        server.serve_open();
      },
      this));
  const timeval second{1, 0};
  event_add(wakeup.get(), nullptr);
  event_add(timer.get(), &second);
  event_base_dispatch(base.get());
}

HttpServer::HttpServer(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
HttpServer::~HttpServer() = default;

Result<std::unique_ptr<HttpServer>> HttpServer::listen(const HttpOptions& options) {
  auto impl = std::make_unique<Impl>();
  if (Status status = impl->listen(options); !status) return status.error();
  return std::unique_ptr<HttpServer>(new HttpServer(std::move(impl)));
}

const std::vector<std::string>& HttpServer::addresses() const { return impl_->names; }

Status HttpServer::start(HttpSite site) {
  impl_->site = std::move(site);
  std::promise<Status> confined;
  auto outcome = confined.get_future();
  impl_->thread =
      std::thread([this, promise = std::move(confined)]() mutable { impl_->run(promise); });
  return outcome.get();
}

void HttpServer::wake() {
  const std::uint64_t one = 1;
  [[maybe_unused]] const ssize_t told = write(impl_->wake_fd, &one, sizeof one);
}

std::uint64_t HttpServer::beats() const { return impl_->beats; }

}  // namespace tcpdwell
