// SPDX-License-Identifier: BSD-2-Clause
/// make_trace FILE TRANSITIONS [HOST [SEED [calm|troubled]]]: a trace as a busy host would record
/// it, the same for the same arguments. A troubled host has one of each thing that `report` finds.
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <random>
#include <string>
#include <vector>

#include "trace/compress.h"
#include "trace/writer.h"

using namespace tcpdwell;

namespace {

constexpr std::uint64_t kMs = 1'000'000, kSecond = 1'000 * kMs;
constexpr std::int64_t kStart = 1'767'323'045'000'000'006;

struct Stay {
  State to;
  double dwell_ns;  ///< in the state before
};

class Host {
 public:
  Host(std::uint64_t seed, bool troubled) : seed_(seed), troubled_(troubled) {}

  /// The lines of connection `n`.
  std::vector<Transition> life(std::uint64_t n) const {
    std::mt19937_64 random(seed_ * 1'000'003 + n);
    const auto around = [&](double median, double spread) {
      return std::lognormal_distribution<>(std::log(median), spread)(random);
    };
    const std::uint64_t kind = random() % 100;
    Transition t;
    Socket& s = t.socket;
    s.id = {n + 0x1000, 1};
    s.netns = 4'026'531'840;
    s.local.addr = {10, 0, 0, 7};
    std::vector<Stay> stays;
    Reason reason = Reason::None;
    const double rtt = around(2e5, 0.7);
    const bool client = kind >= 50;
    if (!client) {
      s.local.port = kind < 40 ? 443 : 8080;
      s.remote.addr = {10, 1, static_cast<std::uint8_t>(random() % 40),
                       static_cast<std::uint8_t>(random() % 250)};
      s.remote.port = static_cast<std::uint16_t>(32768 + random() % 28000);
      s.owner = {815, Comm(kind < 40 ? "nginx" : "java"), OwnerSource::Accept};
      s.cgroup_id = 6432;
      stays = {{State::SynRecv, 0}, {State::Established, rtt}};
      const bool here_first = troubled_ && kind < 40;
      if (troubled_ && kind >= 48) {
        stays.push_back({State::CloseWait, around(5e7, 1)});  // and stays there
      } else if (here_first) {
        add(stays, {{State::FinWait1, 5e9},
                    {State::FinWait2, rtt},
                    {State::TimeWait, rtt},
                    {State::Close, 6.02e10}});
        reason = Reason::Expired;
      } else {
        add(stays, {{State::CloseWait, around(5e7, 1.5)},
                    {State::LastAck, around(1e5, 0.5)},
                    {State::Close, rtt}});
      }
    } else {
      const bool to_database = kind < 80;
      // A port is not taken twice towards one destination.
      s.local.addr[3] = static_cast<std::uint8_t>(7 + n / 28000 % 200);
      s.local.port = static_cast<std::uint16_t>(32768 + n % 28000);
      s.remote.addr = {10, 2, 0, static_cast<std::uint8_t>(to_database ? 1 : 2 + random() % 5)};
      s.remote.port = static_cast<std::uint16_t>(to_database ? 5432 : 80);
      s.owner = {static_cast<std::uint32_t>(4711 + random() % 4),
                 Comm(to_database ? "python3" : "curl"), OwnerSource::Connect};
      s.cgroup_id = 6433;
      stays = {{State::SynSent, 0}};
      if (troubled_ && kind >= 97) {
        s.remote.addr[3] = kind == 97 ? 77 : 78;
        s.remote.port = 9000;
        reason = kind == 97 ? Reason::Refused : Reason::Timeout;
        stays.push_back({State::Close, kind == 97 ? rtt : 1.3e11});
      } else if (troubled_ && kind >= 90) {
        s.remote.addr[3] = 99;
        add(stays, {{State::Established, rtt},
                    {State::CloseWait, 7.5e10 + rtt},
                    {State::LastAck, around(1e6, 1)},
                    {State::Close, rtt}});
      } else if (troubled_ && kind >= 88) {
        s.remote.addr[3] = 66;
        add(stays, {{State::Established, rtt},
                    {State::FinWait1, around(1e7, 1)},
                    {State::FinWait2, rtt},
                    {State::Close, 6e10}});
        reason = Reason::Expired;
      } else {
        add(stays, {{State::Established, rtt},
                    {State::FinWait1, around(3e7, 1.2)},
                    {State::FinWait2, rtt},
                    {State::TimeWait, around(1e6, 1)},
                    {State::Close, 6.02e10}});
        reason = Reason::Expired;
      }
    }
    return lines(t, stays, reason, n, client);
  }

