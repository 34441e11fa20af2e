// SPDX-License-Identifier: BSD-2-Clause
/// Answers HTTP requests that read, on TCP and on a unix socket, in a thread of its own. The only
/// room that knows libevent.
///
/// What a client can do is bounded: connections, the size of a request, the time it may take to
/// come and to be answered, how many long answers are under way. Nothing it does reaches the thread
/// that has the data: that one calls wake() after it has made something new, and reads a flag.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "util/descriptor.h"
#include "util/result.h"

namespace tcpdwell {

struct HttpRequest {
  std::string path;                          ///< as it came, without the query; never empty
  std::map<std::string, std::string> query;  ///< decoded; of a name given twice the first
  std::string accept;                        ///< the header, or empty
  std::uint64_t arrived_ns = 0;              ///< host_clock_ns()
};

struct HttpReply {
  int status = 200;
  std::string type = "application/json";  ///< Content-Type
  std::string body;
  /// What follows `body`, made as the client takes it: called for each further piece, below 128
  /// KiB, when the one before has been sent, until it is empty.
  std::function<std::string()> more;
  std::string csp;  ///< Content-Security-Policy; by default nothing is allowed
};

/// The other side of the server. All are called in its thread.
struct HttpSite {
  /// Absent: there is no answer yet; it is called again after wake(), for at most ten seconds.
  std::function<std::optional<HttpReply>(const HttpRequest&)> answer;
  /// A path whose answer is a stream of server-sent events, and the data of the next one.
  std::string events_path;
  std::function<std::optional<std::string>(std::uint64_t since_ns)> event;
  /// At the thread's begin, before it has read anything a client sent. Where it fails nobody is
  /// answered.
  std::function<Status()> confine;
  /// What whoever runs this should know; once for each thing there is to say.
  std::function<void(const std::string&)> trouble;
};

struct HttpOptions {
  std::vector<std::string> addresses;         ///< "127.0.0.1:9978", "[::1]:9978"
  std::vector<std::string> addresses_if_any;  ///< those that this host has not are left out
  std::string unix_path;                      ///< empty: none
  /// Bytes that wait for all clients together. Beyond, there is no answer (503) and no event.
  std::size_t most_waiting = 48U << 20;
};

class HttpServer {
 public:
  static constexpr unsigned kMostConnections = 128, kMostStreams = 16, kMostLongAnswers = 4;
  /// An answer of more bytes is a long one, sent in pieces as the client takes them.
  static constexpr std::size_t kMostAtOnce = 256U << 10;

  /// Binds and listens; nothing is accepted before start(). Fault::Usage for an address that is
  /// none, Fault::Runtime where it is taken.
  static Result<std::unique_ptr<HttpServer>> listen(const HttpOptions& options);
  /// Ends the thread, closes everything; takes the unix socket away where it may.
  virtual ~HttpServer() = default;

  /// Where it listens, ports of ":0" known: for messages.
  virtual const std::vector<std::string>& addresses() const = 0;
  /// Returns when the thread is confined, or the error of that.
  virtual Status start(HttpSite site) = 0;
  /// There is something new. From any thread, does not wait.
  virtual void wake() = 0;
  /// Grows about once a second as long as the thread does its work.
  virtual std::uint64_t beats() const = 0;
};

/// The body in what has come from `from` of an answer to a request of HTTP/1.0. Fault::Runtime
/// where its head is not whole, or is not 200's: the message says what it is then.
Result<std::string_view> body_of(std::string_view answer, const std::string& from);

/// The answer to a GET over a unix socket, read as it comes. Whoever answers may be anybody: what
/// is read of it and how long that takes is bounded. All errors are Fault::Runtime; with an
/// os_errno nobody is there, without one somebody is who does not answer as a `serve` would.
class UnixAnswer {
 public:
  struct Limits {
    std::uint64_t bytes = 0;  ///< of the whole answer
    std::uint64_t ns = 0;     ///< from get() to its end
  };
  /// Returns when the head has come, and is 200's.
  static Result<std::unique_ptr<UnixAnswer>> get(const std::string& socket_path,
                                                 const std::string& path_and_query,
                                                 const Limits& limits);

  /// Up to `size` bytes of the body; 0 at its end.
  Result<std::size_t> read(char* data, std::size_t size);

 private:
  UnixAnswer(Descriptor fd, std::string from, const Limits& limits);
  Result<std::size_t> receive(char* data, std::size_t size);
  Status take_head();

  Descriptor fd_;
  std::string from_;
  Limits limits_;
  std::uint64_t deadline_ns_, received_ = 0;
  std::string early_;  ///< of the body, came with the head
};

}  // namespace tcpdwell
