// SPDX-License-Identifier: BSD-2-Clause
/// What flows through the program: one stream of events, from the kernel or from a trace file, to
/// any number of consumers.
///
/// Clocks: `mono_ns` is CLOCK_MONOTONIC of the traced host, `wall_ns` nanoseconds since the Unix
/// epoch, UTC. Ports are host order, addresses network order.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "model/state.h"
#include "util/result.h"

namespace tcpdwell {

/// Name of a process, at most 15 bytes of anything (it is hostile input), NUL-padded.
struct Comm {
  std::array<char, 16> bytes{};
  Comm() = default;
  explicit Comm(std::string_view text);  ///< cut to 15 bytes, and at a NUL
  std::string_view view() const;
  friend bool operator==(const Comm&, const Comm&) = default;
};

enum class Family : std::uint8_t { V4 = 4, V6 = 6 };

struct Endpoint {
  std::array<std::uint8_t, 16> addr{};  ///< IPv4 in the first 4 bytes, the rest 0
  std::uint16_t port = 0;               ///< 0 where not yet known
  friend bool operator==(const Endpoint&, const Endpoint&) = default;
};

/// Connection id: the socket cookie, and which use of the socket it is (1 = first).
struct ConnId {
  std::uint64_t cookie = 0;
  std::uint32_t use = 1;
  friend bool operator==(const ConnId&, const ConnId&) = default;
};
std::string to_string(const ConnId& id);  ///< "1a2b", from the second use on "1a2b.2"
/// 16 hexadecimal digits, a dot, 10 decimal ones.
inline constexpr std::size_t kMostConnIdBytes = 27;
char* put_conn_id(char* at, const ConnId& id);  ///< to_string() at `at`; where it ends
std::optional<ConnId> parse_conn_id(std::string_view text);

struct Owner {
  std::optional<std::uint32_t> pid;  ///< absent where unknown; 0 is never used for that
  Comm comm;
  OwnerSource source = OwnerSource::None;
  friend bool operator==(const Owner&, const Owner&) = default;
};

std::string owner_text(const Owner& owner);  ///< "4711/nginx", "?"; safe to print

/// Who a line is about.
struct Socket {
  ConnId id;
  std::uint32_t netns = 0;  ///< inode number
  Family family = Family::V4;
  Endpoint local, remote;
  Owner owner;
  /// cgroup v2 id: of the task that made the socket, of a child its listener's. Where the kernel
  /// keeps none, the owner's. 0 if not known.
  std::uint64_t cgroup_id = 0;
  std::uint64_t owner_cgroup_id = 0;  ///< where it is another; 0 where it is not
  /// Device that it is bound to, or that its link-local address is of; empty if none. A name is
  /// hostile, as a process's is. Where it is not known, its number.
  Comm iface;
  friend bool operator==(const Socket&, const Socket&) = default;
};
/// Numeric address without port or brackets, as inet_ntop prints it ("::ffff:10.0.0.1" for a
/// mapped one).
std::string address_text(Family family, const Endpoint& endpoint);
/// "10.0.0.1:80", "[::1]:80"; "*" for a port of 0.
std::string endpoint_text(Family family, const Endpoint& endpoint);
void append_endpoint(std::string& out, Family family, const Endpoint& endpoint);
/// With the device, as `ss` shows it: "[fe80::2%eth0]:40000", "10.0.0.1%eth0:80". Safe to print.
std::string local_text(const Socket& socket);
/// The device is shown of a link-local address alone.
std::string remote_text(const Socket& socket);
std::string address_text(Family family, const Endpoint& endpoint, const Comm& iface);
std::string endpoint_text(Family family, const Endpoint& endpoint, const Comm& iface);
void append_endpoint(std::string& out, Family family, const Endpoint& endpoint, const Comm& iface);
/// IPv4-mapped IPv6 addresses become the IPv4 ones.
void unmap(Family& family, Endpoint& local, Endpoint& remote);
bool is_link_local(Family family, const Endpoint& endpoint);  ///< fe80::/10

/// A duration and what it is worth; `ns` means nothing when `bound` is Unknown.
struct Dwell {
  Bound bound = Bound::Unknown;
  std::uint64_t ns = 0;
  friend bool operator==(const Dwell&, const Dwell&) = default;
};
/// "1.20s", ">=1.20s"; `unknown` where it is.
std::string dwell_text(const Dwell& dwell, std::string_view unknown = "?");

/// A name of the kernel's, of capitals, digits and "_" alone. Empty where there is none.
struct KernelWord {
  std::array<char, 32> bytes{};
  friend bool operator==(const KernelWord&, const KernelWord&) = default;
};
std::string_view name_of(const KernelWord& word);
/// nullopt for what none can be.
std::optional<KernelWord> parse_kernel_word(std::string_view text);

/// Of a listening socket: the connections that nobody has accepted yet.
struct AcceptQueue {
  std::uint32_t waiting = 0;
  std::uint32_t most = 0;   ///< that may wait: with one more than these it is full
  std::uint32_t peak = 0;   ///< that waited at once; 0 where not known
  std::uint32_t drops = 0;  ///< segments for which there was no room, above all
  friend bool operator==(const AcceptQueue&, const AcceptQueue&) = default;
};

/// How a socket comes to its local port.
struct PortChoice {
  /// IP_LOCAL_PORT_RANGE as connect() applies it.
  struct Range {
    std::uint16_t first = 0, last = 0;  ///< inclusive
    std::uint32_t reserved = 0;         ///< of these in net.ipv4.ip_local_reserved_ports
    friend bool operator==(const Range&, const Range&) = default;
  };
  bool bound = false;  ///< by bind(): connect() gives the port to no other socket
  std::optional<Range> own;
  friend bool operator==(const PortChoice&, const PortChoice&) = default;
};

/// Traffic of a connection, known when it ends (see struct td_stats for the sources).
struct TrafficStats {
  std::uint64_t bytes_sent = 0, bytes_received = 0;
  std::uint32_t segs_out = 0, segs_in = 0, retrans = 0;
  std::optional<std::uint32_t> srtt_us, min_rtt_us;  ///< absent where no sample was taken
  KernelWord rst{};  ///< why this host sent the RST that ended it; empty where it sent none
  /// How long nothing had come from the peer when data was sent that was answered by a RST of
  /// somebody who knows no such connection; 0 where it did not end so.
  std::uint32_t idle_ms = 0;
  friend bool operator==(const TrafficStats&, const TrafficStats&) = default;
};

/// `type` `transition`.
struct Transition {
  std::int64_t wall_ns = 0;
  std::uint64_t mono_ns = 0;
  Socket socket;
  State from = State::Unknown, to = State::Unknown;  ///< `old` and `new` in JSON
  Dwell dwell;                                       ///< time spent in `from`
  PortChoice port;                                   ///< `own` on the line to SYN_SENT alone
  bool gap = false;  ///< a transition of this connection before this one was lost
  Reason reason = Reason::None;
  Errno error = Errno::None;
  std::uint32_t timer_restarts =
      0;  ///< time-wait timer restarts, on the line that leaves TIME_WAIT
  /// On the line that leaves SYN_RECV: the handshake's last ACK had come, and the request waited
  /// on, for data (TCP_DEFER_ACCEPT) or for room in the accept queue.
  bool deferred = false, queue_full = false;
  /// On the line that leaves ESTABLISHED: how long nobody had accepted it; all that time where
  /// nobody had by then. Absent where it is not known, and of a connection that was not accepted.
  std::optional<std::uint64_t> accept_wait_ns;
  /// The rest is known on the connection's last line (`to` is CLOSE) only.
  std::optional<std::uint64_t> life_ns;
  Path path;
  std::optional<TrafficStats> traffic;
  std::optional<AcceptQueue> accept_queue;  ///< of a listening socket, as it was closed

