// SPDX-License-Identifier: BSD-2-Clause
/// A network with a scripted peer in it, a tracer of that network, and the connections between the
/// two. A script drives both ends and says as it goes what becomes of the kernel's end; check()
/// holds the tracer's lines against that.
#pragma once

#include <chrono>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <vector>

#include "support/collect.h"
#include "support/diag.h"
#include "support/local.h"
#include "support/netns.h"
#include "support/peer.h"
#include "support/story.h"

namespace tcpdwell::test {

class Lab;

/// One connection.
class Call {
 public:
  Call(Lab& lab, Net net, Ports ports, std::uint32_t isn);

  /// The kernel's end has gone to `state`, at `when`; the kernel is asked whether that is so (not
  /// about a request: to ask gives it a cookie, and that is the tracer's to do).
  Step& to(State state, Stamp when, Reason reason = Reason::None);
  /// As to(), where the kernel cannot be asked, since these ports are another connection's now.
  Step& tell(State state, Stamp when, Reason reason = Reason::None);
  /// The peer's FIN comes to the time-wait socket of an orphan in FIN_WAIT2: TIME_WAIT.
  Step& orphan_gets_fin();
  /// A RST ended an orphan in FIN_WAIT2, or its answer to data: CLOSE, for `reason` if that is told
  /// here.
  Step& orphan_is_reset(Stamp when, Reason reason);

  /// close(), and the peer acknowledges: FIN_WAIT1, FIN_WAIT2.
  void close_first(unsigned fin_wait1_ms = 0);
  /// … and after `orphan_ms` closes as well: TIME_WAIT.
  void close_to_time_wait(unsigned orphan_ms = 0);
  /// The peer's FIN: CLOSE_WAIT.
  void peer_closes_first();

  Stamp destroy();  ///< `ss -K`
  std::optional<State> kernel_state();

  const Net net;
  const Ports ports;
  Local local;
  Remote remote;
  Story story;
  std::uint64_t cookie = 0;  ///< 0 where nobody asked
  std::uint32_t use = 1;     ///< how often the socket connected
  bool owned = true;         ///< its owner can be known

 private:
  std::uint64_t wait_for(State state);
  Endpoint local_endpoint() const { return host_endpoint(net, kKernelHost, ports.local); }
  Endpoint remote_endpoint() const { return host_endpoint(net, kPeerHost, ports.remote); }
  friend class Lab;
  Lab* lab_;
};

class Lab {
 public:
  /// `options` but for the filter, which is the lab's namespace.
  explicit Lab(Delivery delivery = Delivery::Softirq, TracerOptions options = {});

  Netns& netns() { return network_->netns; }
  Wire& wire() { return network_->wire; }
  Diag& diag() { return network_->diag; }
  Minisockets way() const { return tracer_->minisockets(); }
  Listener& listener(Net net = Net::V4);

  /// connect() was called, the SYN is on the wire: SYN_SENT.
  Call& dial(Net net = Net::V4);
  /// … and was answered: ESTABLISHED.
  Call& connected(Net net = Net::V4, unsigned syn_sent_ms = 0);
  Call& connected_with_timestamps(Net net = Net::V4);
  /// The peer's SYN has come, and was answered: SYN_RECV.
  Call& rung(Net net = Net::V4);
  /// … and its ACK, and was accepted: ESTABLISHED.
  Call& accepted(Net net = Net::V4, unsigned syn_recv_ms = 0);

  // What these are made of, for scripts that differ.
  Ports fresh_ports();
  Call& new_call(Net net, Ports ports, State begin, std::uint32_t isn = 1'000'000);
  void connect(Call& call);
  /// Connects with the socket of `before`, elsewhere.
  Call& connect_again(Call& before);
  void answer_syn(Call& call);
  void ring(Call& call);
  void accept(Call& call);

  /// Lets time pass with the tracer's reader at work, as always outside of tests.
  void hold(unsigned milliseconds);
  /// Asks for each again and again until the kernel has none of them any more: -> CLOSE.
  void wait_until_gone(const std::vector<Call*>& calls, Reason reason, std::chrono::seconds limit);

  /// Nothing of this process keeps the network namespace alive any more when this returns; the
  /// kernel removes it within seconds.
  Stamp remove_network();

  /// What the tracer has told of a call so far.
  std::vector<Transition> lines_of(const Call& call) const;
  /// Every call's lines, and no others, have come or come within `limit`; `lost` was lost.
  void check(std::chrono::seconds limit = std::chrono::seconds(5), const LossCounts& lost = {});

 private:
  struct Network {
    explicit Network(Delivery delivery) : wire(delivery) {}
    Netns netns;
    Wire wire;
    Diag diag;
  };
  Identity identity_of(const Call& call) const;
  std::size_t lines_expected() const;
  std::size_t lines_come() const;

  std::optional<Network> network_;
  std::uint32_t inode_;
  std::unique_ptr<Tracer> tracer_;
  Collector collected_;
  std::map<Net, Listener> listeners_;
  std::deque<Call> calls_;
  std::uint16_t next_port_ = 20'000;
};

}  // namespace tcpdwell::test
