# SPDX-License-Identifier: BSD-2-Clause
"""In a clean Debian 13, with its compilers, its libbpf and its CMake, the unit tests are built and pass. Without optimisation and
without debug information, which is half the time; everything, as it is shipped, and the other tests: scripts/test --trixie."""

import os
import unittest

from support import SOURCE, main, needs, output

BUILD = (
    "scripts/deps unit && cmake --preset debug -DCMAKE_CXX_FLAGS_DEBUG=-O0 >/dev/null && ninja -C build-debug unit_tests"
    " && ctest --test-dir build-debug -R '^tests/(unit|fuzz)/' -j \"$(nproc)\" --output-on-failure --no-tests=error"
)


@needs("mmdebstrap")
@unittest.skipUnless(os.geteuid() == 0, "needs root")
class Debian13(unittest.TestCase):
    def test_the_unit_tests_pass(self):
        # Tests that measure time run meanwhile.
        said = output("nice", "scripts/debian", "trixie", "sh", "-c", BUILD, cwd=SOURCE, timeout=1500)
        self.assertIn("100% tests passed", said)


if __name__ == "__main__":
    main()
