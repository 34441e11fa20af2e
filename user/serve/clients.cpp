// SPDX-License-Identifier: BSD-2-Clause
#include "serve/clients.h"

#include <event2/buffer.h>
#include <sys/socket.h>

#include <algorithm>
#include <tuple>

#include "serve/http.h"
#include "serve/owned.h"

namespace tcpdwell {
namespace {

constexpr std::uint64_t kRequestNs =
    10 * kSecond;  ///< for a request to come, in however many pieces
constexpr std::uint64_t kAnswerNs = 60 * kSecond;  ///< for an answer to be taken, in however many
constexpr std::size_t kMostUntaken = 1U << 20;     ///< bytes of events a client has not taken
constexpr std::size_t kMostUnread = 64U << 10;     ///< bytes a client may send ahead

constexpr timeval kSilence{Clients::kSilenceSeconds, 0};

}  // namespace

Clients::~Clients() {
  for (Client& client : clients_) bufferevent_decref(client.bev);
}

bufferevent* Clients::add(event_base* base) {
  make_room();
  // The descriptor is the bufferevent's and ends with it: evhttp may let go before we do, and a
  // number that is free while the bufferevent still reads it would be the next client's.
  bufferevent* const bev = bufferevent_socket_new(base, -1, BEV_OPT_CLOSE_ON_FREE);
  if (bev == nullptr) return nullptr;
  bufferevent_incref(bev);
  // evhttp goes on reading while it answers, to learn of the end.
  bufferevent_setwatermark(bev, EV_READ, 0, kMostUnread);
  clients_.push_back({bev, now_ns()});
  return bev;
}

/// The new one gets in.
void Clients::make_room() {
  if (clients_.size() < HttpServer::kMostConnections) return;
  sweep();
  if (clients_.size() >= HttpServer::kMostConnections) end_one();
}

void Clients::end_one() {
  if (clients_.empty()) return;
  const auto rank = [](const Client& client) {
    return std::tuple(client.stream, client.busy, client.since_ns);
  };
  const auto out =
      std::min_element(clients_.begin(), clients_.end(),
                       [&](const Client& a, const Client& b) { return rank(a) < rank(b); });
  shutdown(bufferevent_getfd(out->bev), SHUT_RDWR);
  out->since_ns = now_ns();  // the next one is another's turn
}

Clients::Client* Clients::find(evhttp_request* request) {
  evhttp_connection* const connection = evhttp_request_get_connection(request);
  if (connection == nullptr) return nullptr;
  bufferevent* const bev = evhttp_connection_get_bufferevent(connection);
  for (Client& client : clients_)
    if (client.bev == bev) return &client;
  return nullptr;
}

void Clients::request_came(evhttp_request* request) {
  Client* const client = find(request);
  if (client == nullptr) return;
  client->busy = true;
  client->since_ns = now_ns();
  // Who waits for an answer has nothing to say.
  bufferevent_set_timeouts(client->bev, nullptr, &kSilence);
}

void Clients::request_done(evhttp_request* request) {
  Client* const client = find(request);
  if (client == nullptr) return;
  client->busy = client->stream = false;
  client->since_ns = now_ns();
  bufferevent_set_timeouts(client->bev, &kSilence, &kSilence);
}

void Clients::begins_stream(evhttp_request* request) {
  if (Client* const client = find(request)) client->stream = true;
}

std::size_t Clients::waiting() const {
  std::size_t bytes = 0;
  for (const Client& client : clients_)
    bytes += evbuffer_get_length(bufferevent_get_output(client.bev));
  return bytes;
}

void Clients::sweep() {
  const std::uint64_t now = now_ns();
  clients_.remove_if([&](Client& client) {
    bufferevent_data_cb on_read = nullptr, on_write = nullptr;
    bufferevent_event_cb on_event = nullptr;
    void* argument = nullptr;
    bufferevent_getcb(client.bev, &on_read, &on_write, &on_event, &argument);
    if (on_event == nullptr) {
      bufferevent_decref(client.bev);
      return true;
    }
    const std::uint64_t limit = client.busy ? kAnswerNs : kRequestNs;
    const bool late = !client.stream && now - client.since_ns > limit;
    const bool full = evbuffer_get_length(bufferevent_get_output(client.bev)) > kMostUntaken;
    if (late || (client.stream && full)) shutdown(bufferevent_getfd(client.bev), SHUT_RDWR);
    return false;
  });
}

}  // namespace tcpdwell
