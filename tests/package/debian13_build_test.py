# SPDX-License-Identifier: BSD-2-Clause
"""What a clean Debian 13 brings that differs from the machine of the other tests: its compilers, its libbpf and its CMake. All of
the build would take as long again (`scripts/test --trixie`), so here are the kernel program and the room that loads it."""

import os
import unittest

from support import SOURCE, main, needs, output

BUILD = "scripts/deps build && cmake --preset release -DTCPDWELL_TESTS=OFF >/dev/null && ninja -C build tcpdwell_bpf_skeleton tcpdwell_capture"


@needs("mmdebstrap")
@unittest.skipUnless(os.geteuid() == 0, "needs root")
class Debian13(unittest.TestCase):
    def test_it_builds(self):
        built = output("scripts/debian", "trixie", "sh", "-c", BUILD, cwd=SOURCE)
        self.assertIn("libtcpdwell_capture.a", built)


if __name__ == "__main__":
    main()
