// SPDX-License-Identifier: BSD-2-Clause
#include "util/keyed_hash.h"

#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace tcpdwell {
namespace {

HashSecret draw() {
  HashSecret secret{};
  if (getentropy(&secret, sizeof secret) == 0) return secret;
  // Without one, whoever chooses the keys chooses how much memory is taken.
  std::fprintf(
      stderr,
      "tcpdwell: cannot get random numbers (%s): the system call getrandom must be allowed\n",
      std::strerror(errno));
  std::_Exit(EXIT_FAILURE);
}

}  // namespace

const HashSecret hash_secret = draw();

}  // namespace tcpdwell
