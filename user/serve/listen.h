// SPDX-License-Identifier: BSD-2-Clause
/// Listening sockets, made before privileges are given up.
#pragma once

#include <sys/types.h>

#include <string>

#include "util/result.h"

namespace tcpdwell {

struct Listening {
  int fd = -1;
  std::string name;       ///< "127.0.0.1:9978", the path of a unix socket
  bool loopback = false;  ///< a TCP address that only this host can reach
  bool is_unix = false;
  dev_t dev = 0;  ///< of a unix socket's file
  ino_t ino = 0;
};

/// "127.0.0.1:9978", "[::1]:9978", ":9978" (every address), port 0: any.
Result<Listening> listen_tcp(const std::string& address);
/// Only for its owner (0600). A socket that nobody answers on any more is replaced.
Result<Listening> listen_unix(const std::string& path);
/// Takes the file of a unix socket away, while that is still open: then the file is ours or a
/// successor's, whose number is another.
void remove_unix(const Listening& listening);

}  // namespace tcpdwell
