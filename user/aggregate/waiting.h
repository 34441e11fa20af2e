// SPDX-License-Identifier: BSD-2-Clause
/// Who lets others wait: what is known of it from connections that are open, from a look at who has
/// them open now, and from listeners that were closed.
#pragma once

#include <tsl/robin_map.h>

#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "aggregate/followed.h"
#include "aggregate/row_table.h"
#include "model/listing.h"
#include "model/survey.h"

namespace tcpdwell {

/// Of each kind of subject; those beyond are not watched.
inline constexpr std::size_t kMostSubjects = 2048;

template <class Subject>
using Subjects = tsl::robin_map<PackedKey, Subject, PackedKeyHash>;

/// The subject under a key; nullptr where there is no room for one more.
template <class Map, class Name>
auto* subject(Map& map, const PackedKey& key, Name name) {
  using Subject = typename Map::mapped_type;
  if (const auto found = map.find(key); found != map.end()) return &found.value();
  if (map.size() >= kMostSubjects) return static_cast<Subject*>(nullptr);
  Subject made;
  made.name = name();
  return &map.insert({key, std::move(made)}).first.value();
}

/// Of a link-local address the device is part of it.
PackedKey destination_key(Family family, const Endpoint& remote, const Comm& iface);
std::string process_name(const Comm& name);  ///< safe to print

/// Small, so that a copy can be told of those that are open now.
class Waiting {
 public:
  /// A local port that somebody listens at.
  struct Queue {
    std::string name;           ///< its endpoint
    Comm comm;                  ///< who has it open, or opened it
    std::uint64_t waiting = 0;  ///< nobody has accepted these yet; of all who listen there
    std::uint64_t most = 0;     ///< that may wait
    bool full = false;          ///< a listener had more waiting than may wait:
    std::uint64_t limit = 0;    ///< which are as many
    std::uint64_t drops = 0;    ///< segments, of listeners whose queue was full
    std::uint64_t delayed = 0;  ///< handshakes whose last ACK found no room
    std::uint64_t late = 0;     ///< of those that wait, those that do for kUnacceptedAgeNs
    std::uint64_t closed = 0;   ///< of these, those whose peer has closed
    std::uint64_t oldest_ns = 0;
    std::uint32_t netns = 0;
    bool everywhere = false;  ///< at every address
    bool was_full() const { return full || delayed > 0; }
  };

  /// A FIN_WAIT2 that is over, or is open.
  void held_open(const Socket& socket, const Dwell& dwell);
  /// `looked`: looked() tells more of those that wait.
  void open_at_end(const Followed& followed, std::int64_t end_wall_ns, bool looked);
  void open_now(const Survey& survey);
  /// What a look at who has them open found.
  void looked(const std::vector<Listed>& sockets);
  /// What a look found before a later one: which queues were full, and what was dropped there.
  void looked_before(const std::vector<Listed>& sockets);
  /// A line that leaves SYN_RECV or LISTEN.
  void at_listener(const Transition& t);
  void add_findings(std::vector<Finding>& found) const;
  /// Connections to a destination that open_now() found.
  std::uint64_t open_to(const PackedKey& destination) const;
  /// Of the port that this destination is on this host; nullptr if none is known.
  const Queue* queue_of(std::uint32_t netns, Family family, const Endpoint& endpoint) const;

 private:
  struct Process {
    std::string name;
    std::uint64_t unclosed = 0, oldest_ns = 0;
  };
  struct Peer {
    std::string name;
    std::uint64_t held = 0, longest_ns = 0;
  };
  /// Connections of a process that wait for another one of its own connections.
  struct Chain {
    std::string process, towards;
    std::uint64_t count = 0, oldest_ns = 0;
  };
  class Look;

  void unclosed(const Comm& comm, std::uint64_t count, std::uint64_t oldest_ns);
  void waits_for(const Comm& comm, const std::string& towards, std::uint64_t count,
                 std::uint64_t oldest_ns);
  Queue* queue(const Socket& socket);
  void not_accepted(const Listed& one);
  void listens(const Listed& one);
  Queue* note_listener(const Listed& one);
  static void note_listener(Queue& at, const Socket& socket, const AcceptQueue& queue);
  void add_leaks(std::vector<Finding>& found) const;
  void add_chains(std::vector<Finding>& found) const;
  void add_held(std::vector<Finding>& found) const;
  void add_queues(std::vector<Finding>& found) const;

  Subjects<Process> processes_;
  Subjects<Peer> peers_;
  Subjects<Queue> queues_;
  std::map<std::pair<std::string, std::string>, Chain> chains_;
  tsl::robin_map<PackedKey, std::uint64_t, PackedKeyHash> open_to_;
};

}  // namespace tcpdwell