  bool last() const { return to == State::Close; }
  /// False on the line that begins a connection (CLOSE -> SYN_SENT, CLOSE -> LISTEN,
  /// LISTEN -> SYN_RECV, CLOSE -> anything): no state was dwelt in before it.
  bool ends_a_dwell() const;
  friend bool operator==(const Transition&, const Transition&) = default;
};

/// A stay in a state. Of the last one of an open connection the dwell is what it has been so far.
struct Stay {
  State state = State::Unknown;
  Dwell dwell;
  friend bool operator==(const Stay&, const Stay&) = default;
};

/// Oldest first. TCP has no way through more than six states, and CLOSE is none of them.
class Stays {
 public:
  static constexpr std::size_t kMost = 8;

  bool full() const { return size_ == kMost; }
  void push(const Stay& stay) { stays_[size_++] = stay; }  ///< not when full()
  std::size_t size() const { return size_; }
  bool empty() const { return size_ == 0; }
  const Stay* begin() const { return stays_.data(); }
  const Stay* end() const { return stays_.data() + size_; }
  const Stay& back() const { return stays_[size_ - 1]; }
  friend bool operator==(const Stays&, const Stays&) = default;

 private:
  std::array<Stay, kMost> stays_{};
  std::uint8_t size_ = 0;
};

/// `type` `connection`: what a connection went through since its line before, which for nearly all
/// is all their life. A finished stay is in exactly one line; that a connection is in when an open
/// line is written comes again, as a whole, in its next one.
struct Connection {
  Socket socket;
  std::optional<std::int64_t> start_wall_ns;  ///< absent where it is not known
  std::optional<std::int64_t> end_wall_ns;    ///< absent while it is open
  std::optional<std::int64_t> seen_wall_ns;   ///< where it is open: when it was looked at
  State state = State::Unknown;               ///< CLOSE, or where it is open the one it is in
  Stays stays;
  PortChoice port;                   ///< without `own`
  std::uint32_t stays_left_out = 0;  ///< older ones for which there was no room
  bool gap = false;                  ///< a transition of this connection was lost
  Reason reason = Reason::None;
  Errno error = Errno::None;
  std::uint32_t timer_restarts = 0;             ///< as Transition's
  bool deferred = false, queue_full = false;    ///< as Transition's
  std::optional<std::uint64_t> accept_wait_ns;  ///< as Transition's, once it has left ESTABLISHED
  Path path;                                    ///< so far
  /// Known when it has ended.
  std::optional<std::uint64_t> life_ns;
  std::optional<TrafficStats> traffic;
  std::optional<AcceptQueue> accept_queue;  ///< as Transition's