 private:
  static void add(std::vector<Stay>& to, std::initializer_list<Stay> more) {
    to.insert(to.end(), more);
  }

  static std::vector<Transition> lines(Transition t, const std::vector<Stay>& stays, Reason reason,
                                       std::uint64_t n, bool client) {
    std::vector<Transition> all;
    std::uint64_t at = n * 100'000;
    const std::uint64_t begin = at;
    const std::uint16_t lport = t.socket.local.port;
    t.from = client ? State::Close : State::Listen;
    for (const Stay& stay : stays) {
      at += static_cast<std::uint64_t>(stay.dwell_ns);
      t.to = stay.to;
      t.wall_ns = kStart + static_cast<std::int64_t>(at);
      t.mono_ns = 1'000 * kSecond + at;
      t.socket.local.port = t.to == State::SynSent ? 0 : lport;
      t.dwell = t.ends_a_dwell() ? Dwell{Bound::Exact, static_cast<std::uint64_t>(stay.dwell_ns)}
                                 : Dwell{};
      t.path.push(t.to);
      if (t.last()) {
        t.life_ns = at - begin;
        t.reason = reason;
        if (reason != Reason::Refused) t.traffic = TrafficStats{120, 4096, 6, 5, 0, 41, 38};
      }
      all.push_back(t);
      t.from = t.to;
    }
    for (Transition& line : all)
      if (!line.last()) line.path = Path();
    return all;
  }

  std::uint64_t seed_;
  bool troubled_;
};

struct Place {
  std::uint64_t mono_ns;
  std::uint32_t connection, step;
};

int write_trace(const std::string& path, std::uint64_t transitions, const std::string& name,
                const Host& host) {
  std::vector<Place> order;
  std::uint64_t connections = 0;
  for (; order.size() < transitions; ++connections) {
    const auto life = host.life(connections);
    for (std::uint32_t step = 0; step < life.size(); ++step)
      order.push_back({life[step].mono_ns, static_cast<std::uint32_t>(connections), step});
  }
  std::stable_sort(order.begin(), order.end(),
                   [](const Place& a, const Place& b) { return a.mono_ns < b.mono_ns; });
  order.resize(transitions);
  auto out = create_trace_file(path);
  if (!out) return std::fprintf(stderr, "make_trace: %s\n", out.error().message.c_str()), 1;
  TraceWriter writer(**out);
  Header header;
  header.version = "0.1.0";
  header.host = name;
  header.kernel = "6.1.0";
  header.arch = "x86_64";
  header.boot_id = "00000000-0000-4000-8000-" + name;
  header.start_wall_ns = kStart;
  header.minisockets = "fentry";
  header.ports = EphemeralPorts{};
  Status status = writer.header(header);
  std::int64_t last = kStart;
  for (const Place& place : order) {
    const Transition line = host.life(place.connection)[place.step];
    last = line.wall_ns;
    if (status) status = writer.transition(line);
  }
  if (status)
    status = writer.end(
        TraceEnd{last, transitions, {}, static_cast<std::uint64_t>(last - kStart), connections});
  if (status) status = (*out)->close();
  if (!status) return std::fprintf(stderr, "make_trace: %s\n", status.error().message.c_str()), 1;
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 3)
    return std::fputs("usage: make_trace FILE TRANSITIONS [HOST [SEED [calm|troubled]]]\n", stderr),
           2;
  const std::string name = argc > 3 ? argv[3] : "web-1";
  const std::uint64_t seed = argc > 4 ? std::strtoull(argv[4], nullptr, 10) : 1;
  const bool troubled = argc > 5 && std::string(argv[5]) == "troubled";
  return write_trace(argv[1], std::strtoull(argv[2], nullptr, 10), name, Host(seed, troubled));
}
