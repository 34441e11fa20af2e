// SPDX-License-Identifier: BSD-2-Clause
#include "cli/known.h"

#include <cstdint>
#include <optional>
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

/// The age of `known` at another moment; absent where its state had not begun then, or it is no age
/// that there can be: an answer may hold any numbers.
std::optional<std::uint64_t> age_at(std::uint64_t mono_ns, const Seed& known) {
  if (mono_ns < known.mono_ns) {
    const std::uint64_t before = known.mono_ns - mono_ns;
    return before > known.age.ns ? std::nullopt : std::optional(known.age.ns - before);
  }
  const std::uint64_t passed = mono_ns - known.mono_ns;
  return known.age.ns > UINT64_MAX - passed ? std::nullopt : std::optional(known.age.ns + passed);
}

}  // namespace

Result<Known> Known::ask(const std::string& socket_path) {
  auto answer = get_over_unix(socket_path, "/api/sockets", kTimeoutMs);
  if (!answer) return answer.error();
  return read(*answer, socket_path);
}

Result<Known> Known::read(std::string_view answer, const std::string& from) {
  Known known;
  Gather gather(known.sockets_);
  const auto input = open_trace_bytes(answer);
  auto report = read_trace(*input, from, gather, {});
  if (!report) return report.error();
  if (!report->complete || report->skipped != 0)
    return Error{Fault::Runtime, from + ": the answer is cut off"};
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
  const auto age = age_at(seed.mono_ns, known);
  if (known.age.bound == Bound::Unknown || !age) return;
  const bool better = known.age.bound == Bound::Exact || seed.age.bound == Bound::Unknown ||
                      (seed.age.bound == Bound::AtLeast && *age > seed.age.ns);
  if (better && seed.age.bound != Bound::Exact) seed.age = {known.age.bound, *age};
}

}  // namespace tcpdwell
