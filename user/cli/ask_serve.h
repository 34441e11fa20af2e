// SPDX-License-Identifier: BSD-2-Clause
/// What a `serve` that runs on this host knows of the sockets that exist: since when each is in its
/// state, and whose it is, where the kernel has forgotten that.
#pragma once

#include <cstdint>
#include <deque>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "model/event.h"
#include "model/listing.h"
#include "trace/compress.h"
#include "util/result.h"

namespace tcpdwell {

class ServeAnswer {
 public:
  /// Whoever answers may be anybody: what he can make this process do and keep is bounded.
  static constexpr std::uint64_t kMostBytes = 512U << 20, kMostNs = 10'000'000'000;
  static constexpr std::size_t kMostSockets = 1'000'000;

  /// Asks over the unix socket. An Error where nobody answers (it has an os_errno), or no whole
  /// answer comes within the bounds.
  static Result<ServeAnswer> ask(const std::string& socket_path);
  /// What an answer of `from` tells: a trace of seeds. An Error where it is not a whole one.
  static Result<ServeAnswer> read(Input& answer, const std::string& from);

  std::size_t size() const { return sockets_.size(); }
  /// Age and owner of a socket that the kernel has just listed, where these are known better.
  void improve(Seed& seed) const;
  const std::deque<Seed>& sockets() const { return sockets_; }

 private:
  std::deque<Seed> sockets_;
  /// Sorted: cookies that somebody chose cannot make it slow.
  std::vector<std::pair<std::uint64_t, std::size_t>> by_cookie_;
};

}  // namespace tcpdwell
