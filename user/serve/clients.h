// SPDX-License-Identifier: BSD-2-Clause
/// The connections there are, and what each may take: how many, how long for a request to come, how
/// long for an answer to be taken, how much of it untaken.
#pragma once

#include <event2/bufferevent.h>
#include <event2/http.h>
#include <time.h>

#include <cstdint>
#include <list>

namespace tcpdwell {

class Clients {
 public:
  static constexpr time_t kSilenceSeconds = 10;  ///< nothing read, nothing taken: closed

  Clients() = default;
  ~Clients();
  Clients(const Clients&) = delete;
  Clients& operator=(const Clients&) = delete;

  /// One more, for evhttp to give its connection to; null where there is no memory.
  bufferevent* add(event_base* base);
  void request_came(evhttp_request* request);
  void request_done(evhttp_request* request);
  /// The answer to it is a stream, which lasts as long as the client takes it.
  void begins_stream(evhttp_request* request);
  /// Ends who has been here longest without a request, else who waits longest for an answer.
  void end_one();
  /// Bytes of answers that clients have not taken, of all together.
  std::size_t waiting() const;
  /// Lets go of those that are gone, ends those that took too long. Call it now and then.
  void sweep();

 private:
  /// `bev` is held by us too, and its descriptor with it; evhttp has let go of it when its
  /// callbacks are gone.
  struct Client {
    bufferevent* bev;
    std::uint64_t since_ns;  ///< accepted, or the last request answered, or this one come
    bool busy = false;       ///< a request has come and is not answered
    bool stream = false;
  };

  Client* find(evhttp_request* request);
  void make_room();

  std::list<Client> clients_;
};

}  // namespace tcpdwell
