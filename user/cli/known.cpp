// SPDX-License-Identifier: BSD-2-Clause
#include "cli/known.h"

#include <utility>

#include "serve/http.h"
#include "trace/reader.h"

namespace tcpdwell {
namespace {

constexpr int kTimeoutMs = 5000;

class Gather : public Consumer {
 public:
  explicit Gather(std::vector<Seed>& into) : into_(into) {}
  Status transition(const Transition&) override { return Ok; }
  Status seed(const Seed& seed) override {
    into_.push_back(seed);
    return Ok;
  }

 private:
  std::vector<Seed>& into_;
};

}  // namespace

Result<Known> Known::ask(const std::string& socket_path) {
  auto answer = get_over_unix(socket_path, "/api/sockets", kTimeoutMs);
  if (!answer) return answer.error();
  Known known;
  Gather gather(known.sockets_);
  const auto input = open_trace_bytes(*answer);
  auto report = read_trace(*input, socket_path, gather, {});
  if (!report) return report.error();
  if (!report->complete || report->skipped != 0)
    return Error{Fault::Runtime, socket_path + ": the answer is cut off"};
  known.by_cookie_.reserve(known.sockets_.size());
  for (std::size_t i = 0; i < known.sockets_.size(); ++i)
    known.by_cookie_.emplace(known.sockets_[i].socket.id.cookie, i);
  return known;
}

void Known::improve(Seed& seed) const {
  const auto found = by_cookie_.find(seed.socket.id.cookie);
  if (found == by_cookie_.end()) return;
  const Seed& known = sockets_[found->second];
  // A cookie is of one socket, but a walk of the past and a walk of now may find it in two states.
  if (known.state != seed.state) return;
  seed.socket.id = known.socket.id;
  if (!seed.socket.owner.pid && known.socket.owner.pid) seed.socket.owner = known.socket.owner;
  const auto passed = static_cast<std::int64_t>(seed.mono_ns - known.mono_ns);
  const auto age = static_cast<std::int64_t>(known.age.ns) + passed;
  if (known.age.bound == Bound::Unknown || age < 0) return;
  const bool better =
      known.age.bound == Bound::Exact || seed.age.bound == Bound::Unknown ||
      (seed.age.bound == Bound::AtLeast && static_cast<std::uint64_t>(age) > seed.age.ns);
  if (better && seed.age.bound != Bound::Exact)
    seed.age = {known.age.bound, static_cast<std::uint64_t>(age)};
}

}  // namespace tcpdwell
