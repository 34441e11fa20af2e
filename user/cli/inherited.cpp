// SPDX-License-Identifier: BSD-2-Clause
#include "cli/inherited.h"

#include <signal.h>
#include <sys/stat.h>

#include <array>
#include <cstddef>
#include <optional>

namespace tcpdwell {
namespace {

constexpr std::array<int, 2> kIgnored{SIGPIPE, SIGXFSZ};

struct Given {
  std::array<struct sigaction, kIgnored.size()> actions{};
  mode_t mask = 0;
};

std::optional<Given> given;

}  // namespace

void change_for_ourselves() {
  Given before;
  struct sigaction ignore {};
  ignore.sa_handler = SIG_IGN;
  for (std::size_t i = 0; i < kIgnored.size(); ++i)
    sigaction(kIgnored[i], &ignore, &before.actions[i]);
  before.mask = umask(0);
  given = before;
}

void give_back() {
  if (!given) return;
  for (std::size_t i = 0; i < kIgnored.size(); ++i)
    sigaction(kIgnored[i], &given->actions[i], nullptr);
  umask(given->mask);
}

}  // namespace tcpdwell