  bool open() const { return !end_wall_ns; }
  /// Its end, or when it was looked at.
  std::int64_t wall_ns() const { return end_wall_ns.value_or(seen_wall_ns.value_or(0)); }
  friend bool operator==(const Connection&, const Connection&) = default;
};

/// What a socket that exists is busy with. What the kernel does not keep for its kind is absent.
struct Live {
  struct Queues {
    std::uint32_t receive = 0;  ///< bytes nobody has read; LISTEN: connections nobody has accepted
    std::uint32_t send = 0;     ///< bytes not acknowledged; LISTEN: most that may wait
    std::uint32_t retrans = 0;  ///< segments sent again so far
    friend bool operator==(const Queues&, const Queues&) = default;
  };
  std::optional<Queues> queues;  ///< full sockets only
  std::optional<SocketTimer> timer;
  std::optional<std::uint64_t>
      timer_ns;  ///< until it expires, 0 if overdue; absent with SocketTimer::Off
  /// Process where it has a struct socket: who has that open a walk over files tells (Holders).
  Held held = Held::Unknown;
  std::uint64_t file_cookie = 0;  ///< of the socket that descriptors of it name; 0 where not known
  std::uint32_t drops = 0;        ///< as AcceptQueue's; of another socket what it dropped
  std::uint32_t peak = 0;         ///< as AcceptQueue's
  friend bool operator==(const Live&, const Live&) = default;
};

/// `type` `seed`: a socket that existed before the trace.
struct Seed {
  std::int64_t wall_ns = 0;
  std::uint64_t mono_ns = 0;
  Socket socket;
  State state = State::Unknown;
  Dwell age;
  PortChoice port;
  Live live;
  friend bool operator==(const Seed&, const Seed&) = default;
};

/// `type` `loss`: `count` events lost since the last such line for the same place.
struct Loss {
  std::int64_t wall_ns = 0;
  LossPlace where = LossPlace::Ring;
  std::uint64_t count = 0;
  friend bool operator==(const Loss&, const Loss&) = default;
};

/// net.ipv4.ip_local_port_range: the ports connect() chooses from. The kernel's default unless told
/// otherwise.
struct EphemeralPorts {
  std::uint16_t first = 32768, last = 60999;  ///< inclusive
  friend bool operator==(const EphemeralPorts&, const EphemeralPorts&) = default;
};

/// `type` `ports`: the local ports that a network namespace, or a VRF in it, gives to connect(), as
/// they are from now on.
struct LocalPorts {
  std::int64_t wall_ns = 0;
  std::uint32_t netns = 0;
  Comm vrf;  ///< empty: those of sockets that are in none
  EphemeralPorts range;
  std::uint32_t reserved = 0;  ///< of these in net.ipv4.ip_local_reserved_ports
  /// Of the others those that bind() took, and those of them of which no socket is in a state.
  /// Absent where nobody has looked.
  std::optional<std::uint32_t> bound, unconnected;

