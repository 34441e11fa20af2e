// SPDX-License-Identifier: BSD-2-Clause
/// bench_floor: keeps an empty program at sock/inet_sock_set_state until a signal ends it.
#include <unistd.h>

#include <cstdio>

#include "floor_bpf.skel.h"

int main() {
  floor_bpf* skeleton = floor_bpf__open_and_load();
  if (skeleton == nullptr || floor_bpf__attach(skeleton) != 0) {
    std::perror("bench_floor: cannot load or attach");
    return 1;
  }
  pause();
}
