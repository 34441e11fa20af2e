// SPDX-License-Identifier: BSD-2-Clause
#include "serve/http.h"

#include <event2/buffer.h>
#include <event2/event.h>
#include <event2/http.h>
#include <event2/listener.h>
#include <fmt/format.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstring>
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
constexpr std::size_t kPieceBytes = 64U << 10;
constexpr timeval kPause{0, 100'000};  ///< of accepting, where that fails

constexpr const char* kReasonOfStatus = nullptr;  ///< libevent knows them

HttpReply refusal(int status, const std::string& why) {
  return {status, "text/plain; charset=utf-8", why + "\n", nullptr, ""};
}

/// A text that is there, as an answer that is made piece by piece.
std::function<std::string()> pieces_of(std::string text) {
  return [text = std::move(text), at = std::size_t{0}]() mutable {
    std::string piece = text.substr(std::min(at, text.size()), kPieceBytes);
    at += piece.size();
    return piece;
  };
}

/// After it `body` is the whole of a short answer, or there is more to come.
void begin_body(HttpReply& answer) {
  while (answer.more && answer.body.size() <= HttpServer::kMostAtOnce) {
    const std::string piece = answer.more();
    if (piece.empty()) answer.more = nullptr;
    answer.body += piece;
  }
  if (!answer.more && answer.body.size() > HttpServer::kMostAtOnce)
    answer.more = pieces_of(std::exchange(answer.body, {}));
}

/// Whether the connection stays in the queue, and would be there again at once.
bool out_of_resources(int code) {
  return code == EMFILE || code == ENFILE || code == ENOBUFS || code == ENOMEM;
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

class Server : public HttpServer {
 public:
  ~Server() override;
  Status listen(const HttpOptions& options);
  const std::vector<std::string>& addresses() const override { return names; }
  Status start(HttpSite whom) override;
  void wake() override {
    const std::uint64_t one = 1;
    [[maybe_unused]] const ssize_t told = write(wake_fd.get(), &one, sizeof one);
  }
  std::uint64_t beats() const override { return beat; }

 private:
  /// The one that the thread runs: a listener's error is told with evhttp's argument alone.
  static thread_local Server* t_server;

  /// One listening socket with its own evhttp, so that a request is known to have come by it.
  struct Door {
    Server* server;
    Listening listening;
    Http http;
    evconnlistener* listener = nullptr;  ///< evhttp's
  };
  /// A request that is not answered yet, or not wholly. A client that has gone takes its connection
  /// from the request, which is ours to end then.
  struct Open {
    enum class Kind { Parked, Long, Stream };
    Kind kind;
    Server* server;
    evhttp_request* request;
    HttpRequest parsed;
    std::function<std::string()> more;
    std::uint64_t told_ns = 0;
    bool over = false;
    bool gone() const { return evhttp_request_get_connection(request) == nullptr; }
  };

  void run(std::promise<Status>& confined);
  void on_request(Door& door, evhttp_request* request);
  bool try_answer(evhttp_request* request, const HttpRequest& parsed);
  void reply(evhttp_request* request, HttpReply answer);
  void begin_stream(evhttp_request* request, HttpRequest parsed);
  void next_piece(Open& open);
  void send_piece(Open& open, const std::string& piece);
  bool has_room(std::size_t bytes) const { return clients.waiting() + bytes <= most_waiting; }
  void accept_failed(int code);
  void accept_again();
  void serve_open();
  std::size_t count(Open::Kind kind) const;

  Base base;  ///< goes last: what follows is of it
  std::list<Door> doors;
  std::vector<std::string> names;
  HttpSite site;
  std::size_t most_waiting = 0;
  Clients clients;
  std::list<Open> open;
  Descriptor wake_fd;
  Event wakeup, timer, resume;
  bool told_of_accept = false;
  std::thread thread;
  // The only two that both threads have at once: each has one who writes it, and nothing else is
  // told by it.
  std::atomic<bool> ending = false;
  std::atomic<std::uint64_t> beat = 0;
};

thread_local Server* Server::t_server = nullptr;

Server::~Server() {
  if (thread.joinable()) {
    ending = true;
    Server::wake();
    thread.join();
  }
  // Requests that wait belong to us until they are answered.
  for (Open& one : open)
    if (!one.over && one.gone()) evhttp_send_reply_end(one.request);
  // Who is confined may not: then it stays, nobody answers there, and the next serve takes its
  // place.
  for (const Door& door : doors) remove_unix(door.listening);
  doors.clear();
}

Status Server::listen(const HttpOptions& options) {
  event_set_log_callback([](int, const char*) {});  // what clients do wrong is no news
  most_waiting = options.most_waiting;
  base.reset(event_base_new());
  wake_fd.reset(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!base || !wake_fd) return Error{Fault::Runtime, "cannot make an event loop for HTTP"};
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
    Door& door = doors.emplace_back(Door{this, *one, Http(evhttp_new(base.get())), nullptr});
    names.push_back(door.listening.name);
    evhttp* const http = door.http.get();
    door.listener = evconnlistener_new(base.get(), nullptr, nullptr,
                                       LEV_OPT_CLOSE_ON_FREE | LEV_OPT_CLOSE_ON_EXEC, 0, one->fd);
    evhttp_bind_listener(http, door.listener);
    evconnlistener_set_error_cb(door.listener, [](evconnlistener*, void*) {
      if (t_server != nullptr) t_server->accept_failed(errno);
    });
    evhttp_set_timeout(http, Clients::kSilenceSeconds);
    evhttp_set_max_headers_size(http, kMostHeaderBytes);
    evhttp_set_max_body_size(http, 0);
    // Those that are not answered are refused by us, with the methods that are.
    evhttp_set_allowed_methods(http, UINT16_MAX);
    evhttp_set_bevcb(
        http,
        [](event_base* base, void* self) { return static_cast<Server*>(self)->clients.add(base); },
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

std::size_t Server::count(Open::Kind kind) const {
  return static_cast<std::size_t>(std::count_if(
      open.begin(), open.end(), [&](const Open& one) { return one.kind == kind && !one.over; }));
}

void Server::on_request(Door& door, evhttp_request* request) {
  clients.request_came(request);
  evhttp_request_set_on_complete_cb(
      request,
      [](evhttp_request* done, void* self) {
        static_cast<Server*>(self)->clients.request_done(done);
      },
      this);
  const unsigned method = method_of(request);
  if (method != EVHTTP_REQ_GET && method != EVHTTP_REQ_HEAD) {
    evhttp_add_header(evhttp_request_get_output_headers(request), "Allow", "GET, HEAD");
    return reply(request, refusal(405, "There is nothing here to change: GET or HEAD."));
  }
  const char* const host = evhttp_find_header(evhttp_request_get_input_headers(request), "Host");
  if (door.listening.loopback && !names_loopback(host))
    return reply(
        request,
        refusal(403, "This address is loopback and answers to its names only, such as localhost."));
  HttpRequest asked = parsed(request);
  if (asked.path == site.events_path) return begin_stream(request, std::move(asked));
  if (!try_answer(request, asked))
    open.push_back({Open::Kind::Parked, this, request, std::move(asked), nullptr});
}

bool Server::try_answer(evhttp_request* request, const HttpRequest& asked) {
  auto answer = site.answer(asked);
  if (!answer) return false;
  reply(request, std::move(*answer));
  return true;
}

void Server::reply(evhttp_request* request, HttpReply answer) {
  const bool head = method_of(request) == EVHTTP_REQ_HEAD;
  if (!head) begin_body(answer);
  if (answer.more && !head && count(Open::Kind::Long) >= kMostLongAnswers)
    answer = refusal(503, "Too many long answers are under way: ask again in a moment.");
  if (!head && !has_room(answer.body.size()))
    answer =
        refusal(503, "Too many bytes wait for clients that do not read: ask again in a moment.");
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
    evhttp_send_reply_start(request, answer.status, kReasonOfStatus);
    return answer.body.empty() ? next_piece(open.back()) : send_piece(open.back(), answer.body);
  }
  const Buffer body(evbuffer_new());
  if (head && answer.more) {
    evhttp_add_header(headers, "Transfer-Encoding", "chunked");
  } else if (head) {
    evhttp_add_header(headers, "Content-Length", std::to_string(answer.body.size()).c_str());
  } else {
    evbuffer_add(body.get(), answer.body.data(), answer.body.size());
  }
  evhttp_send_reply(request, answer.status, kReasonOfStatus, body.get());
}

void Server::next_piece(Open& one) {
  const std::string piece = one.more();
  if (piece.empty()) {
    one.over = true;
    evhttp_send_reply_end(one.request);
  } else {
    send_piece(one, piece);
  }
}

void Server::send_piece(Open& one, const std::string& piece) {
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

void Server::begin_stream(evhttp_request* request, HttpRequest asked) {
  if (count(Open::Kind::Stream) >= kMostStreams)
    return reply(request, refusal(503, "Too many pages are open: close one."));
  clients.begins_stream(request);
  evkeyvalq* const headers = evhttp_request_get_output_headers(request);
  evhttp_add_header(headers, "Content-Type", "text/event-stream");
  evhttp_add_header(headers, "Cache-Control", "no-store");
  evhttp_add_header(headers, "X-Content-Type-Options", "nosniff");
  evhttp_add_header(headers, "Cross-Origin-Resource-Policy", "same-origin");
  if (method_of(request) == EVHTTP_REQ_HEAD) return evhttp_send_reply(request, 200, "OK", nullptr);
  evhttp_send_reply_start(request, 200, "OK");
  open.push_back({Open::Kind::Stream, this, request, std::move(asked), nullptr});
}

/// Answers what can be answered now, and ends what has nobody on the other side.
void Server::serve_open() {
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
      if (const auto data = site.event(one.told_ns); data && has_room(data->size())) {
        one.told_ns = now;
        const Buffer buffer(evbuffer_new());
        evbuffer_add_printf(buffer.get(), "data: %s\n\n", data->c_str());
        evhttp_send_reply_chunk(one.request, buffer.get());
      }
    }
  }
  open.remove_if([](const Open& one) { return one.over; });
}

/// Who asks for a connection while there is no descriptor for it wakes us at once, again and again.
/// So nobody is accepted for a moment, and somebody who is here makes room.
void Server::accept_failed(int code) {
  for (const Door& door : doors) evconnlistener_disable(door.listener);
  event_add(resume.get(), &kPause);
  if (!out_of_resources(code)) return;
  clients.end_one();
  if (!std::exchange(told_of_accept, true) && site.trouble)
    site.trouble(fmt::format(
        "cannot accept another client: {}; the one that has been here longest is closed "
        "(said once; 'ulimit -n' or LimitNOFILE= sets how many may be open)",
        std::strerror(code)));
}

void Server::accept_again() {
  clients.sweep();  // whose descriptors are free only then
  for (const Door& door : doors) evconnlistener_enable(door.listener);
}

void Server::run(std::promise<Status>& confined) {
  const Status status = site.confine();
  confined.set_value(status);
  if (!status) return;
  t_server = this;
  resume.reset(event_new(
      base.get(), -1, 0, [](int, short, void* self) { static_cast<Server*>(self)->accept_again(); },
      this));
  wakeup.reset(event_new(
      base.get(), wake_fd.get(), EV_READ | EV_PERSIST,
      [](int fd, short, void* self) {
        std::uint64_t times = 0;
        [[maybe_unused]] const ssize_t got = read(fd, &times, sizeof times);
        auto& server = *static_cast<Server*>(self);
        if (server.ending) event_base_loopbreak(server.base.get());
        server.serve_open();
      },
      this));
  timer.reset(event_new(
      base.get(), -1, EV_PERSIST,
      [](int, short, void* self) {
        auto& server = *static_cast<Server*>(self);
        ++server.beat;
        server.clients.sweep();
        server.serve_open();
      },
      this));
  const timeval second{1, 0};
  event_add(wakeup.get(), nullptr);
  event_add(timer.get(), &second);
  event_base_dispatch(base.get());
}

Status Server::start(HttpSite whom) {
  site = std::move(whom);
  std::promise<Status> confined;
  auto outcome = confined.get_future();
  thread = std::thread([this, promise = std::move(confined)]() mutable { run(promise); });
  return outcome.get();
}

}  // namespace

Result<std::unique_ptr<HttpServer>> HttpServer::listen(const HttpOptions& options) {
  auto server = std::make_unique<Server>();
  if (Status status = server->listen(options); !status) return status.error();
  return std::unique_ptr<HttpServer>(std::move(server));
}

}  // namespace tcpdwell
