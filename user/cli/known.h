// SPDX-License-Identifier: BSD-2-Clause
/// What a `serve` that runs on this host knows of the sockets that exist: since when each is in its
/// state, and whose it is, where the kernel has forgotten that.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "model/event.h"
#include "model/listing.h"
#include "util/keyed_hash.h"
#include "util/result.h"

namespace tcpdwell {

class Known {
 public:
  /// Asks over the unix socket. An Error where nobody answers, or no whole answer comes.
  static Result<Known> ask(const std::string& socket_path);
  /// What an answer of `from` tells: a trace of seeds. An Error where it is not a whole one.
  static Result<Known> read(std::string_view answer, const std::string& from);

  std::size_t size() const { return sockets_.size(); }
  /// Age and owner of a socket that the kernel has just listed, where these are known better.
  void improve(Seed& seed) const;
  const std::vector<Seed>& sockets() const { return sockets_; }

 private:
  std::vector<Seed> sockets_;
  std::unordered_map<std::uint64_t, std::size_t, KeyedHash> by_cookie_;
};

}  // namespace tcpdwell
