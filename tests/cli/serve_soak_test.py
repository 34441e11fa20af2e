# SPDX-License-Identifier: BSD-2-Clause
"""bench/soak.py for twenty seconds: nothing lost, populations as ss has them."""

import os
import subprocess
import sys

from support import TCPDWELL, TestCase, main, needs, needs_root


@needs_root
@needs("ss")
class Soak(TestCase):
    def test_a_short_one(self):
        script = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../bench/soak.py")
        done = subprocess.run([sys.executable, "-B", script, TCPDWELL, "20"], capture_output=True, text=True, timeout=100)
        print(done.stdout)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)


if __name__ == "__main__":
    main()
