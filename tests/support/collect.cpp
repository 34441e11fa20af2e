// SPDX-License-Identifier: BSD-2-Clause
#include "support/collect.h"

#include <algorithm>
#include <cstdlib>
#include <stdexcept>
#include <thread>
#include <utility>

#include "support/end_reasons.h"
#include "support/shadow.h"

namespace tcpdwell::test {
namespace {

std::optional<std::uint64_t> mono_ns(std::optional<std::int64_t> wall_ns) {
  return wall_ns ? std::optional<std::uint64_t>(*wall_ns - kWallOffset) : std::nullopt;
}

/// Passes everything on, and notes what was told.
class Noting : public Consumer {
 public:
  Noting(Consumer& consumer, Minisockets way) : consumer_(consumer), way_(way) {}
  Status transition(const Transition& transition) override {
    told_in_test().add(transition);
    end_reasons().add(transition, way_);
    return consumer_.transition(transition);
  }
  Status seed(const Seed& seed) override { return consumer_.seed(seed); }
  Status connection(const tcpdwell::Connection& connection) override {
    told_in_test().add(connection.socket, mono_ns(connection.end_wall_ns));
    return consumer_.connection(connection);
  }
  Status loss(const Loss& loss) override { return consumer_.loss(loss); }

 private:
  Consumer& consumer_;
  Minisockets way_;
};

void drain(Tracer& tracer, Consumer& consumer) {
  Noting noting(consumer, tracer.minisockets());
  while (true) {
    const Result<bool> more = tracer.drain(noting);
    if (!more) throw std::runtime_error("drain: " + more.error().message);
    if (!*more) return;
  }
}

/// TCPDWELL_MINISOCKETS runs the same tests through another way in: it takes the place of auto.
Minisockets way_for_auto() {
  const char* const text = std::getenv("TCPDWELL_MINISOCKETS");
  if (text == nullptr || *text == '\0') return Minisockets::Auto;
  const auto way = parse_minisockets(text);
  if (!way) throw std::runtime_error(std::string("TCPDWELL_MINISOCKETS: no way in: ") + text);
  return *way;
}

}  // namespace

Status Collector::transition(const Transition& transition) {
  transitions.push_back(transition);
  return Ok;
}

Status Collector::seed(const Seed& seed) {
  seeds.push_back(seed);
  return Ok;
}

std::vector<Transition> Collector::chain(std::uint64_t cookie) const {
  std::vector<Transition> lines;
  std::copy_if(transitions.begin(), transitions.end(), std::back_inserter(lines),
               [&](const Transition& line) { return line.socket.id.cookie == cookie; });
  return lines;
}

bool Collector::closed(std::uint64_t cookie) const {
  const auto last =
      std::find_if(transitions.rbegin(), transitions.rend(),
                   [&](const Transition& line) { return line.socket.id.cookie == cookie; });
  return last != transitions.rend() && last->last();
}

Status Tally::transition(const Transition& transition) {
  const auto from = static_cast<std::size_t>(transition.from);
  const auto to = static_cast<std::size_t>(transition.to);
  ++counts_.at(from).at(to);
  ++total_;
  const auto [known, first] = last_.try_emplace(transition.socket.id.cookie, transition.to);
  const bool begins = transition.from == State::Close || transition.from == State::Listen;
  if (transition.gap || (first ? !begins : known->second != transition.from)) ++broken_;
  known->second = transition.to;
  if (transition.last()) last_.erase(known);
  return Ok;
}

std::uint64_t Tally::count(State from, State to) const {
  return counts_.at(static_cast<std::size_t>(from)).at(static_cast<std::size_t>(to));
}

std::unique_ptr<Tracer> start_tracer(const Filter& filter, Minisockets minisockets) {
  TracerOptions options;
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
  options.ring_bytes = 128U << 20;  // all of a storm: such a reader does not keep up with one
#endif
  options.minisockets = minisockets;
  options.filter = filter;
  return start_tracer(std::move(options));
}

std::unique_ptr<Tracer> start_tracer(TracerOptions options) {
  options.wall_offset_ns = kWallOffset;
  if (options.minisockets == Minisockets::Auto) options.minisockets = way_for_auto();
  auto tracer = Tracer::start(options);
  if (!tracer) throw std::runtime_error("Tracer::start: " + tracer.error().message);
  return std::move(tracer).value();
}

std::unique_ptr<Tracer> start_tracer(std::uint32_t netns, Minisockets minisockets) {
  Filter filter;
  filter.netns = netns;
  return start_tracer(filter, minisockets);
}

bool drain_until(Tracer& tracer, Consumer& consumer, const std::function<bool()>& done,
                 std::chrono::milliseconds limit) {
  const auto end = std::chrono::steady_clock::now() + limit;
  while (true) {
    const bool late = std::chrono::steady_clock::now() >= end;
    drain(tracer, consumer);
    if (done()) return true;
    if (late) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
  }
}

void drain_for(Tracer& tracer, Consumer& consumer, std::chrono::milliseconds time) {
  drain_until(
      tracer, consumer, [] { return false; }, time);
}

void finish(Tracer& tracer, Consumer& consumer) {
  tracer.detach();
  drain(tracer, consumer);
}

}  // namespace tcpdwell::test
