// SPDX-License-Identifier: BSD-2-Clause
#include "cli/known.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <utility>

#include "serve/http.h"
#include "trace/reader.h"

namespace tcpdwell {
namespace {

class Gather : public Consumer {
 public:
  Gather(std::deque<Seed>& into, const std::string& from) : into_(into), from_(from) {}
  Status transition(const Transition&) override { return Ok; }
  Status seed(const Seed& seed) override {
    if (into_.size() == Known::kMostSockets)
      return Error{Fault::Runtime,
                   fmt::format("{}: the answer has more than {} sockets", from_, into_.size())};
    into_.push_back(seed);
    return Ok;
  }

 private:
  std::deque<Seed>& into_;
  const std::string& from_;
};

/// An answer as a trace that comes in pieces; what ended it too early is kept.
class AnswerInput : public Input {
 public:
  explicit AnswerInput(UnixAnswer& answer) : answer_(answer) {}
  Result<std::size_t> read(char* data, std::size_t size) override {
    auto got = answer_.read(data, size);
    if (!got) failure = got.error();
    if (got) offset_ += *got;
    return got;
  }
  std::uint64_t file_offset() const override { return offset_; }
  std::optional<Error> failure;

 private:
  UnixAnswer& answer_;
  std::uint64_t offset_ = 0;
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
  auto answer = UnixAnswer::get(socket_path, "/api/sockets", {kMostBytes, kMostNs});
  if (!answer) return answer.error();
  AnswerInput input(**answer);
  auto known = read(input, socket_path);
  if (input.failure) return *input.failure;
  return known;
}

Result<Known> Known::read(Input& answer, const std::string& from) {
  Known known;
  Gather gather(known.sockets_, from);
  auto report = read_trace(answer, from, gather, {});
  if (!report) return report.error();
  if (!report->complete || report->skipped != 0)
    return Error{Fault::Runtime, from + ": the answer is cut off"};
  known.by_cookie_.reserve(known.sockets_.size());
  for (std::size_t i = 0; i < known.sockets_.size(); ++i)
    known.by_cookie_.emplace_back(known.sockets_[i].socket.id.cookie, i);
  std::sort(known.by_cookie_.begin(), known.by_cookie_.end());
  return known;
}

void Known::improve(Seed& seed) const {
  const std::uint64_t cookie = seed.socket.id.cookie;
  const auto found =
      std::lower_bound(by_cookie_.begin(), by_cookie_.end(), std::pair(cookie, std::size_t{0}));
  if (found == by_cookie_.end() || found->first != cookie) return;
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
