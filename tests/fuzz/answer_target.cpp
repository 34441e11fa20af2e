// SPDX-License-Identifier: BSD-2-Clause
/// Bytes as what `stuck` gets back from whoever listens on the socket of `serve`.
#include <algorithm>
#include <cstdint>
#include <string>

#include "cli/known.h"
#include "fuzz/require.h"
#include "serve/http.h"

using namespace tcpdwell;

namespace {

const std::string kFrom = "/run/tcpdwell.sock";

template <class T>
bool told(const Result<T>& result) {
  if (result.ok()) return true;
  const std::string& message = result.error().message;
  TD_REQUIRE(message.compare(0, kFrom.size(), kFrom) == 0);
  TD_REQUIRE(std::none_of(message.begin(), message.end(), [](unsigned char c) { return c < 0x20 || c == 0x7f; }));
  return false;
}

/// A socket as the kernel lists it, later than the answer was made: what is known of it makes it better, never
/// another one, never worse.
void listed(const Known& known, const Seed& of, Bound bound) {
  Seed seed = of;
  seed.mono_ns += 5;
  seed.age = {bound, bound == Bound::Unknown ? 0U : 7U};
  seed.socket.owner = {};
  known.improve(seed);
  TD_REQUIRE(seed.state == of.state && seed.socket.id.cookie == of.socket.id.cookie);
  if (bound == Bound::Exact) TD_REQUIRE(seed.age.bound == Bound::Exact && seed.age.ns == 7);
  if (bound == Bound::AtLeast) TD_REQUIRE(seed.age.bound == Bound::Exact || (seed.age.bound == bound && seed.age.ns >= 7));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto body = body_of({reinterpret_cast<const char*>(data), size}, kFrom);
  if (!told(body)) return 0;
  const auto input = open_trace_bytes(*body);
  const auto known = Known::read(*input, kFrom);
  if (!told(known)) return 0;
  for (const Seed& seed : known->sockets())
    for (const Bound bound : {Bound::Exact, Bound::AtLeast, Bound::Unknown}) listed(*known, seed, bound);
  return 0;
}