  std::uint32_t available() const {
    const std::uint32_t all = 1U + range.last - range.first;
    return all - std::min(reserved, all);
  }
  friend bool operator==(const LocalPorts&, const LocalPorts&) = default;
};

/// `type` `header`, the first line of a trace. `filters_json` is a JSON object as text.
struct Header {
  int schema = 1;
  std::string version, host, kernel, arch, boot_id;
  std::int64_t start_wall_ns = 0;
  std::string minisockets = "off";  ///< "fentry", "timer" or "off"
  std::string filters_json = "{}";
  std::string lines = "transitions";    ///< or "connections": what it has a line for
  std::optional<EphemeralPorts> ports;  ///< absent where not known
  friend bool operator==(const Header&, const Header&) = default;
};

/// Losses by place, indexed with LossPlace.
using LossCounts = std::array<std::uint64_t, kLossPlaceCount>;

/// `type` `end`, the last line of a trace.
struct TraceEnd {
  std::int64_t wall_ns = 0;
  std::uint64_t transitions = 0;
  LossCounts lost{};
  std::uint64_t duration_ns = 0;
  std::uint64_t connections = 0;  ///< connections of which at least one line was written
  /// The machine slept so long meanwhile: no dwell has it, nor `duration_ns`, and `wall_ns` of what
  /// came after is early by it (CLOCK_MONOTONIC stands still).
  std::uint64_t suspended_ns = 0;
  bool looked = false;  ///< who waits was looked for, and the lines of sockets say who (socket())
  friend bool operator==(const TraceEnd&, const TraceEnd&) = default;
};

struct Tally;
struct Listed;
struct NamedCgroup;

/// Takes the stream. An error ends the stream; a closed pipe is an Error with os_errno EPIPE.
class Consumer {
 public:
  virtual ~Consumer() = default;
  virtual Status header(const Header&) { return Ok; }
  virtual Status transition(const Transition&) = 0;
  virtual Status seed(const Seed&) { return Ok; }
  /// In place of events, where the kernel side counts: TracerOptions::detail.
  virtual Status tally(const Tally&) { return Ok; }
  virtual Status connection(const Connection&) { return Ok; }
  /// One that waits for somebody, as it was found by a look during the trace: who has it open.
  virtual Status socket(const Listed&) { return Ok; }
  virtual Status local_ports(const LocalPorts&) { return Ok; }
  virtual Status cgroup_name(const NamedCgroup&) { return Ok; }
  virtual Status loss(const Loss&) { return Ok; }
  virtual Status end(const TraceEnd&) { return Ok; }
};

}  // namespace tcpdwell
