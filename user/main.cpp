// SPDX-License-Identifier: BSD-2-Clause
#include "cli/app.h"

int main(int argc, char** argv) { return tcpdwell::run_app(argc, argv); }
