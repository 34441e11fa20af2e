// SPDX-License-Identifier: BSD-2-Clause
#include <cstdio>
#include <exception>
#include <new>

#include "cli/app.h"

int main(int argc, char** argv) {
  try {
    return tcpdwell::run_app(argc, argv);
  } catch (const std::bad_alloc&) {
    std::fputs("tcpdwell: out of memory\n", stderr);
  } catch (const std::exception& failure) {  // a thread that cannot be started
    std::fprintf(stderr, "tcpdwell: %s\n", failure.what());
  }
  return 1;
}
