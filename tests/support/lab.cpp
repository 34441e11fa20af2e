// SPDX-License-Identifier: BSD-2-Clause
#include "support/lab.h"

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <sys/prctl.h>

#include <algorithm>
#include <stdexcept>
#include <thread>

#include "capture/probe.h"
#include "support/end_reasons.h"

namespace tcpdwell::test {
namespace {

constexpr std::chrono::seconds kRemovalLimit(5);

std::string own_comm() {
  char name[16] = {};
  prctl(PR_GET_NAME, name);
  return name;
}

bool is_of_listener(const Transition& line) { return line.socket.remote.port == 0; }

}  // namespace

Call::Call(Lab& lab, Net net, Ports ports, std::uint32_t isn)
    : net(net), ports(ports), remote(lab.wire(), net, ports, isn), lab_(&lab) {}

std::optional<State> Call::kernel_state() {
  return lab_->diag().state(family_of(net), local_endpoint(), remote_endpoint());
}

Step& Call::to(State state, Stamp when, Reason reason) {
  if (state != State::SynRecv) when.after = std::max(when.after, wait_for(state));
  return tell(state, when, reason);
}

/// Mostly it is so at once, and then this is no later than 0; but a busy kernel may leave a packet
/// to ksoftirqd.
std::uint64_t Call::wait_for(State state) {
  std::uint64_t asked = 0;
  for (int times = 0; times < 100; ++times) {
    if (kernel_state().value_or(State::Close) == state) return asked;
    lab_->hold(1);
    asked = monotonic_ns();
  }
  ADD_FAILURE() << "the script says " << name_of(state) << ", the kernel "
                << name_of(kernel_state().value_or(State::Close));
  return asked;
}

Step& Call::orphan_gets_fin() {
  Step& step = to(State::TimeWait, remote.send(kFin | kAck));
  if (lab_->way() != Minisockets::Timer) return step;
  step.bounded =
      !remote.has_timestamps() || !kernel_has_field("inet_timewait_sock", "tw_entry_stamp");
  step.slack += (step.bounded ? kLateJiffies : 2) * kJiffy;
  return step;
}

Step& Call::orphan_is_reset(Stamp when, Reason reason) {
  return to(State::Close, when, tells_resets_of_orphans(lab_->way()) ? reason : Reason::None);
}

Step& Call::tell(State state, Stamp when, Reason reason) {
  const Bound dwell = story.steps.empty() ? Bound::Unknown : Bound::Exact;
  story.steps.push_back({state, when, reason, dwell, kTolerance});
  return story.steps.back();
}

void Call::close_first(unsigned fin_wait1_ms) {
  to(State::FinWait1, local.close());
  remote.expect(kFin | kAck);
  lab_->hold(fin_wait1_ms);
  to(State::FinWait2, remote.send(kAck));
}

void Call::close_to_time_wait(unsigned orphan_ms) {
  close_first();
  lab_->hold(orphan_ms);
  orphan_gets_fin();
}

void Call::peer_closes_first() { to(State::CloseWait, remote.send(kFin | kAck)); }

Stamp Call::destroy() {
  return lab_->diag().destroy(family_of(net), local_endpoint(), remote_endpoint());
}

Lab::Lab(Delivery delivery, TracerOptions options)
    : network_(std::in_place, delivery), inode_(network_->netns.inode()) {
  options.filter.netns = inode_;
  tracer_ = start_tracer(std::move(options));
}

Listener& Lab::listener(Net net) {
  return listeners_.try_emplace(net, net, server_port(net)).first->second;
}

Ports Lab::fresh_ports() {
  ++next_port_;
  return {next_port_, static_cast<std::uint16_t>(next_port_ + 10'000)};
}

Call& Lab::new_call(Net net, Ports ports, State begin, std::uint32_t isn) {
  Call& call = calls_.emplace_back(*this, net, ports, isn);
  call.story.begin = begin;
  return call;
}

void Lab::connect(Call& call) { call.to(State::SynSent, call.local.connect(call.ports.remote)); }

void Lab::answer_syn(Call& call) {
  call.remote.expect(kSyn);
  call.to(State::Established, call.remote.send(kSyn | kAck));
  call.cookie = call.local.cookie();
}

Call& Lab::dial(Net net) {
  Call& call = new_call(net, fresh_ports(), State::Close);
  call.local = Local(net, call.ports.local);
  connect(call);
  return call;
}

Call& Lab::connected(Net net, unsigned syn_sent_ms) {
  Call& call = dial(net);
  hold(syn_sent_ms);
  answer_syn(call);
  return call;
}

void Lab::ring(Call& call) {
  Step& step = call.to(State::SynRecv, call.remote.send(kSyn));
  call.remote.expect(kSyn | kAck);
  // A busy kernel may leave the SYN to ksoftirqd: that it was answered says that it came.
  step.when.after = monotonic_ns();
}

void Lab::accept(Call& call) {
  call.to(State::Established, call.remote.send(kAck));
  call.local = listener(call.net).accept();
  call.cookie = call.local.cookie();
}

Call& Lab::connected_with_timestamps(Net net) {
  Call& call = dial(net);
  call.remote.use_timestamps();
  answer_syn(call);
  return call;
}

Call& Lab::connect_again(Call& before) {
  Call& call = new_call(before.net, {before.ports.local, fresh_ports().remote}, State::Close);
  call.local = std::move(before.local);
  call.use = before.use + 1;
  connect(call);
  return call;
}

Call& Lab::rung(Net net) {
  listener(net);
  Call& call = new_call(net, {server_port(net), fresh_ports().remote}, State::Listen);
  ring(call);
  return call;
}

Call& Lab::accepted(Net net, unsigned syn_recv_ms) {
  Call& call = rung(net);
  hold(syn_recv_ms);
  accept(call);
  return call;
}

void Lab::hold(unsigned milliseconds) {
  drain_for(*tracer_, collected_, std::chrono::milliseconds(milliseconds));
}

void Lab::wait_until_gone(const std::vector<Call*>& calls, Reason reason,
                          std::chrono::seconds limit) {
  const auto end = std::chrono::steady_clock::now() + limit;
  std::vector<Stamp> when(calls.size());
  std::size_t gone = 0;
  while (gone < calls.size()) {
    for (std::size_t i = 0; i < calls.size(); ++i) {
      if (when[i].after != 0) continue;
      const std::uint64_t asked = monotonic_ns();
      if (calls[i]->kernel_state()) {
        when[i].before = asked;
        continue;
      }
      when[i].after = monotonic_ns();
      calls[i]->to(State::Close, when[i], reason);
      ++gone;
    }
    if (std::chrono::steady_clock::now() > end) throw std::runtime_error("still there");
    hold(1);
  }
}

Stamp Lab::remove_network() {
  const std::uint64_t before = monotonic_ns();
  listeners_.clear();
  for (Call& call : calls_) call.local.close();
  network_.reset();
  return {before, before + std::chrono::nanoseconds(kRemovalLimit).count()};
}

/// No two connections have the same remote port unless both ports are; these are told apart by
/// their order.
std::vector<Transition> Lab::lines_of(const Call& call) const {
  std::vector<Transition> lines;
  std::copy_if(
      collected_.transitions.begin(), collected_.transitions.end(), std::back_inserter(lines),
      [&](const Transition& line) { return line.socket.remote.port == call.ports.remote; });
  std::stable_sort(lines.begin(), lines.end(),
                   [](const auto& a, const auto& b) { return a.mono_ns < b.mono_ns; });
  std::vector<ConnId> ids;
  for (const Transition& line : lines) {
    if (std::find(ids.begin(), ids.end(), line.socket.id) == ids.end()) {
      ids.push_back(line.socket.id);
    }
  }
  std::size_t earlier = 0;
  for (const Call& other : calls_) {
    if (&other == &call) break;
    earlier += other.ports == call.ports ? 1 : 0;
  }
  if (earlier >= ids.size()) return {};
  std::erase_if(lines, [&](const Transition& line) { return line.socket.id != ids[earlier]; });
  return lines;
}

Identity Lab::identity_of(const Call& call) const {
  Identity who;
  who.cookie = call.cookie;
  who.use = call.use;
  who.netns = inode_;
  who.family = family_of(call.net);
  who.local = call.local_endpoint();
  who.remote = call.remote_endpoint();
  if (!call.owned) return who;
  who.pid = static_cast<std::uint32_t>(getpid());
  who.comm = own_comm();
  return who;
}

std::size_t Lab::lines_expected() const {
  std::size_t count = 0;
  for (const Call& call : calls_) count += call.story.steps.size();
  return count;
}

std::size_t Lab::lines_come() const {
  return static_cast<std::size_t>(
      std::count_if(collected_.transitions.begin(), collected_.transitions.end(),
                    [](const auto& line) { return !is_of_listener(line); }));
}

void Lab::check(std::chrono::seconds limit, const LossCounts& lost) {
  drain_until(
      *tracer_, collected_, [&] { return lines_come() >= lines_expected(); }, limit);
  finish(*tracer_, collected_);
  for (const Call& call : calls_) {
    SCOPED_TRACE(fmt::format("ports {} {}", call.ports.local, call.ports.remote));
    expect_told(lines_of(call), call.story, identity_of(call));
  }
  EXPECT_EQ(lines_come(), lines_expected());
  EXPECT_EQ(tracer_->lost().value(), lost);
}

}  // namespace tcpdwell::test
