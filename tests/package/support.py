# SPDX-License-Identifier: BSD-2-Clause
"""What the tests of packaging/ share."""

import os
import shutil
import subprocess
import sys
import unittest
from pathlib import Path

SOURCE = Path(__file__).resolve().parents[2]
PACKAGING = SOURCE / "packaging"
BUILD = Path(os.environ.get("TCPDWELL_BUILD", SOURCE / "build"))
MADE = BUILD / "packaging"  # manual page, completions
PACKAGES = BUILD / "packages"  # by packaging/pack, which a test runs first
ENGINES = Path(os.environ.get("TCPDWELL_ENGINES", Path.home() / ".cache/tcpdwell/engines"))  # of scripts/deps: tests/engines
TCPDWELL = str(BUILD / "tcpdwell")


def needs(*programs):
    missing = [program for program in programs if shutil.which(program) is None]
    return unittest.skipIf(missing, f"not installed: {' '.join(missing)}")


def output(*words, status=0, **options):
    """What a program says, on both streams; fails unless it ends with `status`."""
    done = subprocess.run(list(map(str, words)), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          stdin=options.pop("stdin", subprocess.DEVNULL), timeout=options.pop("timeout", 600), check=False, **options)
    if status is not None and done.returncode != status:
        raise AssertionError(f"{' '.join(map(str, words))}: exit status {done.returncode}\n{done.stdout}")
    return done.stdout


def main():
    unittest.main(argv=sys.argv)
